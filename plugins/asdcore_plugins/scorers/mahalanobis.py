"""Mahalanobis distance under one Gaussian with the Ledoit-Wolf covariance.

d(x) = (x - m)' Sigma^-1 (x - m), Sigma = (1 - a) S + a mu I, where S is the empirical covariance (divided by n), mu the
mean of its diagonal and a the shrinkage of Ledoit and Wolf (2004), "A well-conditioned estimator for large-dimensional
covariance matrices", J. Multivariate Analysis 88.

Leave-one-out is exact and in closed form: without clip i the mean, S, mu and the shrinkage itself follow from sums over
all clips, and Sherman-Morrison turns the inverse of the full scatter into that of the reduced one. Everything lives in
the singular vectors of the centred bank, so features with more dimensions than clips cost no more than clips allow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asdcore import DataError, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

REFERENCES = ("pooled", "source", "target")
FEWEST = 4
"""Train clips that a reference needs: three must remain without one of them. Two have a shrinkage of exactly 0, and a
covariance without an inverse."""

CANCELLED = 1e-6
"""A clip without which less than this share of the scatter remains is refitted: the closed form has lost its digits."""

INVERTIBLE = 1e-12
"""The smallest variance, relative to the largest, of which an inverse says anything."""


class Mahalanobis:
    """One Gaussian for each reference; a reference with fewer than 4 train clips is left out."""

    def __init__(self, references: Sequence[str] = ("pooled",)) -> None:
        if not references or set(references) - set(REFERENCES):
            raise ValueError(f"references must be some of {', '.join(REFERENCES)}, got {references!r}")
        self._references = tuple(references)
        self._gaussians: dict[str, _Gaussian] = {}

    def fit(self, features: NDArray[np.float32], domain: NDArray[np.str_]) -> Mahalanobis:
        """(n_train, ...) features and their domains; estimates one Gaussian for each reference."""
        import numpy as np

        self._gaussians, self._rows = {}, _flatten(features)
        members = {name: np.flatnonzero((domain == name) | (name == "pooled")) for name in self._references}
        self._members = {name: rows for name, rows in members.items() if len(rows) >= FEWEST}
        if not self._members:
            raise DataError(
                f"mahalanobis needs at least {FEWEST} train normals in one of its references "
                f"{', '.join(self._references)}"
            )
        self._gaussians = {name: _estimate(self._rows[rows]) for name, rows in self._members.items()}
        return self

    def score(self, features: NDArray[np.float32]) -> Mapping[str, Floats]:
        """(n_clips, ...) -> {reference: squared Mahalanobis distance (n_clips,)}."""
        gaussians, rows = self._fitted(), _flatten(features)
        if rows.shape[1] != self._rows.shape[1]:
            raise DataError(
                f"features of {rows.shape[1]} values a clip cannot be compared with train normals of "
                f"{self._rows.shape[1]}. Clips of different lengths need a pooling other than 'frames'."
            )
        return {name: gaussian.distances(rows) for name, gaussian in gaussians.items()}

    def macs(self, n_train: int, dim: int) -> int:
        """Multiply-accumulates to score one clip: its projection on the basis of each reference."""
        return len(self._references) * min(n_train, dim) * dim

    def score_left_out(self) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each under the Gaussian estimated without it."""
        import numpy as np

        scores = {}
        for name, gaussian in self._fitted().items():
            members = self._members[name]
            others = np.setdiff1d(np.arange(len(self._rows)), members)
            scores[name] = np.empty(len(self._rows))
            scores[name][others] = gaussian.distances(self._rows[others])
            scores[name][members], lost = gaussian.distances_left_out()
            for i in members[lost]:
                scores[name][i] = self._refitted(members[members != i]).distances(self._rows[[i]])[0]
        return scores

    def _refitted(self, members: NDArray[np.intp]) -> _Gaussian:
        try:
            return _estimate(self._rows[members])
        except DataError as error:
            raise DataError(f"one train normal cannot be scored by the others: {error}") from error

    def _fitted(self) -> dict[str, _Gaussian]:
        if not self._gaussians:
            raise DataError("this mahalanobis has no train normals yet: call fit(features, domain) first")
        return self._gaussians


