"""The scores of known faults beside those of train normals, by every branch of finished runs.

Normals and faults are scored by the same models, each of which lacks a fold of the normals (the fits stay in the run's
store). What a branch contributes to a system is its part of the sum: of the fusions in ``PARTS`` a system is a weighted
sum of parts, or grows with it, so other weights need no other run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.contract.plugins import installed
from asdcore.errors import EvaluationError
from asdcore.evidence.scored_again import calibrated_by_folds
from asdcore.evidence.selection.fault_clips import Fault, test_index
from asdcore.evidence.selection.fault_gains import CellScores
from asdcore.held_out import Networks, groups_of
from asdcore.portfolio import Branch, System
from asdcore.runs.folder import Run
from asdcore.stages import fuse
from asdcore.stages.fuse_rows import OOF, Cell, Cells, cells_in_order
from asdcore.store.tables import CELL

Floats = NDArray[np.float64]
Place = tuple[str, str]


def _itself(score: Floats) -> Floats:
    return score


def _cotangent(score: Floats) -> Floats:
    statistic: Floats = 1.0 / np.tan(np.pi * np.minimum(np.exp(-score), 1.0 - 1e-12))
    return statistic


PARTS: dict[str, Callable[[Floats], Floats]] = {
    "cauchy": _cotangent,
    "fisher": _itself,
    "harmonic": np.exp,
    "stouffer": _itself,
    "sum": _itself,
}
"""{fusion: the score of a branch alone -> its part}: the fusion is a weighted sum of parts, or grows with it."""


def check_fusion(name: str, system: System) -> None:
    """Raise EvaluationError if a default fuses in a way that is no weighted sum of parts."""
    if system.fusion.name not in PARTS:
        same = ", ".join(f"{branch} = 1.0" for branch in sorted(system.branches))
        raise EvaluationError(
            f"The default {name} fuses by {system.fusion.name!r}: its score is no weighted sum of its branches, so "
            f"known faults have no weights to move. They weigh systems that fuse by {', '.join(PARTS)}. Name one with "
            f'--baseline, or add such a system to the portfolio (fusion = "fisher", weights = {{ {same} }}) and run '
            "it again, which takes seconds."
        )


def network_notes(branches: Mapping[str, Branch], runs: Sequence[Run]) -> list[str]:
    """Say which branches are compared otherwise: without a crossfit no fold can be taken from what a network learnt."""
    networks = [Networks.recorded(run.about, Path(run.about["store"])) for run in runs]
    seen = [
        name
        for name, branch in branches.items()
        if branch.encoder.crossfit is None and any(of_run.has(name) for of_run in networks)
    ]
    if not seen:
        return []
    return [
        f"The networks of {', '.join(seen)} have learnt from the normals and not from the faults, so their gains are "
        "too large, nobody knows by how much. Set encoder.crossfit, such as 5, and run again."
    ]


def cell_scores(
    runs: Sequence[Run], branches: Mapping[str, Branch], system: System, faults: Sequence[Fault]
) -> list[CellScores]:
    """Return the parts of every branch, for each machine and section that has known faults.

    Parameters
    ----------
    runs : sequence of Run
        Finished runs on the same recordings; each branch is of the first that has it.
    branches : mapping of str to Branch
        The candidates, in the order of the columns.
    system : System
        The label-free default: its transform and fusion make parts of z.
    faults : sequence of Fault
        The known faults, at least one.
    """
    cells: dict[Place, dict[str, tuple[pl.DataFrame, Cells]]] = {}
    wanted = set(branches)
    for run in runs:
        own = [name for name in run.about["portfolio"]["branches"] if name in wanted]
        wanted -= set(own)
        for name, place, of_branch in _of_run(run, own, system, faults) if own else ():
            cells.setdefault(place, {})[name] = of_branch
    groups = groups_of(runs[0], sorted(system.branches))
    order = {fault.sha256: i for i, fault in enumerate(faults)}
    return [_joined(of, list(branches), groups, order) for of in cells.values()]


def branch_parts(calibrated: pl.DataFrame, clips: pl.DataFrame, names: list[str], system: System) -> pl.DataFrame:
    """Return clip, role and a column for each branch: what it adds to a system at weight 1, by z of each."""
    alone = {name: _alone(name, system) for name in names}
    fused = fuse.fuse(calibrated, clips, alone, installed(), rehearsed=True)
    wide = fused.pivot("system", index=["clip", "role"], values="base").select("clip", "role", *names)
    part = PARTS[system.fusion.name]
    return wide.with_columns(pl.Series(name, part(wide[name].to_numpy())) for name in names)


def _alone(name: str, system: System) -> System:
    return System(weights={name: 1.0}, transform=system.transform, fusion=system.fusion)


def _of_run(
    run: Run, names: list[str], system: System, faults: Sequence[Fault]
) -> Iterator[tuple[str, Place, tuple[pl.DataFrame, Cells]]]:
    """Yield branch, machine and section, its rows of normals (clip, fold), and its parts by cell."""
    index = test_index(list(faults))
    # A table of imported features may know a test clip by its name alone.
    tested = run.clips.filter(pl.col("split") == "test").select("sha256", *CELL, own="clip").unique(["sha256", *CELL])
    index = index.join(tested, on=["sha256", *CELL], how="left", maintain_order="left")
    index = index.with_columns(clip=pl.coalesce("own", "clip")).drop("own")
    train = run.clips.filter(pl.col("split") == "train").join(index.select(CELL).unique(), on=CELL, how="semi")
    clips = pl.concat([train, index], how="diagonal")
    z, plugins, part = calibrated_by_folds(run, names, clips), installed(), PARTS[system.fusion.name]
    digest = dict(index.select("clip", "sha256").rows())
    for name in names:
        of_branch = z.filter(branch=name)
        normals = of_branch.filter(role="oof").select("clip", "fold")
        for place, cells in cells_in_order(of_branch, clips):
            fused = fuse.fuse_cells(_alone(name, system), cells, fuse.at_once, plugins)
            parts = {
                cell: Cell(_named(given.clips, digest), given.domain, {name: part(fused.base[cell])})
                for cell, given in cells.items()
            }
            yield name, place, (normals, parts)


def _named(clips: pl.Series, digest: Mapping[str, str]) -> pl.Series:
    """Name faults by their digests."""
    return pl.Series([digest.get(clip, clip) for clip in clips], dtype=pl.String)


def _joined(
    of_branches: Mapping[str, tuple[pl.DataFrame, Cells]],
    names: list[str],
    groups: pl.DataFrame,
    order: Mapping[str, int],
) -> CellScores:
    """Lay the parts of all branches of one machine and section side by side."""
    first = of_branches[names[0]][1]
    normals, faults = (
        cell.clips.to_list() for cell in (first[OOF], next(first[name] for name in first if name != OOF))
    )
    models = max(len(cells) for _, cells in of_branches.values()) - 1
    parts = np.empty((len(normals), len(names)))
    fold, of_faults = np.zeros(parts.shape, np.intp), np.zeros((models, len(faults), len(names)))
    for b, name in enumerate(names):
        rows, cells = of_branches[name]
        own = sorted((int(cell.split()[1]), cell) for cell in cells if cell != OOF)
        number = {of: i for i, (of, _) in enumerate(own)}
        of_clip = dict(rows.rows())
        parts[:, b] = cells[OOF].z[name]
        fold[:, b] = [number[of_clip[clip]] for clip in normals]
        for i, (_, cell) in enumerate(own):
            of_faults[i, :, b] = cells[cell].z[name]
    group = dict(groups.select("clip", "group").rows())
    numbers = np.array([group[clip] for clip in normals], dtype=np.intp)
    rows_of_faults = np.array([order[sha256] for sha256 in faults], dtype=np.intp)
    return CellScores(parts, first[OOF].domain, numbers, of_faults, fold, rows_of_faults)
