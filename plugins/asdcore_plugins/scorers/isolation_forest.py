"""Isolation forest: the fewer random splits isolate a clip from the train normals, the more anomalous it is.

score(x) = 2^(-E[h(x)] / c(m)), in (0, 1]: h is the depth at which a tree of random splits isolates x, E the mean over
the trees, and c(m) the mean depth in a tree of m clips (Liu, Ting and Zhou, "Isolation forest", ICDM 2008, eqs. 1 and
2). About 0.5 for clips like most train normals. A tree knows on which side of a threshold a clip lies, not how far.
So beyond the train normals the score no longer grows, and clips far out tie.

Fitting takes trees times 256 log 256 operations, a score trees times 8 comparisons, by scikit-learn. Memory: about
40 KB for a tree. Train normals are scored in folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import ensemble

from asdcore_plugins.scorers.bases.per_reference import PerReference
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.parameters import whole


class IsolationForest(PerReference):
    """One forest for each reference; scores are in (0, 1].

    A reference of fewer than 2 train clips is left out.

    Parameters
    ----------
    trees
        Trees in the forest.
    sample
        The most train clips that each tree is grown on.
    seed
        Seed of the splits.
    references
        The references to score against: some of "pooled", "source", "target".

    Raises
    ------
    ValueError
        If ``trees`` is not positive, ``sample`` below 2, or a reference unknown.

    References
    ----------
    F. T. Liu, K. M. Ting and Z.-H. Zhou, "Isolation forest", ICDM 2008, eq. 1 and 2.

    Examples
    --------
    >>> import numpy as np
    >>> train = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    >>> scorer = IsolationForest(trees=20).fit(train, np.full(100, "source"))
    >>> centre, far = scorer.score(np.array([[0.0] * 4, [5.0] * 4], np.float32))["pooled"]
    >>> bool(centre < 0.5 < far)
    True
    """

    name = "isolation_forest"

    def __init__(
        self, trees: int = 200, sample: int = 256, seed: int = 0, references: Sequence[str] = ("pooled",)
    ) -> None:
        super().__init__(references)
        self._trees, self._sample = whole("trees", trees), whole("sample", sample, least=2)
        self._seed = whole("seed", seed, least=0)

    def macs(self, n_train: int, dim: int) -> int:
        """Return the multiply-accumulates to score one clip: none, trees compare; a sum of their depths."""
        return len(self._references) * self._trees

    def _estimate(self, clips: Floats) -> _Forest:
        sample = min(self._sample, len(clips))
        forest = ensemble.IsolationForest(n_estimators=self._trees, max_samples=sample, random_state=self._seed)
        return _Forest(forest.fit(clips))


@dataclass(frozen=True)
class _Forest:
    """A fitted forest of scikit-learn."""

    forest: Any

    def scores(self, clips: Floats) -> Floats:
        """(n, D) -> (n,). Depths are summed tree after tree, for each clip alone."""
        return -np.asarray(self.forest.score_samples(clips), np.float64) if len(clips) else np.empty(0)
