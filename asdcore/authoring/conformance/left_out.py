"""Checks of a scorer's optional ``score_left_out``. A scorer without it passes: the framework scores it in K folds."""

from __future__ import annotations

import numpy as np

from asdcore.authoring.conformance.bench.driver import Rows, require, take
from asdcore.authoring.conformance.kinds.scorer import ScorerBench

SAMPLED = (0, 1, 13, 27, 42, 58, 77, 98, 99, 102, 105, 108)
"""Train clips that are left out in turn: eight of the source domain, four of the target domain."""

RTOL = 1e-5


def check_left_out_has_every_train_clip(bench: ScorerBench) -> None:
    """score_left_out gives (n_train,) float64 finite for the very references that score gives."""
    left_out = _left_out(bench)
    if left_out is None:
        return
    n_train = len(bench.train()["domain"])
    references = sorted(bench.once(bench.rows(3, seed=1)))
    observed = f"score_left_out gave {sorted(left_out)}, score gives {references}."
    why = "every reference a test clip is scored against is calibrated on train normals."
    require(sorted(left_out) == references, observed, why, "a reference was forgotten.")
    for name, values in left_out.items():
        good = values.shape == (n_train,) and values.dtype == np.float64 and bool(np.isfinite(values).all())
        observed = f"{name} left-out scores of {n_train} train clips: {values.shape} {values.dtype}, or not finite."
        require(good, observed, why, "only the clips of one domain were scored, or a lone clip met an empty bank.")


def check_left_out_matches_refit(bench: ScorerBench) -> None:
    """A train clip's left-out score is its score from a bank fitted without it, for every reference.

    For a reference it does not belong to, this is its plain score.
    """
    left_out = _left_out(bench)
    if left_out is None:
        return
    train = bench.train()
    everyone = np.arange(len(train["domain"]))
    for place in SAMPLED:
        refit = bench.once(take({"features": train["features"]}, [place]), take(train, everyone[everyone != place]))
        for name, values in left_out.items():
            right, scale = float(refit[name][0]), float(np.median(np.abs(values)))
            gap = abs(float(values[place]) - right)
            observed = (
                f"The {name} left-out score of train clip {place} ({train['domain'][place]}) is "
                f"{values[place]:.9g}; a bank fitted without it gives {right:.9g}."
            )
            why = "calibration, guards and decisions rest on these scores as the scores of unheard normal clips."
            cause = "the clip still takes part (a mean, a covariance, a neighbour's density), or k was not kept."
            require(gap <= RTOL * max(abs(right), scale), observed, why, cause)


def check_left_out_is_not_the_self_match(bench: ScorerBench) -> None:
    """Left-out scores are not the scores of train clips against a bank that holds them."""
    left_out = _left_out(bench)
    if left_out is None:
        return
    train = bench.train()
    held = bench.once({"features": train["features"]})
    for name, values in left_out.items():
        own = train["domain"] == name if name != "pooled" else np.full(len(values), True)
        gap = np.abs(values - held[name])[own]
        observed = f"The {name} left-out scores are the scores against a bank that holds the clip itself."
        why = "a self-match is too good: calibration would be off by a factor of two to a million."
        scale = float(np.abs(values).max())
        require(float(np.median(gap)) > 1e-9 * scale, observed, why, "score_left_out returns score(features).")


CHECKS = (
    check_left_out_has_every_train_clip,
    check_left_out_matches_refit,
    check_left_out_is_not_the_self_match,
)


def _left_out(bench: ScorerBench) -> Rows | None:
    """Left-out scores of a newly fitted scorer, or None if it offers none."""
    fitted = bench.fit(bench.build(), bench.inputs(bench.train()))
    if not hasattr(fitted, "score_left_out"):
        return None
    return {name: np.asarray(values) for name, values in fitted.score_left_out().items()}
