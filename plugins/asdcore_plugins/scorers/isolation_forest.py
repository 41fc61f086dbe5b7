"""Isolation forest: the fewer random splits isolate a clip from the train normals, the more anomalous it is.

score(x) = 2^(-E[h(x)] / c(m)), in (0, 1]: h is the depth at which a tree of random splits isolates x, E the mean over
the trees, and c(m) the mean depth in a tree of m clips (Liu, Ting and Zhou, "Isolation forest", ICDM 2008, eqs. 1 and
2). About 0.5 for clips like most train normals. A tree knows on which side of a threshold a clip lies, not how far.
So beyond the train normals the score no longer grows, and clips far out tie.

Fitting takes trees times 256 log 256 operations by scikit-learn, a score trees times 8 comparisons. Memory: up to 14 KB
for a tree. Train normals are scored in folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from sklearn import ensemble

from asdcore import OnnxValue
from asdcore_plugins.scorers.bases.written_per_reference import WrittenPerReference
from asdcore_plugins.stats.arrays import Floats, Indices
from asdcore_plugins.stats.learned import LEARNED, Learned, Number, Stored
from asdcore_plugins.stats.parameters import whole

Places = NDArray[np.int32]

TOGETHER = 256
"""Clips that go down the trees together."""

LARGE = 20
"""Features are grown with their largest value between 2**19 and 2**20. scikit-learn takes a feature for constant that
varies by 1e-7 or less, so forests of small features had no split, and all clips one score. Powers of two move no
split."""


class IsolationForest(WrittenPerReference):
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

    _models: Annotated[Mapping[str, _Forest], LEARNED]

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
        shift = LARGE - np.frexp(np.abs(clips).max(axis=0))[1]
        return _planted(forest.fit(np.ldexp(clips, shift)), sample, shift)


@dataclass(frozen=True)
class _Forest(Learned):
    """The nodes of all trees, one tree after the other; from a leaf both ways lead back to it.

    Parameters
    ----------
    feature, threshold
        (nodes,) the feature that a node looks at, and the largest value that goes to the left.
    left, right
        (nodes,) where the ways lead. They lead on, or stay.
    depth
        (nodes,) how deep a clip lies that ends there: splits above, and the mean depth of the train clips left there.
    roots
        (trees,) where each tree begins.
    usual
        Sum over the trees of the mean depth of their train clips.
    """

    feature: Annotated[Places, "nodes", "D"]
    threshold: Annotated[Floats, "nodes"]
    left: Annotated[Places, "nodes", "nodes"]
    right: Annotated[Places, "nodes", "nodes"]
    depth: Annotated[Floats, "nodes"]
    roots: Annotated[Indices, "+", "nodes"]
    usual: Number

    def scores(self, clips: Floats) -> Floats:
        """(n, D) -> (n,). Depths are summed tree after tree, for each clip alone."""
        scores = np.empty(len(clips))
        for start in range(0, len(clips), TOGETHER):
            # Trees compare in single precision, as they were grown.
            block = clips[start : start + TOGETHER].astype(np.float32)
            depths = np.cumsum(self.depth[self._leaves(block)], axis=1)[:, -1]
            scores[start : start + TOGETHER] = 2 ** -(depths / self.usual)
        return scores

    def _leaves(self, clips: NDArray[np.float32]) -> Indices:
        """(n, D) -> the leaf of each clip in each tree (n, trees)."""
        row, node = np.arange(len(clips))[:, None], np.tile(self.roots, (len(clips), 1))
        while True:
            goes_left = clips[row, self.feature[node]] <= self.threshold[node]
            below = np.where(goes_left, self.left[node], self.right[node])
            if (below == node).all():
                return node
            node = below

    def to_onnx(self, features: OnnxValue) -> OnnxValue:
        """Write :meth:`scores`: (1, D) -> (1,). All trees are walked at once, one step for each level."""
        clip, graph = features.reshape(-1).astype(np.float32).astype(np.float64), features.graph
        feature, left, right = (graph.constant(part, np.int64) for part in (self.feature, self.left, self.right))
        node = graph.constant(self.roots, np.int64)
        for _ in range(self._levels()):
            goes_left = clip.take(feature.take(node)) <= graph.constant(self.threshold).take(node)
            node = goes_left.op("Where", left.take(node), right.take(node))
        depths = graph.constant(self.depth).take(node).sum(0, keepdims=True)
        return (depths * (-float(np.log(2.0)) / self.usual)).op("Exp")

    def _levels(self) -> int:
        """Return the most steps from a root to a leaf."""
        levels, level = 0, self.roots
        while (level := level[self.left[level] != level]).size:
            level, levels = np.concatenate([self.left[level], self.right[level]]), levels + 1
        return levels

    @classmethod
    def from_state(cls, stored: Stored) -> _Forest:
        """Return the forest of a state, or raise DataError if a way in it has no end."""
        forest = super().from_state(stored)
        here = np.arange(len(forest.depth))
        ends = (forest.left == here) & (forest.right == here)
        if not (ends | ((forest.left > here) & (forest.right > here))).all():
            raise stored.refused("left or right", "a way back", "a way on, or both to a leaf itself,")
        return forest


def _planted(forest: Any, sample: int, shift: Places) -> _Forest:
    """Take the trees out of a fitted forest of scikit-learn, each grown on ``sample`` clips, of 2**shift times (D,)."""
    trees, roots = [each.tree_ for each in forest.estimators_], [0]
    parts = []
    for tree in trees:
        leaf, here = tree.children_left < 0, np.arange(tree.node_count)
        left, right = (
            (roots[-1] + np.where(leaf, here, children)).astype(np.int32)
            for children in (tree.children_left, tree.children_right)
        )
        depth = _depths(tree) + _mean_depth(tree.n_node_samples) - 1.0
        feature = np.where(leaf, 0, tree.feature).astype(np.int32)
        threshold = np.where(leaf, tree.threshold, np.ldexp(tree.threshold, -shift[feature]))
        parts.append((feature, threshold, left, right, depth))
        roots.append(roots[-1] + tree.node_count)
    usual = float(len(trees) * _mean_depth(np.array([sample]))[0])
    feature, threshold, left, right, depth = (np.concatenate(part) for part in zip(*parts, strict=True))
    return _Forest(feature, threshold, left, right, depth, np.array(roots[:-1]), usual)


def _depths(tree: Any) -> Indices:
    """Return how many nodes lie on the way to each node (nodes,) of a tree, itself included; parents come first."""
    depths = np.ones(tree.node_count, np.intp)
    for node in np.flatnonzero(tree.children_left >= 0):
        depths[[tree.children_left[node], tree.children_right[node]]] = depths[node] + 1
    return depths


def _mean_depth(clips: Indices) -> Floats:
    """Return c(m), the mean depth of m clips (n,) in a tree of them: eq. 1."""
    many = np.maximum(clips, 3)
    mean = 2.0 * (np.log(many - 1.0) + np.euler_gamma) - 2.0 * (many - 1.0) / many
    return np.asarray(np.where(clips > 2, mean, np.where(clips == 2, 1.0, 0.0)))
