"""Choose the systems of a submission among runs, and check that the runs are of the same year and clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asdcore.errors import DataError, did_you_mean
from asdcore.evidence.rules import forbids_known_faults
from asdcore.runs.folder import Run, load_run
from asdcore.submission.layout import MAX_SYSTEMS, Expected, expected_files

Chosen = list[tuple[Run, str]]
"""Runs and the names of their systems, in the order of the labels."""


def opened(run: Run | str | Path) -> Run:
    """Return a run, read from its folder if a path is given."""
    return run if isinstance(run, Run) else load_run(run)


def chosen_systems(runs: list[Run], systems: Sequence[str] | None) -> Chosen:
    """Return the systems to package; raises DataError for none, too many, unknown or repeated ones."""
    there = [(run, str(system)) for run in runs for system in run.about["portfolio"]["systems"]]
    every = [f"{run.folder}/{system}" if len(runs) > 1 else system for run, system in there]
    chosen = there if systems is None else [_find(name, there, every) for name in systems]
    names = ", ".join(every)
    if len(chosen) > MAX_SYSTEMS:
        raise DataError(
            f"{len(chosen)} systems were given ({names}), the challenge takes at most {MAX_SYSTEMS}. Choose with "
            f"--systems {','.join(every[:MAX_SYSTEMS])}."
        )
    if len({(run.folder, system) for run, system in chosen}) < len(chosen) or not chosen:
        raise DataError(f"Each system must be given once, and at least one. There are {names}.")
    return chosen


def _find(name: str, there: Chosen, every: list[str]) -> tuple[Run, str]:
    matching = [
        choice
        for choice in there
        if name in (choice[1], f"{choice[0].folder.resolve().name}/{choice[1]}", f"{choice[0].folder}/{choice[1]}")
    ]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise DataError(f"{len(matching)} runs have a system {name!r}. Say which with --systems: {', '.join(every)}.")
    raise DataError(f"No run given has a system {name!r}. {did_you_mean(name, every)} Choose with --systems.")


def shared_score_files(chosen: Chosen) -> Expected:
    """Return the score files of the runs; raises DataError if the runs are not of one year and one set of clips."""
    first, files = chosen[0][0], expected_files(chosen[0][0].clips, chosen[0][0].about["year"])
    if not files:
        raise DataError(f"{first.folder} has no test clips, so there is nothing to submit. Run on evaluation data.")
    if not first.about["year"]:
        raise DataError(f"{first.folder} is of recordings that belong to no challenge, so there is nothing to submit.")
    for run, _ in chosen:
        if run.about["portfolio"].get("known_faults") and forbids_known_faults(run.about["year"]):
            raise DataError(
                f"{run.folder}: labelled faults have chosen the weights of its portfolio, which the rules of DCASE "
                f"{run.about['year']} forbid. Submit the portfolio that it was chosen from."
            )
    for run, _ in chosen[1:]:
        if run.about["year"] != first.about["year"] or expected_files(run.clips, run.about["year"]) != files:
            raise DataError(
                f"{first.folder} ({first.about['year']}) and {run.folder} ({run.about['year']}) are of other years or "
                "other test clips. One package is for one year's data: make one for each."
            )
    return files
