"""Distance to the nearest train normals.

The score of a clip is the mean of its k smallest distances to a bank: all train normals (``pooled``), or those of one
domain. With k = 1, the strongest choice in every published comparison since 2023, it is the distance to the most
similar normal sound.

Distances that are measured already (:func:`asdcore.distances`) give the same bits. Without them
:mod:`asdcore_plugins.stats.neighbours.search` finds the nearest by n_clips * n_train * D products, with memory for the
bank in single precision. So a bank may be large.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray

from asdcore import REFERENCES, DataError, OnnxValue, Without
from asdcore_plugins.scorers.bases.references import large_enough, members_of, references_left
from asdcore_plugins.scorers.bases.scorer import LeaveOutScorer
from asdcore_plugins.stats.arrays import Floats, Floats32, Indices
from asdcore_plugins.stats.features import flat, other_width
from asdcore_plugins.stats.learned import Count, State, Stored, read_only
from asdcore_plugins.stats.neighbours.exact import mean_nearest
from asdcore_plugins.stats.neighbours.nearest_weights import nearest_weights
from asdcore_plugins.stats.neighbours.search import NearestRows
from asdcore_plugins.stats.onnx_formulas import mean_smallest
from asdcore_plugins.stats.parameters import metric_name, reference_names, whole


class KNN(LeaveOutScorer):
    """k nearest neighbours, exact, with leave-one-out in closed form.

    Parameters
    ----------
    k
        Neighbours whose mean distance is the score; of a bank that has fewer, all count.
    metric
        "cosine", half of one minus the cosine similarity, in [0, 1]; or "euclidean". A zero vector equals another zero
        vector and has the cosine 0 with all others. The cosine suits the features of networks; of features in dB, as
        those of ``logmel``, it depends on the recorder's gain.
    references
        The banks to score against: some of "pooled", "source", "target". A bank of fewer than 2 train clips is left
        out: nothing could calibrate the scores against it.

    Raises
    ------
    ValueError
        If ``k`` is not a positive whole number, or a metric or reference is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> train = np.array([[0.0, 0.0], [0.0, 4.0], [3.0, 0.0]], np.float32)
    >>> domain = np.array(["source", "source", "target"])
    >>> scorer = KNN(metric="euclidean", references=["pooled", "source"]).fit(train, domain)
    >>> {name: scores.tolist() for name, scores in scorer.score(np.array([[3.0, 4.0]], np.float32)).items()}
    {'pooled': [3.0], 'source': [3.0]}
    >>> scorer.score_left_out()["pooled"].tolist()
    [3.0, 4.0, 3.0]
    """

    name = "knn"

    _n: Count
    _banks: Annotated[Mapping[str, Indices], "+", "n"]

    def __init__(self, k: int = 1, metric: str = "cosine", references: Sequence[str] = REFERENCES) -> None:
        self.metric, self._references = metric_name(metric), reference_names(references)
        self._k = whole("k", k)
        self._nearest: NearestRows | None = None

    def _fit(self, features: Floats32, domain: NDArray[np.str_]) -> None:
        self._learn(domain)
        self._remember(flat(features))

    def _remember(self, rows: Floats32) -> None:
        """Lay out the features of the bank (n_train, D) to be searched."""
        self._width = rows.shape[1]
        self._nearest = NearestRows(rows, self.metric, self._banks, np.arange(len(rows)), self._k)

    def _state(self) -> State:
        return {**super()._state(), "rows": None if self._nearest is None else read_only(self._nearest.rows)}

    def _restore(self, stored: Stored) -> None:
        super()._restore(stored)
        self._nearest = None
        if (rows := stored.read("rows", Floats32 | None, "n D")) is not None:
            self._remember(rows)

    def fit_distances(self, distances: Floats, domain: NDArray[np.str_]) -> Self:
        """Keep distances that are measured already.

        Parameters
        ----------
        distances
            (n_train, n_train) distances of the train normals to one another, in this scorer's ``metric``.
        domain
            As in :meth:`fit`.

        Returns
        -------
        Self
            The fitted scorer; it scores distances, not features.
        """
        self._is_fitted = False
        self._learn(domain)
        self._nearest, self._within = None, distances
        self._is_fitted, self._is_restored = True, False
        return self

    def _score(self, features: Floats32) -> Mapping[str, Floats]:
        if self._nearest is None:
            raise DataError("this knn was fitted on distances: call score_distances, or fit it on features")
        queries = flat(features)
        if queries.shape[1] != self._width:
            raise other_width(queries.shape[1], self._width)
        return self._nearest.distances(queries)

    def score_distances(self, distances: Floats) -> Mapping[str, Floats]:
        """(n_clips, n_train) distances to the train normals -> {reference: mean of the k smallest (n_clips,)}."""
        self._check_fitted()
        return {name: mean_nearest(np.take(distances, rows, axis=1), self._k) for name, rows in self._banks.items()}

    def distance_weights(self, distances: Floats) -> Mapping[str, Floats]:
        """(n_clips, n_train) distances -> {reference: their weights in the score}: 1 / k for each of the k nearest."""
        self._check_fitted()
        return {name: nearest_weights(distances, rows, self._k) for name, rows in self._banks.items()}

    def distances_to_onnx(self, distances: OnnxValue) -> Mapping[str, OnnxValue]:
        """Write :meth:`score_distances`: (1, n_train) -> {reference: (1,)}."""
        self._check_fitted()
        return {name: mean_smallest(distances, rows, self._k) for name, rows in self._banks.items()}

    def macs(self, n_train: int, dim: int) -> int:
        """Return the multiply-accumulates to score one clip: its products with the bank."""
        return n_train * dim

    def _score_left_out(self, without: Sequence[Indices] | None) -> Mapping[str, Floats]:
        gone = Without(without, self._n)
        kept = references_left(gone, self._banks, 1, "knn")
        if self._nearest is not None:
            scores = self._nearest.distances_left_out(None if without is None else gone)
        else:
            others = self._within.copy()
            for clip, which in enumerate(gone.of):
                others[clip, gone.sets[which]] = np.inf
            scores = dict(self.score_distances(others))
        return {name: scores[name] for name in kept}

    def _learn(self, domain: NDArray[np.str_]) -> None:
        """Remember who is in which bank."""
        self._n = len(domain)
        self._banks = large_enough("knn", members_of(domain, self._references), 2)
