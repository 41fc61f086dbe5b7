"""Sets thresholds from the out-of-fold scores of train normals, and decides which test clips are anomalous.

The threshold of a machine, section and system is one of its n train-normal scores, by every rule, so it is rounded as
they are. A test clip above it is anomalous. Test scores have no influence on it.

ecdf : the smallest score at which the empirical CDF reaches the quantile q: the ceil(n q)-th of the sorted scores, q
    being the decimal number of the portfolio (0.54 of 450 is the 243rd; in floats the product is above 243).
conformal : the ceil((n + 1) q)-th. If a new normal clip is exchangeable with the train normals, it lies above with a
    probability of at most 1 - q, whatever the distribution (split conformal prediction: Vovk, Gammerman and Shafer,
    *Algorithmic Learning in a Random World*, 2005). With fewer than ceil(q / (1 - q)) normals no score is high enough.
    Clips cut from recordings are not exchangeable one by one. If train normals were left out by groups, recordings or
    stretches of neighbours, the threshold is the bound of :mod:`asdcore.held_out.promises`, which counts groups. It
    keeps the promise if a new clip comes from a new group, exchangeable with the train groups, in which clips are
    exchangeable. Fewer than ceil(q / (1 - q)) groups give no threshold. Groups of one clip each give the rank above.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from asdcore.basics.digits import fixed
from asdcore.errors import DataError
from asdcore.held_out import HeldOut, places
from asdcore.held_out.promises import bound
from asdcore.portfolio import Decision, OutOfFold
from asdcore.store.tables import DECISIONS

CELL = ["machine", "section", "system"]
ASSUMPTION = "a new clip comes from a new group, exchangeable with the train groups, in which clips are exchangeable"


def decide(
    systems: pl.DataFrame, clips: pl.DataFrame, decision: Decision, groups: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Decide for every test clip and system.

    Parameters
    ----------
    systems, clips, decision, groups
        As :func:`thresholds`, which also says what is raised.

    Returns
    -------
    polars.DataFrame
        clip, system, score, threshold and decision (0 or 1).

    """
    tested = _in_cells(systems.filter(pl.col("role") == "test").select("clip", "system", "score"), clips)
    tested = tested.join(thresholds(systems, clips, decision, groups), on=CELL, validate="m:1")
    return DECISIONS.check(
        tested.with_columns(decision=(pl.col("score") > pl.col("threshold")).cast(pl.Int8)).select(
            list(DECISIONS.columns)
        )
    )


