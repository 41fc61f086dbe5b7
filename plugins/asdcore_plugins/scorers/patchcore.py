"""PatchCore: the patch of a clip that is least like any patch of the train normals.

A coreset M represents the patches (one time step of one band) of all train normals, so that each has a member nearby.
It is chosen greedily: the patch farthest from those already in M comes next (k-center), with distances measured after a
random projection. With p* the patch of a clip that is farthest from its nearest m* in M, A(x) = w ||p* - m*||, and
w = 1 - exp ||p* - m*|| / sum over the b nearest m of m* in M of exp ||p* - m||: a nearest patch that is rare itself
counts less. From Roth et al., "Towards Total Recall in Industrial Anomaly Detection" (CVPR 2022), eq. 5-7. The
projection is sparse (each value is added, with a random sign, to one of 128 sums), so it needs no product.

Needs the pooling ``frames``. Of more than ``candidates`` patches, every second, third, ... of each clip is a candidate.
Train normals are scored in folds. Time: candidates * coreset * 128 to fit, patches * coreset * dim for a clip. Memory:
candidates * 128 and coreset * dim numbers of 8 bytes. The log says so before anything is chosen, and more than
``memory`` is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError, OnnxValue
from asdcore_plugins.scorers.bases.references import large_enough, members_of
from asdcore_plugins.scorers.bases.scorer import ReferenceScorer
from asdcore_plugins.stats.arrays import Floats, Floats32, Indices
from asdcore_plugins.stats.features import check_frames
from asdcore_plugins.stats.learned import Stored
from asdcore_plugins.stats.neighbours.search import NearestRows
from asdcore_plugins.stats.onnx_formulas import smallest
from asdcore_plugins.stats.parameters import between, reference_names, share_of, whole

PROJECTED = 128
BLOCK = 4096
"""Candidates whose distances to a new member of the coreset are measured at once."""

OVERFLOWS = 700.0
"""exp of more than this is not finite."""

log = logging.getLogger(__name__)


class PatchCore(ReferenceScorer):
    """Weighted distance of a clip's oddest patch to the coreset, in the unit of the features.

    A reference with fewer than 2 train clips is left out.

    Parameters
    ----------
    fraction
        Share of the candidates that make the coreset, above 0 and at most 1. There are at least ``b`` members, on which
        a weight rests, or all candidates. A coreset of so few judges poorly: the log says how many there are.
    b
        Neighbours of m* that its weight rests on, at least 2; 0 leaves scores without weights.
    candidates
        The most patches to choose from.
    memory
        GB that fitting may take.
    seed
        Seed of the projection.
    references
        The references to score against: some of "pooled", "source", "target".

    Raises
    ------
    ValueError
        If ``fraction`` is not above 0 and at most 1, or another parameter is not allowed.

    References
    ----------
    K. Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022, eq. 5 to 7.

    Examples
    --------
    >>> import numpy as np
    >>> train = np.array([[0.0], [1.0]], np.float32).reshape(2, 1, 1, 1)
    >>> scorer = PatchCore(fraction=1.0, b=0).fit(train, np.full(2, "source"))
    >>> scorer.score(np.array([[0.5], [4.0]], np.float32).reshape(1, 2, 1, 1))["pooled"].tolist()
    [3.0]
    """

    name = "patchcore"

    _coresets: Annotated[Mapping[str, Floats], "+ dim"]

    def __init__(
        self,
        fraction: float = 0.01,
        b: int = 9,
        candidates: int = 50_000,
        memory: float = 2.0,
        seed: int = 0,
        references: Sequence[str] = ("pooled",),
    ) -> None:
        if not isinstance(memory, int | float) or isinstance(memory, bool) or not memory > 0:
            raise ValueError(f"memory must be a number of GB above 0, got {memory!r}")
        if whole("b", b, least=0) == 1:
            raise ValueError("b must be at least 2, or 0 for no weights, got 1: one neighbour makes every weight 0")
        self._fraction, self._b = between("fraction", fraction, 0, 1, high_included=True), b
        self._memory = float(memory)
        self._candidates, self._seed = whole("candidates", candidates), whole("seed", seed, least=0)
        self._references = reference_names(references)

    def _fit(self, features: Floats32, domain: NDArray[np.str_]) -> None:
        patches = self._patches(features)
        members = large_enough("patchcore", members_of(domain, self._references), 2)
        self._coresets = {name: self._coreset(patches[clips]) for name, clips in members.items()}
        self._remember()

    def _restore(self, stored: Stored) -> None:
        super()._restore(stored)
        self._remember()

    def _remember(self) -> None:
        """Lay the coresets out to be searched."""
        self._nearest = {
            name: NearestRows(rows, "euclidean", {name: np.arange(len(rows))}, np.arange(len(rows)))
            for name, rows in self._coresets.items()
        }

    def _score(self, features: Floats32) -> Mapping[str, Floats]:
        patches = self._patches(features)
        width = next(iter(self._coresets.values())).shape[1]
        if patches.shape[2] != width:
            raise DataError(
                f"patches of {patches.shape[2]} values cannot be compared with train normals of {width} a patch"
            )
        return {
            name: np.array([self._patch_score(clip, name) for clip in patches], dtype=np.float64)
            for name in self._coresets
        }

    def to_onnx(self, features: OnnxValue) -> Mapping[str, OnnxValue]:
        """Write the scorer: frames (1, time, band, dim) -> {reference: (1,)}."""
        self._check_fitted()
        return {name: self._patch_score_to_onnx(features, coreset) for name, coreset in self._coresets.items()}

    def macs(self, n_train: int, dim: int) -> int:
        """Return the most multiply-accumulates to score one clip: every patch with a coreset of all candidates."""
        return len(self._references) * self._size(min(self._candidates, n_train * dim)) * dim

    def _patch_score(self, patches: Floats32, name: str) -> float:
        """(n_patches, dim) of one clip -> its score."""
        coreset = self._coresets[name]
        distances = self._nearest[name].distances(patches)[name]
        oddest = patches[distances.argmax()].astype(np.float64)
        to_all = np.sqrt(np.square(coreset - oddest).sum(axis=1))
        nearest = int(to_all.argmin())
        around = np.argsort(np.square(coreset - coreset[nearest]).sum(axis=1), kind="stable")[: self._b]
        if len(around) < 2:
            return float(to_all[nearest])
        mass = np.exp(np.minimum(to_all[around] - to_all[nearest], OVERFLOWS)).sum()
        return float((1.0 - 1.0 / mass) * to_all[nearest])

    def _patch_score_to_onnx(self, features: OnnxValue, coreset: Floats) -> OnnxValue:
        """Write :meth:`_patch_score`: (1, time, band, dim) -> (1,)."""
        middle = coreset.mean(axis=0)
        patches, members = features.reshape(-1, len(middle)) - middle, features.graph.constant(coreset - middle)
        # Which patch is the oddest is told by products; how odd it is by differences, which lose nothing.
        lengths = (patches * patches).sum(1, keepdims=True) + np.square(coreset - middle).sum(axis=1)
        squares = lengths - 2.0 * (patches @ np.ascontiguousarray((coreset - middle).T))
        oddest = patches.take(squares.min(1).op("ArgMax", axis=0, keepdims=1))
        to_all = _lengths(members - oddest)
        nearest = to_all.op("ArgMin", axis=0, keepdims=1)
        least = to_all.take(nearest)
        if min(self._b, len(coreset)) < 2:
            return least
        _, around = smallest(_lengths(members - members.take(nearest)).reshape(1, -1), min(self._b, len(coreset)))
        over = (to_all.take(around.reshape(-1)) - least).op("Min", OVERFLOWS)
        return (1.0 - 1.0 / over.op("Exp").sum(0, keepdims=True)) * least

    def _coreset(self, patches: Floats32) -> Floats:
        """(n_clips, n_patches, dim) -> coreset (m, dim)."""
        stride = -(-patches.shape[0] * patches.shape[1] // self._candidates)
        rows = np.ascontiguousarray(patches[:, ::stride]).reshape(-1, patches.shape[2])
        size = self._size(len(rows))
        needed = 8e-9 * (len(rows) * (min(PROJECTED, rows.shape[1]) + 2) + size * rows.shape[1])
        log.info("patchcore chooses %d of %d patches, in %.2g GB", size, len(rows), needed)
        if needed > self._memory:
            raise DataError(
                f"patchcore needs {needed:.2g} GB to choose {size} of {len(rows)} patches, and 'memory' allows "
                f"{self._memory:g}. Lower 'candidates' or 'fraction', or raise 'memory'."
            )
        return rows[greedy(self._projected(rows), size)].astype(np.float64)

    def _size(self, candidates: int) -> int:
        """Return how many of so many candidates the coreset gets."""
        return min(candidates, max(share_of(self._fraction, candidates), self._b, 1))

    def _projected(self, rows: Floats32) -> Floats:
        """(n, dim) -> (n, 128) signed sums of groups of values; fewer values stay as they are."""
        if rows.shape[1] <= PROJECTED:
            return rows.astype(np.float64)
        rng = np.random.default_rng(self._seed)
        group = rng.permutation(np.arange(rows.shape[1]) % PROJECTED)
        order, sign = np.argsort(group, kind="stable"), rng.choice([-1.0, 1.0], rows.shape[1])
        starts = np.searchsorted(group[order], np.arange(PROJECTED))
        projected = np.empty((len(rows), PROJECTED))
        for i, row in enumerate(rows):
            projected[i] = np.add.reduceat((row * sign)[order], starts)
        return projected

    @staticmethod
    def _patches(features: Floats32) -> Floats32:
        """(n, time, band, dim) -> (n, time * band, dim)."""
        check_frames(features, "patchcore")
        return features.reshape(len(features), features.shape[1] * features.shape[2], features.shape[3])


def _lengths(rows: OnnxValue) -> OnnxValue:
    """(n, dim) -> (n,)."""
    return (rows * rows).sum(1).op("Sqrt")


def greedy(rows: Floats, size: int) -> Indices:
    """(n, d) -> indices of at most ``size`` rows: the farthest from their mean, then always the farthest from those."""
    chosen = [int(np.square(rows - rows.mean(axis=0)).sum(axis=1).argmax())]
    gap = np.full(len(rows), np.inf)
    while True:
        for start in range(0, len(rows), BLOCK):
            block = slice(start, start + BLOCK)
            gap[block] = np.minimum(gap[block], np.square(rows[block] - rows[chosen[-1]]).sum(axis=1))
        if len(chosen) == size or not gap.max() > 0:
            return np.array(chosen)
        chosen.append(int(gap.argmax()))
