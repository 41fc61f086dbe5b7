"""Check a plugin in a small run, and again with test names exchanged and with half of the test clips.

The run is of one machine and section, of :data:`TRAIN` train and :data:`TEST` test clips at most. The portfolio is
:data:`AROUND`, with the plugin in the place of its kind.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import polars as pl

from asdcore.authoring.conformance import Result, required
from asdcore.authoring.conformance.kinds.guard import NAMED
from asdcore.authoring.conformance.kinds.scorer import ScorerBench
from asdcore.contract.interfaces import Dataset
from asdcore.contract.plugins import installed
from asdcore.errors import AsdcoreError, DataError
from asdcore.frozen.rerun.recording_links import others, place_beside, plant
from asdcore.frozen.rerun.rerun_renamed import Differing, rerun, run_fresh
from asdcore.portfolio import DEFAULT_TASK, load_portfolio
from asdcore.runs.folder import Run
from asdcore.store.disk.atomic import working_folder

AROUND = "logmel-knn"
TRAIN, TEST = {"source": 50, "target": 10}, 40
WHY = "a test clip is scored alone, and by its sound: neither its name nor the other test clips may enter."
NAMES = (
    "check_same_under_other_names",
    "check_same_with_one_half_of_the_test_clips",
    "check_same_with_the_other_half_of_the_test_clips",
)


def check_in_a_run(kind: str, name: str, root: Path) -> list[Result]:
    """Run a component of any kind but dataset readers on some recordings below ``root``, and again in other ways."""
    results = []
    try:
        for check, differing in _runs(kind, name, root):
            results.append(Result(check, not differing, _message(differing)))
    except AsdcoreError as error:
        check = ("check_runs_on_recordings", *NAMES)[len(results)]
        results.append(Result(check, False, str(error)))
    return results


def portfolio_around(kind: str, name: str) -> dict[str, Any]:
    """Return a portfolio with the component in it, as a portfolio file holds it."""
    plan: dict[str, Any] = load_portfolio(AROUND).model_dump(mode="json")
    (branch,) = plan["branches"].values()
    branch[kind] = {"name": name}
    if kind == "guard":
        del branch[kind]
        poolings = ("mean", "max", "mean_std")
        pooled = [branch | {"encoder": branch["encoder"] | {"pooling": {"name": pooling}}} for pooling in poolings]
        plan["branches"] = dict(zip(NAMED, pooled, strict=True))
        (system,) = plan["systems"].values()
        system |= {"weights": {NAMED[0]: 1.0}, "guards": [{"name": name, **required(kind, name)}]}
    elif kind == "scorer" and ScorerBench(lambda: installed().build(kind, name, {})).frames:
        branch["encoder"] = branch["encoder"] | {"pooling": {"name": "frames"}}
    elif kind in ("view", "encoder") and getattr(installed().component(kind, name).factory, "channels", 1) == 2:
        other = "encoder" if kind == "view" else "view"
        branch[other] = {"name": _of_two_channels(other)}
    if kind in ("scorer", "normalizer"):
        # A scorer may lack the pooled reference, and a normalizer may want all of them.
        for neighbour in {"scorer", "normalizer"} - {kind}:
            branch[neighbour] = {
                key: value for key, value in branch[neighbour].items() if key not in ("scope", "references")
            }
    return plan


def _runs(kind: str, name: str, root: Path) -> Iterator[tuple[str, list[Differing]]]:
    """Yield each check and what differs; raises an AsdcoreError if no run is possible."""
    reader: Dataset = installed().build("dataset", DEFAULT_TASK, {})
    sounds = _few(reader.clips(root), root)
    place = place_beside(root, [Path(gettempdir()), Path.cwd()]) or Path(gettempdir())
    with working_folder(place, "check") as home:
        plant(root, home / "data", {clip: clip for clip in sounds})
        (home / "portfolio.json").write_text(json.dumps(portfolio_around(kind, name)))
        first: Run = run_fresh(home / "portfolio.json", home, DEFAULT_TASK)
        yield "check_runs_on_recordings", []
        for check, (_, differing) in zip(NAMES, rerun(first, others(first.clips)), strict=False):
            yield check, differing


def _few(clips: pl.DataFrame, root: Path) -> Iterable[str]:
    """Return some clips of the smallest machine and section that has train clips and test clips to compare."""
    sizes = clips.group_by("machine", "section").agg(
        test=(pl.col("split") == "test").sum(), train=(pl.col("split") == "train").sum(), n=pl.len()
    )
    sizes = sizes.filter((pl.col("test") >= 2) & (pl.col("train") >= 2)).sort("n", "machine", "section")
    if sizes.is_empty():
        raise DataError(f"{root} has no machine with at least 2 train and 2 test clips, so nothing can be run on it.")
    cell = clips.join(sizes[:1], on=["machine", "section"], how="semi")
    train = [cell.filter(split="train", domain=domain).sort("clip")[:n] for domain, n in TRAIN.items()]
    return pl.concat([*train, cell.filter(split="test").sort("sha256")[:TEST]])["clip"]


def _of_two_channels(kind: str) -> str:
    """Return the first installed component of a kind that gives or reads two channels and needs no parameters."""
    components = installed().components(kind).items()
    return next(
        name
        for name, component in components
        if getattr(component.factory, "channels", 1) == 2 and not installed().needed(component)
    )


def _message(differing: list[Differing]) -> str:
    if not differing:
        return ""
    named = ", ".join(clip.clip for clip in differing[:10]) + ", ..." * (len(differing) > 10)
    return (
        f"Run again {differing[0].how}, {len(differing)} clips get other scores: {named}\nWhy it matters: {WHY}\n"
        "Likely cause: something of other clips is kept (in the object, its class, its module), or looked for (stack "
        "frames, the garbage collector, the command line, files)."
    )
