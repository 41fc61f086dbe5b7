"""Decides for each branch whether its train normals are left out in closed form or in folds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from asdcore.compute.scoring.scoring import takes_without
from asdcore.held_out.dependence import Reach
from asdcore.held_out.plan import HeldOut
from asdcore.held_out.run_record import folds_note, record, record_notes, seen_entry
from asdcore.held_out.stored_ranges import Kept


@dataclass(frozen=True)
class Scored:
    """One branch at one machine and section: its scorer, the clips its normals are scored without, and its folds.

    crossfit : how many folds its networks were trained without, one each; 0 if there is no crossfit. seen : whether
    its network has seen the train normals that are scored.
    """

    machine: str
    section: str
    branch: str
    scorer: object
    kept: Kept
    folds: int
    crossfit: int = 0
    seen: bool = False


def leaves_out(scorer: object, held: HeldOut) -> bool:
    """Whether a scorer gives, in closed form, the score of each train normal without the clips held out with it."""
    method = getattr(scorer, "score_left_out", None)
    return method is not None and (held.without is None or takes_without(method))


def always_leaves_out(scorer: object) -> bool:
    """Whether a scorer leaves out in closed form whichever clips are held out together, so that it needs no folds."""
    method = getattr(scorer, "score_left_out", None)
    return method is not None and takes_without(method)


def out_of_fold(branches: Iterable[Scored]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return how the train normals of all branches were left out, for ``run.json``, and notes for the user."""
    alike: dict[tuple[str, str, Kept], dict[str, str]] = {}
    reaches: dict[Kept, dict[str, Reach]] = {}
    held: dict[Kept, HeldOut] = {}
    folded, seen = set(), set[str]()
    for scored in branches:
        names = alike.setdefault((scored.machine, scored.section, scored.kept), {})
        if scored.kept not in held:
            reaches[scored.kept] = scored.kept.reaches()
            held[scored.kept] = scored.kept.held_out_by(reaches[scored.kept])
        if scored.seen:
            seen.add(scored.branch)
        if scored.crossfit:
            names[scored.branch] = f"crossfit of {scored.crossfit}"
            continue
        closed = leaves_out(scored.scorer, held[scored.kept])
        names[scored.branch] = "closed form" if closed else f"{scored.folds} folds"
        if not closed and hasattr(scored.scorer, "score_left_out"):
            folded.add(scored.branch)
    rows = [
        record(held[kept], reaches[kept], machine, section, names) | seen_entry(names, seen)
        for (machine, section, kept), names in alike.items()
    ]
    return rows, [*record_notes(rows), *folds_note(folded)]
