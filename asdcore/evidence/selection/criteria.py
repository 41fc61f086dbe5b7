"""Ranks systems without labels, by criteria that need only the out-of-fold scores of train normals.

The four criteria are measured within each machine and section, on the system's scores of its train normals; of each,
smaller is better. They are averaged over machines and sections, variance_ratio as a geometric mean.

domain_balance : Kolmogorov-Smirnov distance of the source and the target scores, in [0, 1]. If it is large, one
    threshold cannot serve both domains. (The criterion of DACo, a study of 51 configurations, DCASE 2026; there with
    held-out halves of each domain.) Even equal domains differ by chance: balance_floor, 0.8687 sqrt(1 / n + 1 / m), is
    the mean of Kolmogorov's distribution for n source and m target clips.
tail_ratio : (Q.99 - median) / (Q.95 - median) of all scores: how far the highest normals stand out, where pAUC is won.
separability : balanced accuracy with which the nearest other normal, in the space of the system's calibrated branch
    scores z, tells a normal's domain; 0.5 if the domains look the same.
variance_ratio : the larger of the two domains' score variances over the smaller; 1 is even.

They are a diagnostic, not a choice. On three sets of real recordings held back from the development the scorer that a
criterion puts first was up to 32 points below the best. In 2023, 2024 and 2025 DACo's domain balance had a rank
correlation of 0.54, -0.10 and 0.81 with the official score of the evaluation set, and the development score one of
0.18, 0.13 and -0.03. A fixed choice made beforehand did as well as either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.basics.digits import fixed
from asdcore.errors import EvaluationError, did_you_mean
from asdcore.evidence.metrics import DOMAINS
from asdcore.evidence.selection.candidates import Places, check_same_clips
from asdcore.evidence.selection.outcome import Outcome
from asdcore.held_out import held_out_of
from asdcore.portfolio import parse_portfolio
from asdcore.runs.folder import Run

Floats = NDArray[np.float64]
CRITERIA = ("domain_balance", "tail_ratio", "separability", "variance_ratio")
KOLMOGOROV_MEAN = 0.8687
"""sqrt(pi / 2) ln 2: the mean of Kolmogorov's distribution."""

DEFINITION = (
    "No label is looked at: all is measured on out-of-fold scores of train normals, within machine and section, and "
    "averaged; smaller is better. domain_balance: Kolmogorov-Smirnov distance of source and target scores "
    "(balance_floor: its mean for equal domains of so many clips). tail_ratio: (Q.99 - median) / (Q.95 - median). "
    "separability: balanced accuracy of telling the domain by the nearest other normal in z. variance_ratio: larger "
    "over smaller variance of the two domains. These are a diagnostic, not a choice: on three real sets held back the "
    "scorer that a criterion puts first was up to 32 points below the best, and on past evaluation sets the rank "
    "correlation of domain balance with the official score was between -0.10 and 0.81 (DACo, 2023-2025)."
)


def criteria(places: Places, by: str | None = None) -> Outcome:
    """Rank systems by a criterion without looking at any label.

    Parameters
    ----------
    places : mapping of str to (Run, str)
        The candidates: name to run and system.
    by : {"domain_balance", "tail_ratio", "separability", "variance_ratio"}, optional
        The criterion, "domain_balance" by default.

    Returns
    -------
    Outcome
        The candidates in the order of the criterion, smallest first.

    Raises
    ------
    EvaluationError
        If there is no such criterion, if it does not exist for a system (such as one without target train normals), or
        if the runs have different train normals, so that their figures do not compare.

    """
    chosen_by = by or CRITERIA[0]
    if chosen_by not in CRITERIA:
        raise EvaluationError(f"There is no criterion {chosen_by!r}. {did_you_mean(chosen_by, CRITERIA)}")
    first_run = next(iter(places.values()))[0]
    for run in {run.folder: run for run, _ in places.values()}.values():
        check_same_clips(first_run, run, "train")
    cells = {name: _cells(run, system) for name, (run, system) in places.items()}
    rows: list[dict[str, Any]] = [{"candidate": name, **_averaged(own)} for name, own in cells.items()]
    if lacking := [row["candidate"] for row in rows if row[chosen_by] is None]:
        raise EvaluationError(
            f"{chosen_by} does not exist for {lacking[0]}: no machine has train normals of both domains whose scores "
            f"differ. Choose another criterion with --by: {', '.join(CRITERIA)}."
        )
    rows.sort(key=lambda row: row[chosen_by])
    first = rows[0]["candidate"]
    least = fixed(rows[0][chosen_by], 3)
    sentence = (
        f"{first} has the smallest {chosen_by}, {least}, of {len(rows)}; no label was looked at. This says little "
        "about which of them hears faults best."
    )
    facts = {"by": chosen_by, "chosen": first, "cells": cells}
    return Outcome("criteria", DEFINITION, facts, rows, sentence, no_fractions=(*CRITERIA, "balance_floor"))


