"""The base of scorers that fit one model to each reference."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from asdcore import DataError
from asdcore_plugins.stats.parameters import REFERENCES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Model(Protocol):
    """What was learned of the train normals of one reference."""

    def scores(self, clips: NDArray[Any]) -> Floats:
        """(n_clips, ...) as :meth:`PerReference._clips` gives them -> (n_clips,), each clip by itself."""
        ...


class PerReference(ABC):
    """A scorer that estimates one model for each reference and scores clips by it.

    What a scorer adds: ``name``, as messages say it; ``fewest``, the train clips without which a reference is left out;
    and :meth:`_estimate`. The clips come to that in an order that their features alone determine, so neither the order
    of files nor a seed that goes by position changes a bit of the model.
    """

    name: str
    fewest: int = 2

    def __init__(self, references: Sequence[str]) -> None:
        if not references or set(references) - set(REFERENCES):
            raise ValueError(f"references must be some of {', '.join(REFERENCES)}, got {references!r}")
        self._references = self._banked = tuple(references)
        self._models: dict[str, Model] = {}

    def fit(self, features: NDArray[np.float32], domain: NDArray[np.str_]) -> Self:
        """(n_train, ...) features and their domains; estimates one model for each reference, on one thread."""
        import numpy as np
        from threadpoolctl import threadpool_limits

        self._models, clips = {}, self._clips(features)
        order = np.array(sorted(range(len(clips)), key=lambda i: hashlib.sha256(clips[i].tobytes()).digest()), np.intp)
        banks = {name: order[(domain[order] == name) | (name == "pooled")] for name in self._banked}
        banks = {name: rows for name, rows in banks.items() if len(rows) >= self.fewest}
        if not banks:
            raise DataError(
                f"{self.name} needs at least {self.fewest} train normals in one of its references "
                f"{', '.join(self._references)}"
            )
        with threadpool_limits(1):
            models = self._estimated(clips, banks)
        self._models, self._shape = models, clips.shape[1:]
        return self

    def score(self, features: NDArray[np.float32]) -> Mapping[str, Floats]:
        """(n_clips, ...) -> {reference: score (n_clips,)}."""
        if not self._models:
            raise DataError(f"this {self.name} has no train normals yet: call fit(features, domain) first")
        clips = self._clips(features)
        if clips.shape[1:] != self._shape:
            raise DataError(
                f"features of {math.prod(clips.shape[1:])} values a clip cannot be compared with train normals of "
                f"{math.prod(self._shape)}. Clips of different lengths need a pooling other than 'frames'."
            )
        return {name: model.scores(clips) for name, model in self._models.items()}

    def _estimated(self, clips: NDArray[Any], banks: Mapping[str, NDArray[np.intp]]) -> dict[str, Model]:
        """Learn the model of each reference: of the clips (n_clips, ...) that each of ``_banked`` is of, by itself."""
        return {name: self._estimate(with_spread(clips[rows])) for name, rows in banks.items()}

    @abstractmethod
    def _estimate(self, clips: NDArray[Any]) -> Model:
        """Learn a model of (n_clips, ...), which are not all the same; DataError where they do not suffice."""

    def _clips(self, features: NDArray[np.float32]) -> NDArray[Any]:
        """Lay features out as the model reads them: (n_clips, D) float64, unless a scorer has its own way."""
        import numpy as np

        # The order in which numpy sums follows the memory layout; one layout, one result.
        return np.array(features, dtype=np.float64, order="C").reshape(len(features), math.prod(features.shape[1:]))


def with_spread(clips: NDArray[Any]) -> NDArray[Any]:
    """Return train clips (n_clips, ...), or raise the DataError that they are all the same."""
    if (clips == clips[0]).all():
        raise DataError(f"all {len(clips)} train normals have the same features, so nothing shows how normal ones vary")
    return clips
