"""Fusion strategies that use the correlations of branches on train normals."""

from __future__ import annotations

import numpy as np

from asdcore.errors import DataError, PortfolioError
from asdcore.fusion.smooth_ecdf import SmoothEcdf
from asdcore.fusion.train_normals import Columns, Floats, Fuse, Normals, added, check_shares, correlations, curve


def copula(normals: Normals, *, shrinkage: float = 0.1) -> Fuse:
    """sum w n / sqrt(w' C w): Stouffer's sum under a Gaussian copula.

    C is the correlation of the n of train normals, drawn toward the identity by ``shrinkage`` in [0, 1].
    """
    scores = {branch: cdf.normal_score(normals.phi[branch]) for branch, cdf in normals.curves().items()}
    weights = np.array(list(normals.weights.values()))
    variance = float(np.sum(weights[:, None] * correlations(scores, shrinkage) * weights))
    if not variance > 1e-12 * float(np.sum(weights)) ** 2:
        raise DataError("the weighted branches cancel each other on train normals; give copula a shrinkage above 0")
    total, scale = normals.sum_of(SmoothEcdf.normal_score), float(np.sqrt(variance))
    return lambda phi: total(phi) / scale


def inverse_correlation(normals: Normals, *, shrinkage: float = 0.1) -> Fuse:
    """sum u phi with u proportional to (C^-1 w)+ and adding up to sum w: branches that say the same share their weight.

    C is the rank correlation (Spearman) of train normals, drawn toward the identity by ``shrinkage`` in [0, 1].
    """
    from scipy.stats import rankdata

    ranks = {branch: rankdata(normals.phi[branch]) for branch in normals.weights}
    correlation = correlations(ranks, shrinkage)
    if not np.linalg.cond(correlation) < 1e12:
        raise DataError("two branches rank all train normals alike; give inverse_correlation a shrinkage above 0")
    weights = np.array(list(normals.weights.values()))
    drawn = np.maximum(np.linalg.solve(correlation, weights), 0.0)
    drawn *= weights.sum() / drawn.sum()
    kept = dict(zip(normals.weights, drawn.tolist(), strict=True))
    return lambda phi: added(kept, phi)


def low_correlation(
    normals: Normals,
    *,
    auxiliary: list[str],
    share: float = 0.5,
    low: float = 0.5,
    high: float = 0.99,
    correlation: float = 0.5,
) -> Fuse:
    """-log p of the weighted sum, repaired by the auxiliary branch that agrees with it least.

    The strategy takes the branch of ``auxiliary`` whose rank correlation (Spearman) with the base B = sum w phi is the
    smallest in size on train normals. If that is not below ``correlation``, it takes none, and S = -log p_B. With p_B,
    p_a the probabilities of a normal clip above this one, t = clip((1 - p_B - low) / (high - low), 0, 1), and both p
    combined by their harmonic mean::

        repaired = log(1 / p_B + (1 - share) t (1 / p_a - 1 / p_B)+)
        S = max(-log p_B, min(repaired, -log(1 - high)))

    Only clips with a base between the quantiles ``low`` and ``high`` are raised, at most to the level of ``high``: so S
    never falls in either score, and is continuous.
    """
    check_shares(share=share, low=low, high=high, correlation=correlation)
    if not low < high < 1:
        raise PortfolioError(f"low < high < 1 is needed, not low={low}, high={high}.")
    total = added(normals.weights, normals.phi)
    base = curve({"weighted sum": total}, "weighted sum")
    chosen = _least_correlated(total, normals, auxiliary, correlation)
    if chosen is None:
        return lambda phi: -np.log(base.survival(added(normals.weights, phi)))
    other = curve(normals.phi, chosen)

    def fuse(phi: Columns) -> Floats:
        p = base.survival(added(normals.weights, phi))
        more = np.maximum(1.0 / other.survival(phi[chosen]) - 1.0 / p, 0.0)
        repaired = np.log(1.0 / p + (1.0 - share) * np.clip((1.0 - p - low) / (high - low), 0.0, 1.0) * more)
        result: Floats = np.maximum(-np.log(p), np.minimum(repaired, -np.log1p(-high)))
        return result

    return fuse


def _least_correlated(base: Floats, normals: Normals, auxiliary: list[str], most: float) -> str | None:
    """Return the branch whose rank correlation with the base is the smallest in size, or None from ``most`` on."""
    from scipy.stats import rankdata

    ranks = rankdata(base)
    size = {}
    for branch in sorted(auxiliary):
        pair = correlations({"weighted sum": ranks, branch: rankdata(normals.phi[branch])})
        size[branch] = abs(float(pair[0, 1]))
    chosen = min(size, key=lambda branch: size[branch])
    return chosen if size[chosen] < most else None
