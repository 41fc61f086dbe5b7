"""Run a finished run again with test names exchanged and with half of the test clips, and compare the scores exactly.

Within one process a plugin may reach a label or the other test clips by stack frames, the garbage collector, the
command line or files. So a run is checked from outside: a fresh process with an empty store runs the same
portfolio on links to the same recordings, once with the names of test clips exchanged, and once with either half of the
test clips. Each score that is left must be the same to the last bit.

What that cannot show: a plugin that reads labels from a place of its own, by the sound itself.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

import polars as pl

from asdcore.errors import DataError, ManifestError
from asdcore.frozen.rerun.recording_links import Other, others, place_beside, plant
from asdcore.progress import Progress, Silent
from asdcore.runs.folder import PORTFOLIO_FILE, TABLES, Run, load_run
from asdcore.store.disk.atomic import disk_trouble, working_folder

COMPARED = ("scores", "calibrated", "systems", "decisions")
NEXT = (
    "A score may depend on the clip's sound and on the train normals, and on nothing else. 'asdcore check-plugin NAME "
    "--data ROOT' tells which plugin it is."
)


class NotTheSameError(ManifestError):
    """A run gives other scores when it is run again."""


@dataclass(frozen=True)
class Differing:
    """A clip that gets other scores, and the branches and systems in which it does."""

    how: str
    clip: str
    branches: tuple[str, ...]
    systems: tuple[str, ...]

    def __str__(self) -> str:
        branches = f"branch {', '.join(self.branches)}" if self.branches else ""
        systems = f"system {', '.join(self.systems)}" if self.systems else ""
        return f"{self.clip}: {'; '.join(filter(None, (branches, systems)))}"


def check_same(run: Run, *, workers: int = 1, progress: Progress | None = None) -> int:
    """Run a finished run again in every other way; returns how many ways there were.

    Raises NotTheSameError with every clip, branch and system that differs. Takes as long as running it without a store
    twice, and once more for its train clips.
    """
    ways = others(run.clips)
    lines = []
    with (progress or Silent()).stage("again", len(ways)) as advance:
        for how, differing in rerun(run, ways, workers):
            if differing:
                tested = f"{len(differing)} clip{'s' * (len(differing) > 1)}"
                lines += [f"{how} {tested} got other scores:", *(f"  {clip}" for clip in differing)]
            advance(1)
    if lines:
        raise NotTheSameError("\n".join([f"{run.folder} is not the same when it is run again.", *lines, NEXT]))
    return len(ways)


def rerun(run: Run, ways: list[Other], workers: int = 1) -> Iterator[tuple[str, list[Differing]]]:
    """Yield each way in words and what differs."""
    root = Path(run.about["data"])
    if not root.is_dir():
        raise DataError(f"{root}, the recordings of {run.folder}, is not there, so they cannot be run again.")
    place = place_beside(root, (run.folder.parent, Path(run.about["store"]), root.parent))
    for way in ways:
        place = place or Path(gettempdir())
        with disk_trouble(place), working_folder(place, "again") as home:
            plant(root, home / "data", way.sounds)
            yield way.how, _compared(run, _run_again(run, home, way, workers), way)


def _run_again(run: Run, home: Path, way: Other, workers: int) -> Run:
    """Run the portfolio of ``run`` on ``home / "data"`` in a process of its own."""
    try:
        return run_fresh(run.folder / PORTFOLIO_FILE, home, run.about["task"], run.about["device"], workers)
    except DataError as error:
        raise NotTheSameError(f"{run.folder} cannot be run again {way.how}: {error}\n{NEXT}") from None


def run_fresh(portfolio: Path, home: Path, task: str, device: str = "cpu", workers: int = 1) -> Run:
    """Run a portfolio on ``home / "data"`` in a process of its own, with an empty store, into ``home / "run"``.

    Raises DataError with the last message of that process, if it fails.
    """
    given = {"data": home / "data", "out": home / "run", "store": home / "store", "task": task, "workers": workers}
    options = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    options += ["--device", device] if device != "cpu" else []
    # -P: files in the working directory are not imported, just as for the command.
    command = [sys.executable, "-P", "-c", "from asdcore.cli import main; main()", "run", str(portfolio.resolve())]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if done.returncode:
        _, error, message = done.stderr.rpartition("Error: ")
        raise DataError(message.strip() if error else f"the process ended with {done.returncode}. {done.stderr[-500:]}")
    return load_run(home / "run")


def _compared(run: Run, again: Run, way: Other) -> list[Differing]:
    """Return the clips whose scores differ, by name."""
    names = pl.DataFrame(list(way.sounds.items()), schema={"clip": pl.String, "was": pl.String}, orient="row")
    differing: dict[str, dict[str, set[str]]] = {}
    for table in COMPARED:
        then = getattr(run, table).join(names.select(clip="was"), on="clip", how="semi")
        now = getattr(again, table).join(names, on="clip").with_columns(clip="was").drop("was")
        of = "branch" if "branch" in then.columns else "system"
        for clip, name in _unlike(table, then, now).select("clip", of).rows():
            differing.setdefault(clip, {"branch": set(), "system": set()})[of].add(name)
    return [
        Differing(way.how, clip, tuple(sorted(names_of["branch"])), tuple(sorted(names_of["system"])))
        for clip, names_of in sorted(differing.items())
    ]


def _unlike(name: str, then: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a table that have other numbers, or are in one of both alone."""
    table = TABLES[name]
    numbers = [
        column for column, kind in table.columns.items() if kind in (pl.Float64, pl.Int8) and column not in table.key
    ]
    both = then.join(now, on=list(table.key), how="full", coalesce=True, suffix=" again")
    return both.filter(pl.any_horizontal(pl.col(column).ne_missing(pl.col(f"{column} again")) for column in numbers))
