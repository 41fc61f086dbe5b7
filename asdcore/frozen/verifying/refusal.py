"""Refuse what a failed verification does not allow, and say what differs and what to type next."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from asdcore.errors import ManifestError
from asdcore.frozen.verifying.differences import GROUPS, Difference, Verification, grouped
from asdcore.frozen.verifying.kernel_settings import settings

SHOWN = 10
"""Differences of a group, and results, that are shown one by one. ``verify --json`` lists all."""

WHAT = {"data": "recordings", "run": "run folder", "store": "store"}
"""The places that may lie elsewhere than the manifest says, and what a person calls them."""


@dataclass(frozen=True)
class Command:
    """The command that verified: its option for each place that may have moved, and its other options."""

    name: str
    options: Mapping[str, str]
    rest: str = ""


VERIFY = Command("verify", {"data": "--data", "run": "--run", "store": "--store"})
INFER = Command("infer", {"data": "--frozen-data", "run": "--run", "store": "--store"})

ANEW = "or run and freeze anew."

PACKAGE = re.compile(r"packages: (\S+): (\S+), here ")
"""How a difference tells a package and its frozen version."""

NEXT = {
    "audio": f"Recordings: bring back the files as they were frozen, {ANEW}",
    "checkpoint": "Checkpoints: asdcore registry fetch ID brings a pinned file back.",
    "plugin": f"Plugins: install the pinned version or undo the edit, {ANEW}",
    "code": f"asdcore's source: install the pinned version or undo the edit, {ANEW}",
    "portfolio": f"Portfolio: bring back the run folder as it was frozen, {ANEW}",
    "record": f"Run folder: bring it back as it was frozen, {ANEW}",
    "features": "Features: asdcore verify MANIFEST --recompute --store NEW builds them anew in the folder NEW.",
    "fitted": "Fitted scorers: bring the store back as it was frozen, or run and freeze anew.",
    "trained": "Trained encoders: bring the store back as it was frozen, or run and freeze anew.",
    "table": "Tables: asdcore verify MANIFEST --recompute --run NEW builds them anew and compares.",
    "environment": f"Environment: install the pinned versions in a new virtual environment, {ANEW}",
    "recomputed": "Recomputed tables: this machine gets other numbers. Use the one that froze them, or freeze anew.",
    "kernels": "Processor: asdcore verify MANIFEST --recompute says how far every table is. Use the kernels of the "
    "freeze, the machine that froze it, or freeze anew; exact = true lets networks compute the same everywhere.",
}
"""What to do about each group of differences."""


def difference_lines(result: Verification, command: Command) -> list[str]:
    """Return the differences as lines: one for each place that is gone, at most ten for each group."""
    lines = [
        f"{WHAT[root]}: {folder} holds none of the frozen files. Say where they are with {command.options[root]} DIR."
        for root, folder in result.absent.items()
    ]
    for title, differences in grouped(_elsewhere(result)).items():
        lines.append(f"{title}: {len(differences)} difference{'s' * (len(differences) > 1)}")
        lines += shortened([str(difference) for difference in differences])
    return lines


def next_steps(result: Verification, command: Command) -> list[str]:
    """Return what to type next, a line for each group that differs."""
    steps = []
    if result.absent:
        options = " ".join(f"{command.options[root]} DIR" for root in result.absent)
        rest = f"{command.rest} " if command.rest else ""
        steps.append(f"Next: asdcore {command.name} {result.manifest} {rest}{options}")
    differing = {difference.group for difference in _elsewhere(result)}
    steps += [NEXT[group].replace("MANIFEST", result.manifest) for group in GROUPS if group in differing]
    steps += frozen_packages(_elsewhere(result))
    if differing & {"kernels", "recomputed"} and (back := settings(result.kernels)):
        rest = f" {command.rest}" * bool(command.rest)
        steps.append(f"With the kernels of the freeze: {back} asdcore {command.name} {result.manifest}{rest}")
    if differing:
        steps.append("To freeze anew: asdcore run PORTFOLIO --data ROOT --out RUN; asdcore freeze RUN --out NEW.json")
    return steps


def frozen_packages(differences: Iterable[Difference]) -> list[str]:
    """Return the line that says how packages of other versions become those of the freeze; none if none differs."""
    # torch's builds for a processor or GPU (torch 2.9+cpu) lie at an index of their own: pytorch.org/get-started
    details = [PACKAGE.match(difference.detail) for difference in differences if difference.group == "environment"]
    packages = [f"{package[1]}=={package[2]}" for package in details if package]
    builds = sorted({package[2].partition("+")[2] for package in details if package and package[1] == "torch"} - {""})
    index = "".join(f" --extra-index-url https://download.pytorch.org/whl/{build}" for build in builds)
    return [f"The packages as they were: pip install --no-deps {' '.join(packages)}{index}"] if packages else []


def refuse_unless_passed(verified: Verification, given: str) -> None:
    """Raise ManifestError with every difference unless a verification passed; ``given`` are options of ``infer``."""
    if verified.passed:
        return
    lines = [*difference_lines(verified, INFER), *next_steps(verified, replace(INFER, rest=given))]
    raise ManifestError("\n".join([f"{verified.manifest} does not fit what is here, so nothing was inferred:", *lines]))


def shortened(lines: list[str]) -> list[str]:
    """Return the first ten lines, indented, and how many more there are."""
    more = [f"  ... and {len(lines) - SHOWN} more; 'asdcore verify --json' lists all"] * (len(lines) > SHOWN)
    return [*(f"  {line}" for line in lines[:SHOWN]), *more]


def _elsewhere(result: Verification) -> list[Difference]:
    """Return the differences that do not follow from a place that is gone."""
    gone = tuple(f"{root}/" for root in result.absent)
    return [difference for difference in result.differences if not difference.artifact.startswith(gone)]
