"""Distance to the nearest train normals.

The score of a clip is the mean of its k smallest distances to a bank: all train normals (``pooled``), or those of one
domain. With k = 1, the strongest choice in every published comparison since 2023, it is the distance to the most
similar normal sound.

Distances that are measured already (:func:`asdcore.distances`) give the same bits. Without them products of features
find the nearest: n_clips * n_train * D of them, and memory for the distances of 64 clips, so a bank may be large.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from asdcore import DataError, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

METRICS = ("cosine", "euclidean")
REFERENCES = ("pooled", "source", "target")

BLOCK = 64
"""Rows of queries whose distances to the whole bank are held at once."""


class KNN:
    """k nearest neighbours, exact, with leave-one-out in closed form.

    metric : "cosine", half of one minus the cosine similarity, in [0, 1]; or "euclidean". A zero vector is like another
        zero vector and has the cosine 0 with all others.
    references : the banks to score against. A bank of fewer than 2 train clips is left out: one clip cannot be scored
        without itself, so nothing could calibrate the scores against it.
    """

    def __init__(self, k: int = 1, metric: str = "cosine", references: Sequence[str] = REFERENCES) -> None:
        if not isinstance(k, int) or isinstance(k, bool) or k < 1:
            raise ValueError(f"k must be a whole number of at least 1, got {k!r}")
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
        if not references or set(references) - set(REFERENCES):
            raise ValueError(f"references must be some of {', '.join(REFERENCES)}, got {references!r}")
        self._k, self.metric, self._references = k, metric, tuple(references)
        self._banks: dict[str, NDArray[np.intp]] = {}
        self._bank: Floats | None = None

    def fit(self, features: NDArray[np.float32], domain: NDArray[np.str_]) -> KNN:
        """(n_train, ...) features and their domains; keeps them as the banks."""
        self._learn(domain)
        self._bank = self._prepare(features)
        return self

    def fit_distances(self, distances: Floats, domain: NDArray[np.str_]) -> KNN:
        """(n_train, n_train) distances of the train normals to one another in this scorer's ``metric``."""
        self._learn(domain)
        self._bank, self._within = None, distances
        return self

    def score(self, features: NDArray[np.float32]) -> Mapping[str, Floats]:
        """(n_clips, ...) -> {reference: mean of the k smallest distances (n_clips,)}."""
        self._check_fitted()
        if self._bank is None:
            raise DataError("this knn was fitted on distances: call score_distances, or fit it on features")
        bank, queries = self._bank, self._prepare(features)
        if queries.shape[1] != bank.shape[1]:
            raise DataError(
                f"features of {math.prod(features.shape[1:])} values a clip cannot be compared with train normals of "
                "another size. Clips of different lengths need a pooling other than 'frames'."
            )
        return self._score(queries, bank, left_out=False)

    def score_distances(self, distances: Floats) -> Mapping[str, Floats]:
        """(n_clips, n_train) distances to the train normals -> {reference: mean of the k smallest (n_clips,)}."""
        self._check_fitted()
        return {name: self._mean_nearest(distances[:, rows]) for name, rows in self._banks.items()}

    def macs(self, n_train: int, dim: int) -> int:
        """Multiply-accumulates to score one clip: its products with the bank."""
        return n_train * dim

    def score_left_out(self) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each against the bank without itself."""
        import numpy as np

        self._check_fitted()
        if self._bank is not None:
            return self._score(self._bank, self._bank, left_out=True)
        others = self._within.copy()
        np.fill_diagonal(others, np.inf)
        return self.score_distances(others)

    def _mean_nearest(self, distances: Floats) -> Floats:
        """(n, m) distances -> (n,) mean of the k smallest, the infinite ones left out."""
        import numpy as np

        nearest = np.sort(distances, axis=1)[:, : self._k]
        return np.array([row[np.isfinite(row)].mean() for row in nearest], dtype=np.float64)

    def _learn(self, domain: NDArray[np.str_]) -> None:
        """Remember who is in which bank."""
        import numpy as np

        members = {name: np.flatnonzero((domain == name) | (name == "pooled")) for name in self._references}
        self._banks = {name: rows for name, rows in members.items() if len(rows) > 1}
        if not self._banks:
            among = ", ".join(self._references)
            raise DataError(f"knn needs at least 2 train normals in one of its references {among}")

    def _score(self, queries: Floats, bank: Floats, *, left_out: bool) -> dict[str, Floats]:
        import numpy as np

        scores = {name: np.empty(len(queries)) for name in self._banks}
        for start in range(0, len(queries), BLOCK):
            rough, error = _squared_distances(queries[start : start + BLOCK], bank)
            for i, (distances, slack) in enumerate(zip(rough, 2.0 * error, strict=True), start):
                if left_out:
                    distances[i] = np.inf
                for name, rows in self._banks.items():
                    scores[name][i] = self._nearest(queries[i], bank, rows, distances[rows], slack)
        return scores

    def _nearest(self, query: Floats, bank: Floats, rows: NDArray[np.intp], rough: Floats, slack: float) -> float:
        """Mean distance of a query (D,) to the k nearest of the bank's ``rows``, the infinitely far one left out.

        The rough distances only find who may be among the nearest; within ``slack`` of the k-th, anyone may. Their
        distances are then summed anew, in an order that depends on the pair alone: so a clip's score is the same to the
        last bit whatever clips are scored beside it, however many train normals are alike.
        """
        import numpy as np

        # A bank smaller than k, or than k without the clip itself, gives the mean over the neighbours there are.
        k = min(self._k, int(np.isfinite(rough).sum()))
        possible = rows[rough <= np.partition(rough, k - 1)[k - 1] + slack]
        exact = np.sort(np.square(bank[possible] - query).sum(axis=1))[:k]
        return float((exact / 4.0 if self.metric == "cosine" else np.sqrt(exact)).mean())

    def _prepare(self, features: NDArray[np.float32]) -> Floats:
        """Flatten to (n_clips, D) float64; for the cosine metric (n_clips, D + 1), of unit length.

        Half of 1 - cosine is then a quarter of the squared distance. A zero vector points along the last axis.
        """
        import numpy as np

        # The order in which numpy sums follows the memory layout; one layout, one result.
        rows = np.array(features, dtype=np.float64, order="C").reshape(len(features), math.prod(features.shape[1:]))
        if self.metric == "euclidean":
            return rows
        length = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
        return np.hstack([np.divide(rows, length, out=rows, where=length > 0), length == 0])

    def _check_fitted(self) -> None:
        if not self._banks:
            raise DataError("this knn has no train normals yet: call fit(features, domain) first")


def _squared_distances(queries: Floats, bank: Floats) -> tuple[Floats, Floats]:
    """(n, D), (m, D) -> |q|^2 + |b|^2 - 2 q.b (n, m), fast, and how far they may be from the exact sums (n,).

    A sum of D products is off by at most D / 2 eps times the sum of their sizes, in whatever order it is made. The
    norms, the product and the exact sum are such sums, and none is of more than 2 (|q|^2 + |b|^2).
    """
    import numpy as np

    norms, lengths = np.square(queries).sum(axis=1), np.square(bank).sum(axis=1)
    error = 4.0 * (bank.shape[1] + 4) * np.finfo(np.float64).eps * (norms + lengths.max())
    return norms[:, None] + lengths - 2.0 * (queries @ bank.T), error


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``knn``."""
    register("knn", KNN)
