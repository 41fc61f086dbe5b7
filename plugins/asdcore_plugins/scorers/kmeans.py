"""Distance to the centres of the source clips' clusters, and to the target clips themselves.

Many source clips are summed up by ``k`` centres (k-means), the few target clips are all kept: "source" is the distance
to the nearest centre, "target" that to the nearest target clip, "pooled" the smaller one. For the cosine metric
k-means clusters unit vectors, and centres are brought back to unit length. From Wilkinghoff, "Design choices for
learning embeddings from auxiliary tasks for domain generalization in anomalous sound detection" (ICASSP 2023), with
k = 16.

Clusters are scikit-learn's: starts by k-means++ (Arthur and Vassilvitskii, SODA 2007), drawn once, then Lloyd's
iterations. Without a ``seed`` the draws are from clips in an order that their features alone determine. With one they
are those of ``sklearn.cluster.KMeans(k, random_state=seed)`` from clips in the order of ``fit``: the framework hands
train clips over in the order of their names, so scores equal those of published code that sorts its files.

Train normals are scored in folds: clusters without one clip have no closed form. Time and memory: n_source k D for an
iteration, and (k + n_target) D a clip.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn import cluster
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from asdcore import DataError, distances, hookimpl
from asdcore_plugins.stats.arrays import Floats, Floats32
from asdcore_plugins.stats.parameters import METRICS, REFERENCES, whole

FEWEST = 2
"""Train clips of a reference without which it is left out."""


class KMeans:
    """Distance to the nearest of the source centres and target clips, in its unit.

    k : centres; of fewer different source clips, as many as those. metric : "cosine", half of one minus the cosine
        similarity, or "euclidean". seed : of the starts; None makes them independent of the order of clips.
    """

    def __init__(
        self, k: int = 16, metric: str = "cosine", references: Sequence[str] = REFERENCES, seed: int | None = None
    ) -> None:
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
        if not references or set(references) - set(REFERENCES):
            raise ValueError(f"references must be some of {', '.join(REFERENCES)}, got {references!r}")
        self._k, self._seed = whole("k", k), None if seed is None else whole("seed", seed, least=0)
        self._metric, self._references = metric, tuple(references)
        self._banks: dict[str, slice] = {}

    def fit(self, features: Floats32, domain: NDArray[np.str_]) -> KMeans:
        """(n_train, ...) features and their domains; keeps the source clips' centres and the target clips."""
        self._banks = {}
        clips = np.array(features, dtype=np.float32, order="C").reshape(len(features), math.prod(features.shape[1:]))
        target = domain == "target"
        count = {"pooled": len(clips), "source": int((~target).sum()), "target": int(target.sum())}
        wanted = [name for name in self._references if count[name] >= FEWEST]
        if not wanted:
            raise DataError(
                f"kmeans needs at least {FEWEST} train normals in one of its references {', '.join(self._references)}"
            )
        centres = self._centres(clips[~target])
        self._bank = np.concatenate([centres, clips[target]])
        parts = {"pooled": slice(None), "source": slice(len(centres)), "target": slice(len(centres), None)}
        self._banks = {name: parts[name] for name in wanted}
        return self

    def score(self, features: Floats32) -> Mapping[str, Floats]:
        """(n_clips, ...) -> {reference: distance to the nearest (n_clips,)}."""
        if not self._banks:
            raise DataError("this kmeans has no train normals yet: call fit(features, domain) first")
        apart = distances(features, self._bank, self._metric)
        return {name: apart[:, part].min(axis=1) for name, part in self._banks.items()}

    def macs(self, n_train: int, dim: int) -> int:
        """Multiply-accumulates to score one clip: to the centres and, as first-shot data has them, ten target clips."""
        return min(n_train, self._k + 10) * dim

    def _centres(self, source: Floats32) -> Floats32:
        """(n_source, D) -> at most k centres (m, D)."""
        keys = [hashlib.sha256(clip.tobytes()).digest() for clip in source]
        if not keys:
            return source
        if self._seed is None:
            source = source[sorted(range(len(keys)), key=keys.__getitem__)]
        if self._metric == "cosine":
            source = source / np.maximum(np.linalg.norm(source, axis=1, keepdims=True), np.float32(1e-12))
        model = cluster.KMeans(min(self._k, len(set(keys))), random_state=self._seed or 0, n_init=1)
        # On one thread, sums over clusters are made in one order.
        with threadpool_limits(1), warnings.catch_warnings():
            # Clips that differ in nothing but loudness are one for the cosine: some centres then come twice.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return np.asarray(model.fit(source).cluster_centers_, dtype=np.float32)


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``kmeans``."""
    register("kmeans", KMeans)