@dataclass(frozen=True)
class _Gaussian:
    """A Gaussian in the singular vectors of its centred bank.

    mean (D,), basis (r, D), projected (n, r) = centred bank @ basis.T, variances (r,) the eigenvalues of S; amount and
    mu, the shrinkage and what it goes toward.
    """

    mean: Floats
    basis: Floats
    projected: Floats
    variances: Floats
    amount: float
    mu: float

    def distances(self, rows: Floats) -> Floats:
        """(n, D) -> (n,). One row at a time: the rounding of a row must not depend on how many there are."""
        import numpy as np

        floor = self.amount * self.mu
        weights = 1.0 / ((1.0 - self.amount) * self.variances + floor)
        scores = np.empty(len(rows))
        for i, row in enumerate(rows):
            centred = row - self.mean
            inside = np.square(np.einsum("rd,d->r", self.basis, centred))
            outside = max(float(np.square(centred).sum() - inside.sum()), 0.0)
            # Where the bank spans every dimension, what is left outside is rounding.
            beyond = outside / floor if len(self.variances) < len(self.mean) else 0.0
            scores[i] = (inside * weights).sum() + beyond
        return scores

    def distances_left_out(self) -> tuple[Floats, NDArray[np.bool_]]:
        """Each clip of the bank under the Gaussian of the others (n,), and where that is lost to cancellation (n,).

        The others' centred rows are x_k + x_i / left, their covariance is scale S - downdate x_i x_i', and x_i lies
        scale x_i from their mean: by Sherman-Morrison at the distance scale^2 q / (1 - (1 - a) downdate q).
        """
        import numpy as np

        n, left = len(self.projected), len(self.projected) - 1
        gram = self.projected @ self.projected.T
        norms = np.diag(gram).copy()
        scale, downdate = n / left, n / left**2
        spread = np.square(self.projected) @ self.variances
        others = np.square(norms[:, None] + 2.0 * gram / left + norms / left**2)
        np.fill_diagonal(others, 0.0)
        whole = scale**2 * np.square(self.variances).sum()
        square = whole - 2 * scale * downdate * spread + downdate**2 * norms**2
        amount, mu = _shrinkage(
            left,
            len(self.mean),
            trace=scale * self.variances.sum() - downdate * norms,
            square=square,
            fourth=others.sum(axis=0),
        )
        inverse = 1.0 / ((1.0 - amount)[:, None] * scale * self.variances + (amount * mu)[:, None])
        q = (np.square(self.projected) * inverse).sum(axis=1)
        remaining = 1.0 - (1.0 - amount) * downdate * q
        lost = (square < CANCELLED * whole) | (remaining < CANCELLED)
        return scale**2 * q / np.where(lost, 1.0, remaining), lost


def _estimate(rows: Floats) -> _Gaussian:
    """(n, D) -> the Gaussian of these rows; raises DataError where its covariance has no inverse."""
    import numpy as np

    # Compared, not subtracted: the mean of equal numbers may be off by rounding, which would pass for a spread.
    if (rows == rows[0]).all():
        raise DataError(f"all {len(rows)} train normals have the same features, so no direction has a spread")
    mean = rows.mean(axis=0)
    centred = rows - mean
    _, singular, basis = np.linalg.svd(centred, full_matrices=False)
    kept = singular > singular[0] * max(rows.shape) * np.finfo(np.float64).eps
    variances, basis = np.square(singular[kept]) / len(rows), np.ascontiguousarray(basis[kept])
    projected = centred @ basis.T
    fourth = np.square(np.square(projected).sum(axis=1)).sum()
    amount, mu = _shrinkage(len(rows), rows.shape[1], variances.sum(), np.square(variances).sum(), fourth)
    if len(variances) < rows.shape[1] and not amount * mu > INVERTIBLE * variances[0]:
        raise DataError(
            f"the {len(rows)} train normals hold too few different features for a covariance: Ledoit-Wolf shrinkage is "
            f"{float(amount):.1g}, so it has no inverse. Look for repeated clips."
        )
    return _Gaussian(mean, basis, projected, variances, float(amount), float(mu))


def _shrinkage(n: int, dimensions: int, trace: Floats, square: Floats, fourth: Floats) -> tuple[Floats, Floats]:
    """Ledoit-Wolf shrinkage and mu from tr(S), ||S||_F^2 and sum_k ||x_k||^4 of n centred rows."""
    import numpy as np

    mu = trace / dimensions
    distance = (square - trace**2 / dimensions) / dimensions
    error = (fourth / n - square) / (dimensions * n)
    error = np.minimum(error, distance)
    amount = np.divide(error, distance, out=np.zeros_like(np.asarray(error)), where=np.asarray(distance) > 0)
    return np.maximum(amount, 0.0), mu


def _flatten(features: NDArray[np.float32]) -> Floats:
    import numpy as np

    return features.reshape(len(features), math.prod(features.shape[1:])).astype(np.float64)


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``mahalanobis``."""
    register("mahalanobis", Mahalanobis)