def _cells(run: Run, system: str) -> list[dict[str, Any]]:
    """Return the criteria of one system, a row for each machine and section."""
    branches = sorted(parse_portfolio(run.about["portfolio"]).systems[system].branches)
    where = run.clips.select("clip", "machine", "section", "domain")
    normals = run.systems.filter((pl.col("system") == system) & (pl.col("role") == "oof"))
    z = run.calibrated.filter((pl.col("role") == "oof") & pl.col("branch").is_in(branches))
    wide = normals.join(where, on="clip").join(z.pivot("branch", index="clip", values="z"), on="clip").sort("clip")
    apart = {(machine, section): held.without for machine, section, _, held in held_out_of(run, branches)}
    rows = []
    for (machine, section), cell in wide.group_by("machine", "section", maintain_order=True):
        scores, target = cell["score"].to_numpy(), (cell["domain"] == DOMAINS[1]).to_numpy()
        measured = {
            "tail_ratio": tail_ratio(scores),
            **_of_domains(scores, cell.select(branches).to_numpy(), target, apart[str(machine), str(section)]),
        }
        rows.append({"machine": machine, "section": section, **measured})
    return rows


def _of_domains(
    scores: Floats, z: Floats, target: NDArray[np.bool_], without: Sequence[NDArray[np.intp]] | None
) -> dict[str, float | None]:
    """Return the criteria that compare domains; each is None if a domain has fewer than two normals."""
    if min(target.sum(), (~target).sum()) < 2:
        return dict.fromkeys(("domain_balance", "balance_floor", "separability", "variance_ratio"))
    source, other = scores[~target], scores[target]
    return {
        "domain_balance": ks_distance(source, other),
        "balance_floor": KOLMOGOROV_MEAN * float(np.sqrt(1 / len(source) + 1 / len(other))),
        "separability": separability(z, target, without),
        "variance_ratio": variance_ratio(source, other),
    }


def ks_distance(first: Floats, second: Floats) -> float:
    """(n,), (m,) -> the largest distance of their empirical CDFs."""
    places = np.concatenate([first, second])
    cdfs = [np.searchsorted(np.sort(sample), places, side="right") / len(sample) for sample in (first, second)]
    return float(np.abs(cdfs[0] - cdfs[1]).max())


def tail_ratio(scores: Floats) -> float | None:
    """(n,) -> (Q.99 - median) / (Q.95 - median); None if the upper scores are all the same."""
    median, upper, top = np.quantile(scores, [0.5, 0.95, 0.99])
    return float((top - median) / (upper - median)) if upper > median else None


def separability(z: Floats, target: NDArray[np.bool_], without: Sequence[NDArray[np.intp]] | None = None) -> float:
    """(n, branches), (n,) -> balanced accuracy of the nearest other row's domain.

    without : for each row the rows that do not count as others, since neighbours in a recording share its domain.
    """
    squares = np.zeros((len(z), len(z)))
    for column in z.T:
        squares += (column[:, None] - column) ** 2
    np.fill_diagonal(squares, np.inf)
    for i, rows in enumerate(without or ()):
        squares[i, rows] = np.inf
    right = target[squares.argmin(axis=1)] == target
    return float((right[target].mean() + right[~target].mean()) / 2)


def variance_ratio(first: Floats, second: Floats) -> float | None:
    """(n,), (m,) -> the larger variance over the smaller; None if one of them is 0."""
    small, large = sorted(float(np.var(sample, ddof=1)) for sample in (first, second))
    return large / small if small > 0 else None


def _averaged(cells: list[dict[str, Any]]) -> dict[str, float | None]:
    """Average each criterion over the cells that have it."""
    averages: dict[str, float | None] = {}
    for name in ("domain_balance", "balance_floor", "tail_ratio", "separability", "variance_ratio"):
        values = np.array([row[name] for row in cells if row[name] is not None], dtype=np.float64)
        geometric = name == "variance_ratio"
        mean = (np.log(values) if geometric else values).mean() if len(values) else None
        averages[name] = None if mean is None else float(np.exp(mean) if geometric else mean)
    return averages