def thresholds(
    systems: pl.DataFrame, clips: pl.DataFrame, decision: Decision, groups: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Compute the threshold of every machine, section and system.

    Parameters
    ----------
    systems : polars.DataFrame
        The systems table: clip, system, role, score.
    clips : polars.DataFrame
        The clip index.
    decision : Decision
        Rule and quantile of the portfolio.
    groups : polars.DataFrame, optional
        System, clip and group of every train normal (:func:`asdcore.held_out.system_groups`). Without it each clip
        counts by itself.

    Returns
    -------
    polars.DataFrame
        machine, section, system, threshold (in the units of the system's score).

    Raises
    ------
    DataError
        If there are too few train normals, or groups of them, for the rule.

    """
    rows = _in_cells(systems.filter(pl.col("role") == "oof").select("clip", "system", "score"), clips)
    if groups is None or decision.rule != "conformal":
        rows = rows.with_columns(group=pl.int_range(pl.len()))
    else:
        rows = rows.join(groups, on=["system", "clip"], validate="1:1", maintain_order="left")
    cells = list(rows.select(*CELL, "score", "group").group_by(CELL, maintain_order=True))
    _check([_Cell(f"{cell[0]} section {cell[1]}", len(own), own["group"].n_unique()) for cell, own in cells], decision)
    limits = [(*cell, _threshold(own, decision)) for cell, own in cells]
    columns = {**dict.fromkeys(CELL, pl.String), "threshold": pl.Float64}
    return pl.DataFrame(limits, schema=columns, orient="row")


def _in_cells(rows: pl.DataFrame, clips: pl.DataFrame) -> pl.DataFrame:
    """Add machine and section to rows with a clip, in their order; rows of clips that the index lacks are left out."""
    cells = clips.select("clip", "machine", "section")
    # An inner join takes twice as long.
    return rows.join(cells, on="clip", how="left", validate="m:1", maintain_order="left").drop_nulls("machine")


def _threshold(normals: pl.DataFrame, decision: Decision) -> float:
    """Return the threshold of one machine, section and system."""
    if normals["group"].n_unique() == len(normals):
        return float(normals["score"].sort()[rank(len(normals), decision) - 1])
    return bound(normals["score"].to_numpy(), normals["group"].to_numpy(), 1 - _exact(decision.quantile))


def check_attainable(clips: pl.DataFrame, decision: Decision, choice: OutOfFold | None = None) -> None:
    """Raise DataError, before any work, if a machine and section has too few train normals for the rule.

    choice : ``[out_of_fold]`` of the portfolio. Groups that the data set or the portfolio names are counted. Ranges of
    neighbours that need features are unknown yet: see :func:`check_groups`.
    """
    train = clips.filter(pl.col("split") == "train").sort("clip")
    cells = []
    for (machine, section), cell in train.group_by("machine", "section", maintain_order=True):
        many = len(cell)
        if choice is not None and decision.rule == "conformal":
            many = len(np.unique(HeldOut(places(cell, choice)).groups))
        cells.append(_Cell(f"{machine} section {section}", len(cell), many))
    _check(cells, decision)


def check_groups(clips: pl.DataFrame, decision: Decision, groups: pl.DataFrame) -> None:
    """Raise DataError, once ranges are measured, if train normals come in too few groups for the rule.

    groups : as in :func:`thresholds`.
    """
    if decision.rule != "conformal":
        return
    rows = _in_cells(groups, clips)
    cells = rows.group_by(CELL, maintain_order=True)
    _check([_Cell(f"{cell[0]} section {cell[1]}", len(own), own["group"].n_unique()) for cell, own in cells], decision)


def doubts(clips: pl.DataFrame, decision: Decision) -> list[str]:
    """Note the domains with too few train normals for any threshold to promise the rate that the decision aims at.

    With n exchangeable normals, no threshold among their scores keeps a new one above it more rarely than 1/(n + 1).
    """
    rate, needed = nominal_rate(decision.quantile), fewest(decision.quantile)
    train = clips.filter(pl.col("split") == "train").group_by(*CELL[:2], "domain").agg(n=pl.len())
    few = train.filter(pl.col("n") < needed).sort("domain", "n", *CELL[:2])
    notes = []
    for (domain, n), cells in few.group_by("domain", "n", maintain_order=True):
        first = f"{cells['machine'][0]} section {cells['section'][0]}"
        others = f" and {len(cells) - 1} more" if len(cells) > 1 else ""
        notes.append(
            f"{first}{others}: {n} {domain} train clips cannot promise {100 * rate:.3g} % false positives in that "
            f"domain; the least is 1/{int(n) + 1} = {fixed(100 / (int(n) + 1), 1)} %, and {needed} clips would do. "
            "'asdcore decisions RUN' says more."
        )
    return notes


def group_notes(left_out: Sequence[Mapping[str, Any]], decision: Decision) -> list[str]:
    """Note where a conformal threshold counts groups of clips, what its promise assumes, and where it has none.

    left_out : ``out_of_fold`` of ``run.json``.
    """
    if decision.rule != "conformal":
        return []
    seen = sorted({name for row in left_out for name in row.get("seen", ())})
    broken = [
        f"the conformal threshold keeps no promise where branch {', '.join(seen)} counts: its network has seen the "
        "train clips and no new clip, so the two are not exchangeable. Set encoder.crossfit, such as 5."
    ]
    places = [
        f"{row['machine']} section {row['section']}"
        for row in left_out
        if any(domain["groups"] < domain["clips"] for domain in row["domains"].values())
    ]
    if not (named := list(dict.fromkeys(places))):
        return broken if seen else []
    more = f" and {len(named) - 4} more" if len(named) > 4 else ""
    return [
        f"{', '.join(named[:4])}{more}: the conformal threshold counts groups of clips that were recorded together, "
        f"not clips. It keeps its promise if {ASSUMPTION}.",
        *(broken if seen else []),
    ]


class _Cell(NamedTuple):
    """The number of train normals of a machine and section, and of the groups they come in."""

    where: str
    clips: int
    groups: int


def _check(cells: Iterable[_Cell], decision: Decision) -> None:
    """Raise DataError, naming the machine and section with the fewest groups, if they cannot promise the quantile."""
    few = [cell for cell in cells if rank(cell.groups, decision) > cell.groups]
    if not few:
        return
    where, clips, n = min(few, key=lambda cell: cell.groups)
    needs = f"{where}: a conformal threshold at the quantile {decision.quantile} needs {fewest(decision.quantile)}"
    least = f"which can promise no less than 1/{n + 1} = {fixed(100 / (n + 1), 1)} % false positives"
    rests = ""
    if n < clips:
        needs += f" groups of train normals that were recorded apart, its {clips} come in {n}, "
        rests = f" A promise counts groups, for it rests on this: {ASSUMPTION}."
    else:
        needs += f" train normals, there are {n}, "
    others = len({cell.where for cell in few} - {where})
    more = f" {others} more machines and sections have too few, none fewer." if others else ""
    most = 10000 * n // (n + 1) / 10000
    raise DataError(
        f"{needs}{least}. Choose a quantile of at most {most}, or rule = 'ecdf', which promises nothing.{rests}{more}"
    )


def rank(n: int, decision: Decision) -> int:
    """Return which of n sorted train-normal scores, from 1, is the threshold; more than n if none is high enough."""
    of = n + 1 if decision.rule == "conformal" else n
    return math.ceil(of * _exact(decision.quantile))


def nominal_rate(quantile: float) -> float:
    """Return the rate of false positives that a quantile aims at: 1 - q, without the rounding of floats."""
    return float(1 - _exact(quantile))


def fewest(quantile: float) -> int:
    """Return how many train normals a conformal threshold at a quantile needs: ceil(q / (1 - q))."""
    q = _exact(quantile)
    return math.ceil(q / (1 - q))


def _exact(quantile: float) -> Fraction:
    """Return the quantile as the decimal number that the portfolio writes."""
    return Fraction(str(quantile))
