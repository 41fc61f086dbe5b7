"""Systems -> decisions: anomalous or not, by where the score stands among the train normals' out-of-fold scores.

The threshold of a machine, section and system is one of its n train-normal scores; a test clip above it is anomalous.
Test scores take no part in it.

ecdf : the smallest score at which the empirical CDF reaches the quantile q: the ceil(n q)-th of the sorted scores, q
    being the decimal number of the portfolio (0.54 of 450 is the 243rd; in floats the product is above 243).
conformal : the ceil((n + 1) q)-th. If a new normal clip is exchangeable with the train normals, it lies above with a
    probability of at most 1 - q, whatever the distribution (split conformal prediction: Vovk, Gammerman and Shafer,
    *Algorithmic Learning in a Random World*, 2005). Of fewer than ceil(q / (1 - q)) normals no score is that high.
    Clips cut from recordings are not exchangeable one by one: :mod:`asdcore.evidence.promises` counts recordings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import polars as pl

from asdcore.digits import fixed
from asdcore.errors import DataError
from asdcore.portfolio import Decision
from asdcore.store.tables import DECISIONS

CELL = ["machine", "section", "system"]


def decide(systems: pl.DataFrame, clips: pl.DataFrame, decision: Decision) -> pl.DataFrame:
    """Return threshold and decision (0 or 1) of every test clip and system."""
    rows = systems.join(clips.select("clip", "machine", "section"), on="clip", validate="m:1")
    tested = rows.filter(pl.col("role") == "test")
    tested = tested.join(thresholds(systems, clips, decision), on=CELL, validate="m:1")
    return DECISIONS.check(
        tested.with_columns(decision=(pl.col("score") > pl.col("threshold")).cast(pl.Int8)).select(
            list(DECISIONS.columns)
        )
    )


def thresholds(systems: pl.DataFrame, clips: pl.DataFrame, decision: Decision) -> pl.DataFrame:
    """Return the threshold of every machine, section and system: machine, section, system, threshold.

    Raises DataError where there are too few train normals for the rule.
    """
    rows = systems.filter(pl.col("role") == "oof").join(clips.select("clip", "machine", "section"), on="clip")
    found = []
    for cell, normals in rows.group_by(CELL, maintain_order=True):
        k = _attained(f"{cell[0]} section {cell[1]}", len(normals), decision)
        found.append((*cell, normals["score"].sort()[k - 1]))
    columns = {**dict.fromkeys(CELL, pl.String), "threshold": pl.Float64}
    return pl.DataFrame(found, schema=columns, orient="row")


def check_attainable(clips: pl.DataFrame, decision: Decision) -> None:
    """Raise DataError where a machine and section has too few train normals for the rule: known before any work."""
    train = clips.filter(pl.col("split") == "train")
    for (machine, section), cell in train.group_by("machine", "section", maintain_order=True):
        _attained(f"{machine} section {section}", len(cell), decision)


def doubts(clips: pl.DataFrame, decision: Decision) -> list[str]:
    """Say which domains have too few train normals for any threshold to promise the rate that the decision aims at.

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


def group_doubts(left_out: Sequence[Mapping[str, Any]], decision: Decision) -> list[str]:
    """Say where a conformal threshold counts clips that come in groups: its promise holds for single clips only.

    left_out : ``out_of_fold`` of ``run.json``.
    """
    if decision.rule != "conformal":
        return []
    counted: dict[str, tuple[int, int]] = {}
    for row in left_out:
        groups, clips = (sum(int(one[key]) for one in row["domains"].values()) for key in ("groups", "clips"))
        where = f"{row['machine']} section {row['section']}"
        counted[where] = min((groups, clips), counted.get(where, (groups, clips)))
    return [
        f"{where}: the conformal threshold counts {clips} clips as if each were a recording of its own, but they come "
        f"in {groups} groups, which can promise no less than 1/{groups + 1} = {100 / (groups + 1):.1f} %. "
        "'asdcore decisions RUN' shows a bound that counts groups."
        for where, (groups, clips) in counted.items()
        if groups < clips
    ]


def _attained(where: str, n: int, decision: Decision) -> int:
    """Return the rank of the threshold among n train normals; raises DataError where it lies beyond them."""
    if (k := rank(n, decision)) <= n:
        return k
    raise DataError(
        f"{where}: a conformal threshold at the quantile {decision.quantile} needs {fewest(decision.quantile)} train "
        f"normals, there are {n}, which can promise no less than 1/{n + 1} = {fixed(100 / (n + 1), 1)} % false "
        f"positives. Choose a quantile of at most {10000 * n // (n + 1) / 10000}, or rule = 'ecdf', which promises "
        "nothing."
    )


def rank(n: int, decision: Decision) -> int:
    """Return which of n sorted train-normal scores, from 1, is the threshold; more than n where none can be."""
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
    """Return the decimal number that the portfolio says."""
    return Fraction(str(quantile))
