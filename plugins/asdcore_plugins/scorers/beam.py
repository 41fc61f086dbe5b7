"""Nearest neighbours band by band: every frequency band has a memory of its own.

A(x) is the mean over bands f of min_y d(x_f, y_f): each band's part of the features has a nearest train normal of its
own. With the cosine metric loud and quiet bands count the same. From BEAM (arXiv:2603.13749); other work reports the
maximum over bands as a little better than the mean.

With ``varmin`` = k neighbours a band's part is min_y d(x_f, y_f) - alpha_f rho_f(y): each band subtracts as much of its
own local density as makes its train normals' distances vary least, as ``varmin`` does (4 in Matsumoto et al., DCASE
Workshop 2025).

Features are those of a pooling that keeps bands, such as ``mean``: band after band, ``bands`` of them (8 for BEATs and
EAT). Leave-one-out is exact. Time: the products of one nearest-neighbour search. Memory: the bank twice; with
``varmin``, the distances of the bank to itself, up to 200 MB for a band.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from asdcore import REFERENCES, DataError, OnnxValue, Without
from asdcore_plugins.scorers.bases.least_variance import LeastVariance
from asdcore_plugins.scorers.bases.references import large_enough, members_of, references_left
from asdcore_plugins.scorers.bases.scorer import DependentScorer
from asdcore_plugins.stats.arrays import Floats, Floats32, Indices
from asdcore_plugins.stats.learned import Count, State, Stored, read_only
from asdcore_plugins.stats.neighbours.search import NearestRows
from asdcore_plugins.stats.parameters import choice, metric_name, reference_names, whole

Scores = Mapping[str, Floats]

REDUCTIONS = ("mean", "max")


class Beam(DependentScorer):
    """Distance to the nearest train normal in each band; in the unit of the distance.

    A reference with fewer than 2 train clips, 3 with ``varmin``, is left out.

    Parameters
    ----------
    bands
        Bands in the features.
    reduce
        "mean" or "max" over bands.
    metric, references
        "cosine" or "euclidean"; and some of "pooled", "source", "target" to score against.
    varmin
        Neighbours of the local density that each band subtracts; 0 subtracts nothing.

    Raises
    ------
    ValueError
        If ``bands`` is not a positive whole number, or another parameter is not allowed.

    References
    ----------
    BEAM, arXiv:2603.13749. Matsumoto et al., DCASE Workshop 2025, for ``varmin``.

    Examples
    --------
    Each band may be near another train normal; here the first is near both and the second far from both:

    >>> import numpy as np
    >>> train = np.array([[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]], np.float32)
    >>> scorer = Beam(bands=2, metric="euclidean").fit(train, np.full(2, "source"))
    >>> scorer.score(np.array([[0.0, 0.0, 4.0, 5.0]], np.float32))["pooled"].tolist()
    [2.5]
    """

    name = "beam"

    _n: Count
    _width: Count
    _members: Annotated[Mapping[str, Indices], "+", "n"]

    def __init__(
        self,
        bands: int = 8,
        reduce: str = "mean",
        metric: str = "cosine",
        references: Sequence[str] = REFERENCES,
        varmin: int = 0,
    ) -> None:
        self._n_bands, self._varmin = whole("bands", bands), whole("varmin", varmin, least=0)
        self._reduce = choice("reduce", reduce, REDUCTIONS)
        self._metric, self._references = metric_name(metric), reference_names(references)

    def _fit_without(self, features: Floats32, domain: NDArray[np.str_], without: Sequence[Indices] | None) -> None:
        self._members = large_enough("beam", members_of(domain, self._references), 3 if self._varmin else 2)
        train = self._split(features)
        self._n, _, self._width = train.shape
        if self._metric == "cosine" and self._width == 1:
            raise DataError("a band of one value has no direction: use metric = 'euclidean'")
        if self._varmin:
            self._bands = [self._dense().fit(train[:, band], domain, without) for band in range(self._n_bands)]
        else:
            self._remember(train)

    def _dense(self) -> LeastVariance:
        """Return what scores one band less its local density."""
        return LeastVariance(self._varmin, metric=self._metric, references=tuple(self._members))

    def _remember(self, train: Floats32) -> None:
        """Lay each band of the train normals (n_train, bands, dim) out to be searched."""
        owner = np.arange(len(train))
        bands = np.moveaxis(train, 1, 0)
        self._memories = [NearestRows(band, self._metric, self._members, owner) for band in bands]

    def _state(self) -> State:
        if self._varmin:
            return {**super()._state(), "bands": {str(i): band.state() for i, band in enumerate(self._bands)}}
        return {**super()._state(), "train": read_only(np.stack([memory.rows for memory in self._memories], axis=1))}

    def _restore(self, stored: Stored) -> None:
        super()._restore(stored)
        if self._varmin:
            parts = stored.part("bands")
            self._bands = [self._dense().restore_part(parts.part(str(i))) for i in range(self._n_bands)]
            parts.done()
        else:
            self._remember(stored.read("train", Floats32, f"n {self._n_bands} width"))

    def _score(self, features: Floats32) -> Scores:
        parts = self._split(features)
        if parts.shape[2] != self._width:
            raise DataError(
                f"features of {parts.shape[2]} values a band cannot be compared with train normals of {self._width}"
            )
        by_band = np.moveaxis(parts, 1, 0)
        if self._varmin:
            return self._reduced([dense.score(part) for dense, part in zip(self._bands, by_band, strict=True)])
        return self._reduced([memory.distances(part) for memory, part in zip(self._memories, by_band, strict=True)])

    def _score_left_out(self, without: Sequence[Indices] | None) -> Scores:
        if self._varmin:
            return self._reduced([dense.score_left_out(without) for dense in self._bands])
        gone = None if without is None else Without(without, self._n)
        kept = references_left(gone, self._members, 1, "beam")
        by_band = [memory.distances_left_out(gone) for memory in self._memories]
        return self._reduced([{name: scores[name] for name in kept} for scores in by_band])

    def to_onnx(self, features: OnnxValue) -> Mapping[str, OnnxValue]:
        """Write the scorer: features (1, bands * dim) -> {reference: (1,)}."""
        self._check_fitted()
        parts = features.reshape(self._n_bands, self._width)
        if self._varmin:
            by_band = [dense.features_to_onnx(parts.take([band])) for band, dense in enumerate(self._bands)]
        else:
            by_band = [memory.distances_to_onnx(parts.take([band])) for band, memory in enumerate(self._memories)]
        joined = {name: np.stack([band[name] for band in by_band]) for name in _of_all(by_band)}
        return {name: bands.max(0) if self._reduce == "max" else bands.mean(0) for name, bands in joined.items()}

    def macs(self, n_train: int, dim: int) -> int:
        """Return the multiply-accumulates to score one clip: its products with the bank."""
        return n_train * dim

    def _reduced(self, by_band: Sequence[Scores]) -> dict[str, Floats]:
        """{reference: scores (n,)} of every band -> one of all, for the references that all bands have."""
        # Contiguous by clip, so that the order of a clip's sum does not depend on how many clips there are.
        by_clip = {
            name: np.ascontiguousarray(np.stack([band[name] for band in by_band]).T) for name in _of_all(by_band)
        }
        over_bands = np.max if self._reduce == "max" else np.mean
        return {name: np.asarray(over_bands(bands, axis=1)) for name, bands in by_clip.items()}

    def _split(self, features: Floats32) -> Floats32:
        """(n, bands * dim) -> (n, bands, dim)."""
        if features.ndim != 2 or features.shape[1] % self._n_bands:
            raise DataError(
                f"beam reads pooled features of {self._n_bands} bands, got {features.shape[1:]} values a clip. Use a "
                "pooling that keeps bands, such as 'mean', and say with 'bands' how many the encoder has."
            )
        return np.array(features).reshape(len(features), self._n_bands, -1)


def _of_all(by_band: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the references that all bands have."""
    return [name for name in by_band[0] if all(name in band for band in by_band)]
