"""The out-of-fold mirror: compares a system with the mean of models that each lack one fold of train normals.

Direct and mirror score the same clips by the same recipe, once from all train normals and once from K models that each
lack a fold. A direct system much better than its mirror rests on which normals it happened to have. Paper:
"Robust train-normal calibration" (DCASE 2026, Table 2, systems A and B: 0.613941 and 0.613916).
"""

from __future__ import annotations

from typing import Any

import polars as pl

from asdcore.errors import EvaluationError
from asdcore.evidence.selection.candidates import Candidates
from asdcore.evidence.selection.outcome import Outcome, points
from asdcore.evidence.uncertainty import differences

DEFINITION = (
    "The direct system is fitted on all train normals; its mirror is the mean of K models, each fitted without one "
    "fold of them. difference = direct - mirror of the official score, with its 95 % interval from a bootstrap over "
    "clips that is paired (both systems on the same clips), and the p value of a paired permutation test, uncorrected."
)


def mirror(candidates: Candidates, replicates: int = 1000, seed: int = 0) -> Outcome:
    """Compare every candidate that is an out-of-fold mirror with the system that it mirrors.

    Raises EvaluationError if there is no such pair among the candidates.
    """
    rows = [_row(candidates, *pair, replicates, seed) for pair in _pairs(candidates)]
    if not rows:
        raise EvaluationError(
            "None of these systems is the out-of-fold mirror of another. A portfolio makes one with "
            "[systems.B] out_of_fold_mirror_of = 'A'."
        )
    sentence = " ".join(
        f"{row['direct']} has {points(row['direct_score'])}, its mirror {row['mirror']} has "
        f"{points(row['mirror_score'])}: difference "
        f"{points(row['difference'], signed=True)} [{points(row['low'])}, {points(row['high'])}]."
        for row in rows
    )
    return Outcome("mirror", DEFINITION, {"replicates": replicates, "seed": seed}, rows, sentence)


def _pairs(candidates: Candidates) -> list[tuple[str, str]]:
    """Return (direct, mirror) of every mirror among the candidates."""
    names = {(run.folder, system): name for name, (run, system) in candidates.places.items()}
    pairs = []
    for (folder, system), name in names.items():
        run = candidates.places[name][0]
        mirrored = run.about["portfolio"]["systems"][system].get("out_of_fold_mirror_of")
        if (folder, mirrored) in names:
            pairs.append((names[folder, mirrored], name))
    return pairs


def _row(candidates: Candidates, direct: str, mirrored: str, replicates: int, seed: int) -> dict[str, Any]:
    two = candidates.table.filter(pl.col("system").is_in([direct, mirrored]))
    (tested,) = differences(two, candidates.year, replicates=replicates, permutations=replicates, seed=seed)
    estimate, low, high = tested.estimate, tested.interval.low, tested.interval.high
    if tested.first != direct:
        estimate, low, high = -estimate, -high, -low
    return {
        "direct": direct,
        "mirror": mirrored,
        "direct_score": candidates.score(direct),
        "mirror_score": candidates.score(mirrored),
        "difference": estimate,
        "low": low,
        "high": high,
        "p": tested.p,
    }
