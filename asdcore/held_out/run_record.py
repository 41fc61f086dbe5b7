"""Writes and reads the record in ``run.json`` of how train normals were left out, and makes notes for the user.

``out_of_fold`` in ``run.json`` has a row for each machine, section and feature set:

    machine, section
    by        "clip", "neighbours", "recording" or "attribute"
    branches  {name: "closed form", how many folds, or of how many the crossfit is}, of the branches with these features
    seen      those branches whose network was trained on the clips it scores here; absent if there are none
    domains   {domain: clips, and how many groups of clips there are; of neighbours the range, the gap that is left out
              on either side, nearness and chance as in :class:`asdcore.held_out.dependence.Reach`; of groups how many
              are too large to be left out whole, if any, and the gap that is left out inside these}
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from asdcore.held_out.dependence import ENOUGH, Reach
from asdcore.held_out.plan import HeldOut
from asdcore.held_out.recording_order import places
from asdcore.portfolio import OutOfFold, Portfolio, parse_portfolio
from asdcore.runs.folder import Run
from asdcore.store.tables import CELL

Record = list[dict[str, Any]]


def record(held: HeldOut, reaches: Mapping[str, Reach], machine: str, section: str, branches: dict[str, str]) -> Any:
    """Return one row of ``out_of_fold`` in ``run.json``."""
    domains = np.array(held.places.domain)
    rows = {}
    for domain, gap in held.gaps.items():
        members = domains == domain
        row: dict[str, Any] = {"clips": int(members.sum()), "groups": len(np.unique(held.groups[members]))}
        if held.places.manner == "neighbours":
            row |= {"range": held.ranges[domain], "gap": gap}
            if domain in reaches:
                row |= {"nearness": round(reaches[domain].nearness, 6), "chance": round(reaches[domain].chance, 6)}
        if domain in held.too_large:
            row |= {"too_large": len(held.too_large[domain]), "gap": held.gap_inside(domain)}
        rows[domain] = row
    return {"machine": machine, "section": section, "by": held.places.manner, "branches": branches, "domains": rows}


def record_notes(rows: Record) -> list[str]:
    """Return notes for the user on how train normals were left out."""
    return [*_dependence(rows), *_small_domains(rows), *_large_groups(rows), *seen_notes(rows)]


def seen_entry(branches: Iterable[str], seen: Collection[str]) -> dict[str, Any]:
    """Return the entry ``seen`` of a row: those of its branches whose network has seen the train normals."""
    names = sorted(name for name in branches if name in seen)
    return {"seen": names} if names else {}


def folds_note(branches: Iterable[str]) -> list[str]:
    """Note the branches that are scored in folds because their scorer leaves out single clips only."""
    if not (names := sorted(branches)):
        return []
    return [
        f"the scorers of {', '.join(names)} can leave out single clips, not their neighbours: their train normals are "
        "scored in folds, with a gap."
    ]


def _dependence(rows: Record) -> Iterator[str]:
    widest: dict[str, int] = {}
    for row in rows:
        reach = max((domain.get("range", 0) for domain in row["domains"].values()), default=0)
        if reach:
            where = f"{row['machine']} section {row['section']}"
            widest[where] = max(reach, widest.get(where, 0))
    if widest:
        listed = ", ".join(f"{where}: up to {reach}" for where, reach in widest.items())
        yield (
            f"train clips resemble their neighbours in the order of recording ({listed} on either side), so each is "
            "scored without them."
        )


def _small_domains(rows: Record) -> Iterator[str]:
    """Note the domains with too few clips for the range: their gap is smaller, or there is none."""
    small: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        reaching = any(counts.get("range") for counts in row["domains"].values())
        for domain, counts in row["domains"].items():
            if reaching and (counts["gap"] < counts["range"] or (not counts["range"] and counts["clips"] < ENOUGH)):
                small.setdefault((f"{row['machine']} section {row['section']}", domain), []).append(counts)
    narrowed, alone = [], []
    for (where, domain), entries in small.items():
        gap, reach = max(counts["gap"] for counts in entries), max(counts["range"] for counts in entries)
        clips = f"{entries[0]['clips']} {domain} clips"
        if gap:
            narrowed.append((where, f"of {clips} at most {gap}, not {reach}"))
        else:
            alone.append((where, clips))
    if narrowed:
        yield (
            f"fewer neighbours are left out on either side where else too few clips would remain ({_by_place(narrowed)}"
            "): these scores may still be too low."
        )
    if alone:
        yield (
            f"train clips of some domains are too few, or too alike, to leave neighbours out ({_by_place(alone)}): "
            "each is left out alone, and these scores may be too low."
        )


def _by_place(remarks: Iterable[tuple[str, str]]) -> str:
    """Return what is said of each machine and section, its name once."""
    by_place: dict[str, list[str]] = {}
    for where, what in remarks:
        by_place.setdefault(where, []).append(what)
    return "; ".join(f"{where}: {', '.join(whats)}" for where, whats in by_place.items())


def seen_notes(rows: Iterable[Mapping[str, Any]], branches: Collection[str] | None = None) -> list[str]:
    """Note which branches score train normals by a network that was trained on them.

    rows : ``out_of_fold`` of ``run.json``. branches : some of them; None for all.
    """
    seen = {name for row in rows for name in row.get("seen", ()) if branches is None or name in branches}
    if not (names := sorted(seen)):
        return []
    return [
        f"branch{'es' * (len(names) > 1)} {', '.join(names)}: the network has seen the train clips (seen in "
        "out_of_fold), so their scores are lower than those of new normal clips will be: more of these will lie above "
        "the threshold than it aims at. encoder.crossfit = 5 scores each by a network that has not seen it."
    ]


def _large_groups(rows: Record) -> Iterator[str]:
    """Note the groups that are too large to be left out whole, all with the same remedy in one note."""
    large: dict[tuple[str, int], dict[tuple[str, str], int]] = {}
    for row in rows:
        for domain, counts in row["domains"].items():
            if counts.get("too_large"):
                where = f"{row['machine']} section {row['section']}"
                large.setdefault((row["by"], counts["gap"]), {})[where, domain] = counts["clips"]
    for (by, gap), clips in large.items():
        instead = (
            f"at most {gap} neighbours on either side"
            if gap
            else "itself alone, for no order of its clips is known, or they are too few"
        )
        listed = _by_place((where, f"{count} {domain} clips") for (where, domain), count in clips.items())
        yield (
            f"one {by} holds all or nearly all train clips of a domain, too many to be left out whole ({listed}). A "
            f"clip of it is scored without {instead}, and its score may be too low."
        )


def held_out_by(
    clips: pl.DataFrame, choice: OutOfFold, recorded: Iterable[Mapping[str, Any]], branches: Iterable[str]
) -> Iterator[tuple[str, str, pl.DataFrame, HeldOut]]:
    """Yield machine, section, train clips (rows of the clip index, by name) and what each was scored without.

    choice : ``[out_of_fold]`` of the portfolio. recorded : ``out_of_fold`` of ``run.json``. branches : one, or several,
    such as those of a system: of neighbours the widest range of each domain counts.
    """
    wanted = {branches} if isinstance(branches, str) else set(branches)
    ranges: dict[tuple[str, str], dict[str, int]] = {}
    for row in recorded:
        if wanted & set(row["branches"]):
            widest = ranges.setdefault((row["machine"], row["section"]), {})
            for domain, counts in row["domains"].items():
                widest[domain] = max(widest.get(domain, 0), int(counts.get("range", 0)))
    train = clips.filter(pl.col("split") == "train").sort("clip")
    for (machine, section), cell in train.group_by(CELL, maintain_order=True):
        of_cell = ranges.get((str(machine), str(section)))
        lying = places(cell, choice if of_cell is not None else OutOfFold(by="clip"))
        yield str(machine), str(section), cell, HeldOut(lying, of_cell)


def held_out_of(run: Run, branches: Iterable[str]) -> Iterator[tuple[str, str, pl.DataFrame, HeldOut]]:
    """Yield the same for a finished run, from its clip index, its portfolio and its ``run.json``."""
    choice = parse_portfolio(run.about["portfolio"]).out_of_fold
    yield from held_out_by(run.clips, choice, run.about.get("out_of_fold", []), branches)


def groups_of(run: Run, branches: Iterable[str]) -> pl.DataFrame:
    """Return machine, section, domain, clip and group of every train normal of a finished run, as branches have them.

    Clips with the same group (a number within machine and section) count as one if groups are exchangeable and clips
    are not; see :attr:`asdcore.held_out.HeldOut.groups`.
    """
    return _numbered(held_out_of(run, branches))


def system_groups(
    clips: pl.DataFrame, plan: Portfolio, recorded: Sequence[Mapping[str, Any]], systems: Iterable[str] | None = None
) -> pl.DataFrame:
    """Return system, clip and group of every train normal, by all branches that a system needs.

    recorded : ``out_of_fold`` of ``run.json``. systems : all of the portfolio by default.
    """
    tables = []
    for name in sorted(plan.systems if systems is None else systems):
        needed = plan.systems[plan.systems[name].out_of_fold_mirror_of or name].branches
        groups = _numbered(held_out_by(clips, plan.out_of_fold, recorded, needed))
        tables.append(groups.select(pl.lit(name).alias("system"), "clip", "group"))
    return pl.concat(tables)


def _numbered(cells: Iterable[tuple[str, str, pl.DataFrame, HeldOut]]) -> pl.DataFrame:
    parts = [
        cell.select(*CELL, "domain", "clip").with_columns(group=pl.Series(held.groups, dtype=pl.Int64))
        for _, _, cell, held in cells
    ]
    return pl.concat(parts)
