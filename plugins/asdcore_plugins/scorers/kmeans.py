"""Distance to the centres of the source clips' clusters, and to the target clips themselves.

``k`` centres (k-means) stand for the many source clips, and the few target clips are all kept: "source" is the distance
to the nearest centre, "target" that to the nearest target clip, "pooled" the smaller one. For the cosine metric
k-means clusters unit vectors, and centres are scaled back to unit length. From Wilkinghoff, "Design choices for
learning embeddings from auxiliary tasks for domain generalization in anomalous sound detection" (ICASSP 2023), with
k = 16.

Clusters are scikit-learn's: starts by k-means++ (Arthur and Vassilvitskii, SODA 2007), drawn once, then Lloyd's
iterations. Without a ``seed`` the draws are from clips in an order that their features alone determine. With one they
are those of ``sklearn.cluster.KMeans(k, random_state=seed)`` from clips in the order of ``fit``. The framework passes
train clips in the order of their names, so scores equal those of published code that sorts its files.

Train normals are scored in folds: clusters without one clip have no closed form. Time and memory: n_source k D for an
iteration, and (k + n_target) D for a clip.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from sklearn import cluster
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import get_cached_controller

from asdcore import REFERENCES, OnnxValue, distances, distances_to_onnx
from asdcore_plugins.scorers.bases.references import large_enough, members_of
from asdcore_plugins.scorers.bases.scorer import ReferenceScorer
from asdcore_plugins.stats.arrays import Floats, Floats32, Indices
from asdcore_plugins.stats.features import flat, unit_rows
from asdcore_plugins.stats.onnx_formulas import mean_smallest
from asdcore_plugins.stats.parameters import metric_name, reference_names, whole, whole_or_none

FEWEST = 2
"""Train clips of a reference without which it is left out."""


class KMeans(ReferenceScorer):
    """Distance to the nearest of the source centres and target clips, in its unit.

    Parameters
    ----------
    k
        Centres; if fewer source clips differ, as many as differ.
    metric
        "cosine", half of one minus the cosine similarity, or "euclidean".
    references
        The references to score against: some of "pooled", "source", "target".
    seed
        Seed of the starts; None makes them independent of the order of clips.

    Raises
    ------
    ValueError
        If ``k`` or ``seed`` is not a whole number in range, or a metric or reference is unknown.

    References
    ----------
    K. Wilkinghoff, "Design choices for learning embeddings from auxiliary tasks for domain generalization in anomalous
    sound detection", ICASSP 2023.

    Examples
    --------
    Two clusters of source clips, and two target clips:

    >>> import numpy as np
    >>> train = np.array([[0.0], [2.0], [10.0], [12.0], [50.0], [60.0]], np.float32)
    >>> domain = np.array(["source"] * 4 + ["target"] * 2)
    >>> scorer = KMeans(k=2, metric="euclidean").fit(train, domain)
    >>> {name: scores.tolist() for name, scores in scorer.score(np.array([[14.0]], np.float32)).items()}
    {'pooled': [3.0], 'source': [3.0], 'target': [36.0]}
    """

    name = "kmeans"

    _bank: Annotated[Floats32, "rows D"]
    _banks: Annotated[Mapping[str, Indices], "+", "rows"]

    def __init__(
        self, k: int = 16, metric: str = "cosine", references: Sequence[str] = REFERENCES, seed: int | None = None
    ) -> None:
        self._metric, self._references = metric_name(metric), reference_names(references)
        self._k, self._seed = whole("k", k), whole_or_none("seed", seed, least=0)

    def _fit(self, features: Floats32, domain: NDArray[np.str_]) -> None:
        clips = flat(np.array(features, dtype=np.float32, order="C"))
        target = domain == "target"
        wanted = large_enough("kmeans", members_of(np.where(target, "target", "source"), self._references), FEWEST)
        centres = self._centres(clips[~target])
        self._bank = np.concatenate([centres, clips[target]])
        of = np.where(np.arange(len(self._bank)) < len(centres), "source", "target")
        self._banks = members_of(of, list(wanted))

    def _score(self, features: Floats32) -> Mapping[str, Floats]:
        apart = distances(features, self._bank, self._metric)
        return {name: apart[:, rows].min(axis=1) for name, rows in self._banks.items()}

    def to_onnx(self, features: OnnxValue) -> Mapping[str, OnnxValue]:
        """Write the scorer: features (1, D) -> {reference: (1,)}."""
        self._check_fitted()
        apart = distances_to_onnx(features, self._bank, self._metric)
        return {name: mean_smallest(apart, rows, 1) for name, rows in self._banks.items()}

    def macs(self, n_train: int, dim: int) -> int:
        """Return the multiply-accumulates to score one clip: to the centres and ten target clips."""
        return min(n_train, self._k + 10) * dim

    def _centres(self, source: Floats32) -> Floats32:
        """(n_source, D) -> at most k centres (m, D)."""
        keys = [hashlib.sha256(clip.tobytes()).digest() for clip in source]
        if not keys:
            return source
        if self._seed is None:
            source = source[sorted(range(len(keys)), key=keys.__getitem__)]
        if self._metric == "cosine":
            source = unit_rows(source)
        model = cluster.KMeans(min(self._k, len(set(keys))), random_state=self._seed or 0, n_init=1)
        # On one thread, sums over clusters are made in one order.
        with get_cached_controller().limit(limits=1), warnings.catch_warnings():
            # Clips that differ only in loudness are the same for the cosine: then some centres come twice.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return np.asarray(model.fit(source).cluster_centers_, dtype=np.float32)
