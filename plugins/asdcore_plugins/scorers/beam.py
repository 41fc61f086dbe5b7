"""Nearest neighbours band by band: every frequency band has a memory of its own.

A(x) is the mean over bands f of min_y d(x_f, y_f): each band's part of the features finds the train normal it is most
like, whatever the others find. With the cosine metric loud and quiet bands count the same. From BEAM
(arXiv:2603.13749); the maximum over bands, instead of the mean, is said to be a little better elsewhere.

With ``varmin`` = k neighbours a band's part is min_y d(x_f, y_f) - alpha_f rho_f(y): each band takes off as much of its
own local density as makes its train normals' distances vary least, as ``varmin`` does (4 in Matsumoto et al., DCASE
Workshop 2025).

Features are those of a pooling that keeps bands, ``mean`` for one: band after band, ``bands`` of them (8 for BEATs and
EAT). Leave-one-out is exact. Time: the products of one nearest-neighbour search. Memory: the bank twice; with
``varmin``, the distances of the bank to itself, up to 200 MB a band.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError, Without, hookimpl
from asdcore_plugins.scorers.bases.least_variance import LeastVariance
from asdcore_plugins.scorers.bases.references import references_left
from asdcore_plugins.stats.arrays import Floats, Floats32
from asdcore_plugins.stats.neighbours.search import NearestRows
from asdcore_plugins.stats.parameters import METRICS, REFERENCES, whole

Scores = Mapping[str, Floats]
Left = Sequence[NDArray[np.intp]] | None
Band = tuple[Callable[[Floats32], Scores], Callable[[Left], Scores]]
"""What scores clips by their part in a band, and the train clips left out."""


REDUCTIONS = ("mean", "max")


class Beam:
    """Distance to the nearest train normal in each band; in the unit of the distance.

    bands : bands in the features. reduce : "mean" or "max" over bands. varmin : neighbours of the local density that is
        taken off in each band; 0 takes none off. A reference with fewer than 2 train clips, 3 with ``varmin``, is left
        out.
    """

    def __init__(
        self,
        bands: int = 8,
        reduce: str = "mean",
        metric: str = "cosine",
        references: Sequence[str] = REFERENCES,
        varmin: int = 0,
    ) -> None:
        self._n_bands, self._varmin = whole("bands", bands), whole("varmin", varmin, least=0)
        if reduce not in REDUCTIONS:
            raise ValueError(f"reduce must be one of {', '.join(REDUCTIONS)}, got {reduce!r}")
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
        if not references or set(references) - set(REFERENCES):
            raise ValueError(f"references must be some of {', '.join(REFERENCES)}, got {references!r}")
        self._reduce, self._metric, self._references = reduce, metric, tuple(references)
        self._bands: list[Band] = []

    def fit(self, features: NDArray[np.float32], domain: NDArray[np.str_], without: Left = None) -> Beam:
        """(n_train, bands * dim) features and their domains; keeps each band's part as its memory.

        without : for each clip, the clips that its local density (of ``varmin``) must not rest on.
        """
        self._bands, fewest = [], 3 if self._varmin else 2
        members = {name: np.flatnonzero((domain == name) | (name == "pooled")) for name in self._references}
        members = {name: rows for name, rows in members.items() if len(rows) >= fewest}
        if not members:
            raise DataError(
                f"beam needs at least {fewest} train normals in one of its references {', '.join(self._references)}"
            )
        train = self._split(features)
        self._width = train.shape[2]
        if self._metric == "cosine" and self._width == 1:
            raise DataError("a band of one value has no direction: use metric = 'euclidean'")
        self._bands = [self._band(train[:, band], domain, members, without) for band in range(self._n_bands)]
        return self

    def _band(
        self, part: Floats32, domain: NDArray[np.str_], members: Mapping[str, NDArray[np.intp]], without: Left
    ) -> Band:
        if self._varmin:
            dense = LeastVariance(self._varmin, metric=self._metric, references=tuple(members))
            return dense.fit(part, domain, without).score, dense.score_left_out
        memory = NearestRows(part, self._metric, members, np.arange(len(part)))

        def left_out(without: Left) -> Scores:
            gone = None if without is None else Without(without, len(part))
            found = memory.distances_left_out(gone)
            return {name: found[name] for name in references_left(gone, members, 1, "beam")}

        return memory.distances, left_out

    def score(self, features: NDArray[np.float32]) -> Mapping[str, Floats]:
        """(n_clips, bands * dim) -> {reference: (n_clips,)}."""
        self._check_fitted()
        parts = self._split(features)
        if parts.shape[2] != self._width:
            raise DataError(
                f"features of {parts.shape[2]} values a band cannot be compared with train normals of {self._width}"
            )
        return self._reduced([score(parts[:, band]) for band, (score, _) in enumerate(self._bands)])

    def score_left_out(self, without: Left = None) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each against memories without it.

        without : for each clip, the clips that the memories lack as well. A reference with too few clips left for some
            clip is left out.
        """
        self._check_fitted()
        return self._reduced([score_left_out(without) for _, score_left_out in self._bands])

    def macs(self, n_train: int, dim: int) -> int:
        """Multiply-accumulates to score one clip: its products with the bank."""
        return n_train * dim

    def _reduced(self, found: Sequence[Scores]) -> dict[str, Floats]:
        """{reference: (n,)} of every band -> of all."""
        # Contiguous by clip, so that the order of a clip's sum does not depend on how many clips there are.
        by_clip = {name: np.ascontiguousarray(np.stack([one[name] for one in found]).T) for name in found[0]}
        return {name: one.max(axis=1) if self._reduce == "max" else one.mean(axis=1) for name, one in by_clip.items()}

    def _split(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, bands * dim) -> (n, bands, dim)."""
        if features.ndim != 2 or features.shape[1] % self._n_bands:
            raise DataError(
                f"beam reads pooled features of {self._n_bands} bands, got {features.shape[1:]} values a clip. Use a "
                "pooling that keeps bands, such as 'mean', and say with 'bands' how many the encoder has."
            )
        return np.array(features).reshape(len(features), self._n_bands, -1)

    def _check_fitted(self) -> None:
        if not self._bands:
            raise DataError("this beam has no train normals yet: call fit(features, domain) first")


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``beam``."""
    register("beam", Beam)
