"""The scores of known faults, beside those of out-of-fold train normals, by every branch of finished runs.

A fault that is among the test clips of a run has its score there. Any other is scored now, by the scorers that the
run's store keeps, and put on the run's scale. What a branch contributes to a system is its part of the sum: of the
fusions "sum", "fisher" and "stouffer" a system is a weighted sum of parts, so other weights need no other run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.contract.plugins import installed
from asdcore.errors import EvaluationError
from asdcore.evidence.scored_again import calibrated_again
from asdcore.evidence.selection.fault_clips import Fault, test_index
from asdcore.portfolio import Branch, System
from asdcore.runs.folder import Run
from asdcore.stages import fuse
from asdcore.store.tables import CALIBRATED, CELL

Floats = NDArray[np.float64]

LINEAR = ("fisher", "stouffer", "sum")
"""Fusions whose score is a weighted sum of one part for each branch, or grows with it."""


@dataclass(frozen=True)
class CellScores:
    """The parts of one machine and section: of normals (n, n_branches), of faults (k, n_branches), and what these are.

    domain : (n,) of the normals. rows : (k,) places among all known faults.
    """

    normals: Floats
    domain: NDArray[np.str_]
    faults: Floats
    rows: NDArray[np.intp]


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
        The known faults.

    Raises
    ------
    EvaluationError
        If the system fuses in a way that is no weighted sum.
    """
    if system.fusion.name not in LINEAR:
        raise EvaluationError(
            f"The default fuses by {system.fusion.name!r}, where other weights are not a shift of its own. Known "
            f"faults weigh systems that fuse by {', '.join(LINEAR)}: name one with --baseline."
        )
    calibrated, clips = _calibrated(runs, list(branches), list(faults))
    return list(_by_cell(_parts(calibrated, clips, list(branches), system), clips, list(branches), faults))


def _calibrated(runs: Sequence[Run], names: list[str], faults: list[Fault]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return z of normals and faults by every branch, and the index of both; a fault is named by its digest."""
    machines = sorted({fault.machine for fault in faults})
    first = runs[0].clips.filter((pl.col("split") == "train") & pl.col("machine").is_in(machines))
    index = pl.concat([first, test_index(faults).with_columns(clip="sha256")], how="diagonal")
    parts, wanted = [], set(names)
    for run in runs:
        own = [name for name in run.about["portfolio"]["branches"] if name in wanted]
        wanted -= set(own)
        parts += list(_of_run(run, own, faults, first)) if own else []
    return pl.concat(parts), index


def _of_run(run: Run, names: list[str], faults: list[Fault], train: pl.DataFrame) -> Iterator[pl.DataFrame]:
    tested = run.clips.filter(pl.col("split") == "test").select("clip", *CELL, "sha256")
    of_branches = run.calibrated.filter(pl.col("branch").is_in(names))
    yield of_branches.filter(pl.col("role") == "oof").join(train.select("clip"), on="clip", how="semi")
    places = pl.DataFrame(
        [(fault.sha256, fault.machine, fault.section) for fault in faults],
        schema=dict.fromkeys(("sha256", *CELL), pl.String),
        orient="row",
    )
    stored = tested.join(places, on=["sha256", *CELL], how="semi").unique("sha256")
    rows = of_branches.filter(pl.col("role") == "test").join(stored.select("clip", "sha256"), on="clip")
    yield rows.with_columns(clip="sha256").select(list(CALIBRATED.columns))
    new = [fault for fault in faults if fault.sha256 not in set(stored["sha256"])]
    if new:
        yield _scored_now(run, names, new)


def _scored_now(run: Run, names: list[str], faults: list[Fault]) -> pl.DataFrame:
    """Return z of faults that the run has not scored."""
    index = test_index(faults)
    train = run.clips.filter(pl.col("split") == "train").join(index.select(CELL).unique(), on=CELL, how="semi")
    z = calibrated_again(run, names, pl.concat([train, index], how="diagonal")).filter(pl.col("role") == "test")
    named = z.join(index.select("clip", "sha256"), on="clip").with_columns(clip="sha256")
    return named.select(list(CALIBRATED.columns))


def _parts(calibrated: pl.DataFrame, clips: pl.DataFrame, names: list[str], system: System) -> pl.DataFrame:
    """Return clip, role and a column for each branch: what it adds to a system at weight 1."""
    alone = {name: System(weights={name: 1.0}, transform=system.transform, fusion=system.fusion) for name in names}
    fused = fuse.fuse(calibrated, clips, alone, installed(), rehearsed=True)
    return fused.pivot("system", index=["clip", "role"], values="base").select("clip", "role", *names)


def _by_cell(
    parts: pl.DataFrame, clips: pl.DataFrame, names: list[str], faults: Sequence[Fault]
) -> Iterator[CellScores]:
    joined = parts.join(clips.select("clip", *CELL, "domain"), on="clip")
    order = {fault.sha256: i for i, fault in enumerate(faults)}
    for _, cell in joined.group_by(CELL, maintain_order=True):
        normals, faulty = cell.filter(role="oof").sort("clip"), cell.filter(role="test").sort("clip")
        if len(faulty):
            yield CellScores(
                normals.select(names).to_numpy(),
                normals["domain"].to_numpy().astype(str),
                faulty.select(names).to_numpy(),
                np.array([order[clip] for clip in faulty["clip"]]),
            )
