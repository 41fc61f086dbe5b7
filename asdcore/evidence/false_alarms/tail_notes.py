"""Warns if p-values rest on train normals that were recorded together, and counts the independent clips behind them.

Some normalizers read z from the tail of the train normals: an empirical distribution, a conformal p-value, a fitted
tail. A normalizer sees scores, never recordings, so it counts every clip. But thirty clips of one recording are not
thirty pieces of evidence: the rank of a new clip among them is as uncertain as among far fewer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from asdcore.basics.digits import fixed
from asdcore.contract.plugins import Plugins
from asdcore.contract.references import POOLED
from asdcore.held_out import held_out_by
from asdcore.held_out.promises import effective_clips, smallest_rate
from asdcore.portfolio import Portfolio
from asdcore.stages.calibrate import straight
from asdcore.store.tables import CELL

ATTRIBUTE = "tail_probability"
"""A normalizer that sets it to True derives z from the share of train normals that score higher."""

SHOWN = 4


@dataclass(frozen=True)
class Tail:
    """The train normals of one branch, machine and section: clips, groups, and independent clips they are worth."""

    branch: str
    where: str
    clips: int
    groups: int
    effective: float


def tail_notes(
    scores: pl.DataFrame, clips: pl.DataFrame, plan: Portfolio, recorded: Sequence[Mapping[str, Any]], plugins: Plugins
) -> list[str]:
    """Say, in one note, which p-values rest on clips that were recorded together, and on how many independent ones.

    Parameters
    ----------
    scores, clips : polars.DataFrame
        The score table and the clip index.
    plan : Portfolio
        Its decision gives the quantile above which clips of the tail lie.
    recorded : sequence of mappings
        ``out_of_fold`` of ``run.json``: what each train normal was scored without.
    plugins : Plugins
        They say which normalizers read a tail (``tail_probability``).

    Returns
    -------
    list of str
        One note, or none if no such normalizer is used, or if every train normal was left out alone.

    """
    names = [
        name
        for name, branch in plan.branches.items()
        if getattr(plugins.component("normalizer", branch.normalizer.name).factory, ATTRIBUTE, False)
    ]
    tails = [tail for name in names for tail in _tails(scores, clips, plan, recorded, name)]
    return [_note(tails, plan)] if tails else []


def _note(tails: Sequence[Tail], plan: Portfolio) -> str:
    """Write the note on p-values that count dependent clips, for the cell with the fewest independent ones."""
    worst = min(tails, key=lambda tail: (tail.effective, tail.groups, tail.branch, tail.where))
    kinds = sorted({plan.branches[tail.branch].normalizer.name for tail in tails})
    least = smallest_rate(worst.groups)
    return (
        f"normalizer {' and '.join(map(repr, kinds))} of branch {_listed(tails)}: its p-values count clips, and clips "
        f"that were recorded together are not independent. The {worst.clips} train clips of {worst.where} (branch "
        f"{worst.branch!r}) come in {worst.groups} groups and are worth about {fixed(worst.effective, 0)} independent "
        f"clips above the {plan.decision.quantile:g} quantile; so many groups can promise no p-value below "
        f"1/{worst.groups + 1} = {fixed(100 * least, 1)} %. Read z as a rank. For a promise that counts groups, set "
        "[decision] rule = 'conformal', or see 'asdcore decisions RUN'."
    )


def _tails(
    scores: pl.DataFrame, clips: pl.DataFrame, plan: Portfolio, recorded: Sequence[Mapping[str, Any]], branch: str
) -> Iterator[Tail]:
    """Yield the tails of a branch whose train normals come in groups of several clips."""
    normals = straight(scores.filter((pl.col("branch") == branch) & (pl.col("role") == "oof")))
    of_cells = normals.partition_by(CELL, as_dict=True)
    for machine, section, cell, held in held_out_by(clips, plan.out_of_fold, recorded, [branch]):
        groups = len(np.unique(held.groups))
        if groups == len(cell):
            continue
        own = of_cells.get((machine, section), normals.clear())
        numbered = cell.select("clip").with_columns(group=pl.Series(held.groups, dtype=pl.Int64))
        rows = _one_reference(own).join(numbered, on="clip", validate="1:1", maintain_order="left")
        values = rows["score"].to_numpy()
        above = values > np.quantile(values, plan.decision.quantile, method="inverted_cdf")
        worth = effective_clips(above, rows["group"].to_numpy())
        yield Tail(branch, f"{machine} section {section}", len(cell), groups, worth)


def _one_reference(own: pl.DataFrame) -> pl.DataFrame:
    """Return one score of each train normal: against the pooled bank, or else against its own domain."""
    if (pooled := own.filter(pl.col("reference") == POOLED)).height:
        return pooled
    same = own.filter(pl.col("reference") == pl.col("domain"))
    return same if same.height else own.unique("clip", keep="first", maintain_order=True)


def _listed(tails: Sequence[Tail]) -> str:
    names = list(dict.fromkeys(tail.branch for tail in tails))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(repr, names[:SHOWN])) + more
