"""Nearest neighbours band by band: every frequency band has a memory of its own.

A(x) is the mean over bands f of min_y d(x_f, y_f): each band's part of the features finds the train normal it is most
like, whatever the others find. With the cosine metric loud and quiet bands count the same. From BEAM
(arXiv:2603.13749); the maximum over bands, instead of the mean, is said to be a little better elsewhere.

Features are those of a pooling that keeps bands, ``mean`` for one: band after band, ``bands`` of them (8 for BEATs and
EAT). Leave-one-out is exact. Time: the products of one nearest-neighbour search. Memory: the bank, and the distances of
64 clips to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from asdcore import DataError, hookimpl
from asdcore_plugins.stats.banks import METRICS, REFERENCES, whole
from asdcore_plugins.stats.nearest import NearestRow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

REDUCTIONS = ("mean", "max")


class Beam:
    """Distance to the nearest train normal in each band; a reference with fewer than 2 train clips is left out.

    bands : bands in the features. reduce : "mean" or "max" over bands.
    """

    def __init__(
        self, bands: int = 8, reduce: str = "mean", metric: str = "cosine", references: Sequence[str] = REFERENCES
    ) -> None:
        self._n_bands = whole("bands", bands)
        if reduce not in REDUCTIONS:
            raise ValueError(f"reduce must be one of {', '.join(REDUCTIONS)}, got {reduce!r}")
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
        if not references or set(references) - set(REFERENCES):
            raise ValueError(f"references must be some of {', '.join(REFERENCES)}, got {references!r}")
        self._reduce, self._metric, self._references = reduce, metric, tuple(references)
        self._memories: list[NearestRow] = []

    def fit(self, features: NDArray[np.float32], domain: NDArray[np.str_]) -> Beam:
        """(n_train, bands * dim) features and their domains; keeps each band's part as its memory."""
        import numpy as np

        self._memories = []
        members = {name: np.flatnonzero((domain == name) | (name == "pooled")) for name in self._references}
        members = {name: rows for name, rows in members.items() if len(rows) > 1}
        if not members:
            raise DataError(
                f"beam needs at least 2 train normals in one of its references {', '.join(self._references)}"
            )
        self._train, self._owner = self._split(features), np.arange(len(features))
        if self._metric == "cosine" and self._train.shape[2] == 1:
            raise DataError("a band of one value has no direction: use metric = 'euclidean'")
        self._memories = [
            NearestRow(self._train[:, band], self._metric, members, self._owner) for band in range(self._n_bands)
        ]
        return self

    def score(self, features: NDArray[np.float32]) -> Mapping[str, Floats]:
        """(n_clips, bands * dim) -> {reference: (n_clips,)}."""
        self._check_fitted()
        parts = self._split(features)
        if parts.shape[2] != self._train.shape[2]:
            raise DataError(
                f"features of {parts.shape[2]} values a band cannot be compared with train normals of "
                f"{self._train.shape[2]}"
            )
        return self._reduced(parts, None)

    def score_left_out(self) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each against memories without it."""
        self._check_fitted()
        return self._reduced(self._train, self._owner)

    def macs(self, n_train: int, dim: int) -> int:
        """Multiply-accumulates to score one clip: its products with the bank."""
        return n_train * dim

    def _reduced(self, parts: NDArray[np.float32], owner: Indices | None) -> dict[str, Floats]:
        import numpy as np

        found = [memory.distances(parts[:, band], owner) for band, memory in enumerate(self._memories)]
        # Contiguous by clip, so that the order of a clip's sum does not depend on how many clips there are.
        by_clip = {name: np.ascontiguousarray(np.stack([one[name] for one in found]).T) for name in found[0]}
        return {name: one.max(axis=1) if self._reduce == "max" else one.mean(axis=1) for name, one in by_clip.items()}

    def _split(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, bands * dim) -> (n, bands, dim)."""
        import numpy as np

        if features.ndim != 2 or features.shape[1] % self._n_bands:
            raise DataError(
                f"beam reads pooled features of {self._n_bands} bands, got {features.shape[1:]} values a clip. Use a "
                "pooling that keeps bands, such as 'mean', and say with 'bands' how many the encoder has."
            )
        return np.array(features).reshape(len(features), self._n_bands, -1)

    def _check_fitted(self) -> None:
        if not self._memories:
            raise DataError("this beam has no train normals yet: call fit(features, domain) first")


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``beam``."""
    register("beam", Beam)
