"""Distance to the nearest train normals.

The score of a clip is the mean of its k smallest distances to a bank: all train normals (``pooled``), or those of one
domain. With k = 1, the strongest choice in every published comparison since 2023, it is the distance to the most
similar normal sound.

Distances that are measured already (:func:`asdcore.distances`) give the same bits. Without them products of features
find the nearest (:mod:`asdcore_plugins.stats.neighbours.search`), n_clips * n_train * D of them, with memory for the
bank in single precision: so a bank may be large.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError, Without, hookimpl
from asdcore_plugins.scorers.bases.references import references_left
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.neighbours.exact import mean_nearest
from asdcore_plugins.stats.neighbours.search import NearestRows
from asdcore_plugins.stats.parameters import METRICS, REFERENCES, whole


class KNN:
    """k nearest neighbours, exact, with leave-one-out in closed form.

    metric : "cosine", half of one minus the cosine similarity, in [0, 1]; or "euclidean". A zero vector is like another
        zero vector and has the cosine 0 with all others.
    references : the banks to score against. A bank of fewer than 2 train clips is left out: one clip cannot be scored
        without itself, so nothing could calibrate the scores against it.
    """

    def __init__(self, k: int = 1, metric: str = "cosine", references: Sequence[str] = REFERENCES) -> None:
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
        if not references or set(references) - set(REFERENCES):
            raise ValueError(f"references must be some of {', '.join(REFERENCES)}, got {references!r}")
        self._k, self.metric, self._references = whole("k", k), metric, tuple(references)
        self._banks: dict[str, NDArray[np.intp]] = {}
        self._nearest: NearestRows | None = None

    def fit(self, features: NDArray[np.float32], domain: NDArray[np.str_]) -> KNN:
        """(n_train, ...) features and their domains; keeps them as the banks."""
        self._learn(domain)
        rows = _flat(features)
        self._width = rows.shape[1]
        self._nearest = NearestRows(rows, self.metric, self._banks, np.arange(len(rows)), self._k)
        return self

    def fit_distances(self, distances: Floats, domain: NDArray[np.str_]) -> KNN:
        """(n_train, n_train) distances of the train normals to one another in this scorer's ``metric``."""
        self._learn(domain)
        self._nearest, self._within = None, distances
        return self

    def score(self, features: NDArray[np.float32]) -> Mapping[str, Floats]:
        """(n_clips, ...) -> {reference: mean of the k smallest distances (n_clips,)}."""
        self._check_fitted()
        if self._nearest is None:
            raise DataError("this knn was fitted on distances: call score_distances, or fit it on features")
        queries = _flat(features)
        if queries.shape[1] != self._width:
            raise DataError(
                f"features of {queries.shape[1]} values a clip cannot be compared with train normals of another size. "
                "Clips of different lengths need a pooling other than 'frames'."
            )
        return self._nearest.distances(queries)

    def score_distances(self, distances: Floats) -> Mapping[str, Floats]:
        """(n_clips, n_train) distances to the train normals -> {reference: mean of the k smallest (n_clips,)}."""
        self._check_fitted()
        return {name: mean_nearest(np.take(distances, rows, axis=1), self._k) for name, rows in self._banks.items()}

    def macs(self, n_train: int, dim: int) -> int:
        """Multiply-accumulates to score one clip: its products with the bank."""
        return n_train * dim

    def score_left_out(self, without: Sequence[NDArray[np.intp]] | None = None) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each against the bank without itself.

        without : for each clip, the clips of the bank that it is not compared with either. A bank of which nothing
            would be left for some clip is left out.
        """
        self._check_fitted()
        gone = Without(without, self._n)
        kept = references_left(gone, self._banks, 1, "knn")
        if self._nearest is not None:
            found = self._nearest.distances_left_out(None if without is None else gone)
            return {name: found[name] for name in kept}
        others = self._within.copy()
        for clip, one in enumerate(gone.of):
            others[clip, gone.sets[one]] = np.inf
        scores = self.score_distances(others)
        return {name: scores[name] for name in kept}

    def _learn(self, domain: NDArray[np.str_]) -> None:
        """Remember who is in which bank."""
        members = {name: np.flatnonzero((domain == name) | (name == "pooled")) for name in self._references}
        self._n, self._banks = len(domain), {name: rows for name, rows in members.items() if len(rows) > 1}
        if not self._banks:
            among = ", ".join(self._references)
            raise DataError(f"knn needs at least 2 train normals in one of its references {among}")

    def _check_fitted(self) -> None:
        if not self._banks:
            raise DataError("this knn has no train normals yet: call fit(features, domain) first")


def _flat(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, ...) -> (n, D)."""
    return features.reshape(len(features), math.prod(features.shape[1:]))


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``knn``."""
    register("knn", KNN)
