"""Tournament bootstrap: estimates how much of the best candidate's score is luck.

The best of N scores on the same clips is too high even if all candidates are equally good (the winner's curse). Each
bootstrap replicate holds the tournament again: the clips drawn choose the winner, and the clips not drawn, about 37 %,
score it independently of that choice (out-of-bag, as in Efron and Tibshirani, JASA 92, 1997).

Why this has the right size: let candidates' true scores vary with variance t, their errors on n clips with variance s,
and m be the expected maximum of N standard normal numbers. The best of N scores m sqrt(t + s) and is worth
m t / sqrt(t + s). A draw that favours a candidate leaves clips that disfavour it as much, so the winners score
m t / sqrt(t + 2 s) on the clips not drawn: the truth for t = 0 or t >> s, and a little less between, since a winner is
chosen on fewer different clips. (The difference of the winners' scores on clips drawn and not drawn would be twice as
large as the optimism.)

The same replicates test whether the best of N is better than a baseline at all, given that N were tried: White's
reality check (Econometrica 68, 2000).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.basics.digits import fixed
from asdcore.errors import EvaluationError
from asdcore.evidence.metrics import rule
from asdcore.evidence.selection.candidates import Candidates
from asdcore.evidence.selection.outcome import Outcome, points
from asdcore.evidence.uncertainty.curves import official_scores
from asdcore.evidence.uncertainty.resample import bootstrap_weights
from asdcore.evidence.uncertainty.section_arrays import machines_of, sections_of

Floats = NDArray[np.float64]

DEFINITION = (
    "Clips are drawn with replacement within machine, section, domain and label, the same for every candidate. In "
    "each replicate the candidate with the highest official score on the clips drawn wins, and is scored on the clips"
    " that were not drawn; a replicate in which a cell has no such clip is not counted. honest is the mean of these "
    "scores, corrected by how far candidates that nobody chose score on so few clips from their score on all "
    "(small_sample, a mean over all candidates). direct is the best official score on all clips, optimism = direct - "
    "honest. wins is the share of replicates that a candidate wins. p is that of White's reality check: how often, "
    "were no candidate better than the baseline, the best of so many would lie as far above it."
)


def tournament(
    candidates: Candidates, baseline: str | None = None, *, replicates: int = 1000, seed: int = 0
) -> Outcome:
    """Estimate the optimism of choosing the best of the candidates by its official score.

    baseline : the candidate that the best is tested against; the first one by default.
    """
    base = candidates.names.index(candidates.checked(baseline))
    drawn, others = _tournaments(candidates, replicates, seed)
    usable = np.isfinite(others).all(axis=0)
    if usable.sum() < replicates / 2:
        raise EvaluationError(
            f"In {replicates - usable.sum()} of {replicates} replicates a cell has no clip that was not drawn: there "
            "are too few test clips of a machine, domain and label for a tournament. Use --protocol lomo."
        )
    drawn, others = drawn[:, usable], others[:, usable]
    winners, each = drawn.argmax(axis=0), np.arange(drawn.shape[1])
    scores = np.array([candidates.score(name) for name in candidates.names])
    small_sample = (others - scores[:, None]).mean(axis=0)
    honest = others[winners, each] - small_sample
    wins = np.bincount(winners, minlength=len(scores)) / len(each)
    direct = candidates.best(candidates.score)
    facts = {
        "chosen": direct,
        "direct": float(scores.max()),
        "honest": float(honest.mean()),
        "optimism": float(scores.max() - honest.mean()),
        "monte_carlo_error": float(honest.std(ddof=1) / np.sqrt(len(each))),
        "small_sample": float(small_sample.mean()),
        "baseline": candidates.names[base],
        "p": _reality_check(drawn, scores, base),
        "replicates": len(each),
        "seed": seed,
    }
    rows = [
        {"candidate": name, "official_score": float(score), "wins": float(share)}
        for name, score, share in zip(candidates.names, scores, wins, strict=True)
    ]
    return Outcome("tournament", DEFINITION, facts, rows, _sentence(facts, rows))


def _reality_check(drawn: Floats, scores: Floats, base: int) -> float:
    """Replicates (n_candidates, replicates), scores (n_candidates,), baseline's index -> p of "none is better"."""
    gain = scores - scores[base]
    by_chance = (drawn - drawn[base] - gain[:, None]).max(axis=0)
    p: float = (1 + np.count_nonzero(by_chance >= gain.max())) / (1 + len(by_chance))
    return p


def _sentence(facts: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    (wins,) = [row["wins"] for row in rows if row["candidate"] == facts["chosen"]]
    return (
        f"Best of {len(rows)}: {facts['chosen']} with {points(facts['direct'])}, of which {points(facts['optimism'])} "
        f"is the expected optimism of having chosen it; honest: {points(facts['honest'])}. It wins "
        f"{fixed(100 * wins, 0)} % of the tournaments. That none is better than {facts['baseline']}: "
        f"p {facts['p']:.2g}."
    )


def _tournaments(candidates: Candidates, replicates: int, seed: int) -> tuple[Floats, Floats]:
    """Return official scores on the clips drawn and on those that were not, (n_candidates, replicates) each.

    NaN if every clip of a cell was drawn.
    """
    systems, sections = sections_of(candidates.table, candidates.year)
    order = [systems.index(name) for name in candidates.names]
    inside, outside = [], []
    for section in sections:
        weights = bootstrap_weights(section.strata, replicates, seed, section.recordings)
        unused = (weights == 0).astype(weights.dtype)
        inside.append([section.values(i, weights, candidates.year) for i in order])
        outside.append([section.values(i, unused, candidates.year) for i in order])
    rules, machines = rule(candidates.year), machines_of(sections)

    def officials(values: list[list[Floats]]) -> Floats:
        return np.stack(
            [official_scores(np.stack([section[i] for section in values]), machines, rules) for i in range(len(order))]
        )

    return officials(inside), officials(outside)
