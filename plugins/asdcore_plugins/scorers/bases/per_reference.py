"""The base of scorers that fit one model to each reference."""

from __future__ import annotations

import hashlib
import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import get_cached_controller

from asdcore import DataError
from asdcore_plugins.scorers.bases.references import large_enough, members_of
from asdcore_plugins.scorers.bases.scorer import ReferenceScorer
from asdcore_plugins.stats.arrays import Floats, Floats32, Indices
from asdcore_plugins.stats.features import flat, other_width
from asdcore_plugins.stats.parameters import reference_names


class Model(Protocol):
    """What was learned of the train normals of one reference."""

    def scores(self, clips: NDArray[Any]) -> Floats:
        """Return the scores (n_clips,) of clips as :meth:`PerReference._clips` gives them, each clip by itself."""
        ...


class PerReference(ReferenceScorer):
    """A scorer that estimates one model for each reference and scores clips by it.

    A subclass sets ``name``, as messages say it, and ``fewest``, the train clips that a reference needs to be kept. It
    implements :meth:`_estimate`, and says by the annotation of ``_models`` of what class its models are. The clips come
    to that method in an order that their features alone determine. So neither the order of files nor a seed that goes
    by position changes a bit of the model.

    Parameters
    ----------
    references
        The references to score against: some of "pooled", "source", "target".
    """

    fewest: int = 2

    _shape: Annotated[tuple[int, ...], "D"]
    _models: Mapping[str, Model]

    def __init__(self, references: Sequence[str]) -> None:
        self._references = self._banked = reference_names(references)

    def _fit(self, features: Floats32, domain: NDArray[np.str_]) -> None:
        clips = self._clips(features)
        order = np.array(sorted(range(len(clips)), key=lambda i: hashlib.sha256(clips[i].tobytes()).digest()), np.intp)
        members = members_of(domain[order], self._banked)
        members = large_enough(self.name, members, self.fewest, named=self._references)
        with get_cached_controller().limit(limits=1):
            models = self._estimated(clips, {name: order[places] for name, places in members.items()})
        self._models, self._shape = models, clips.shape[1:]

    def _score(self, features: Floats32) -> Mapping[str, Floats]:
        clips = self._clips(features)
        if clips.shape[1:] != self._shape:
            raise other_width(math.prod(clips.shape[1:]), math.prod(self._shape))
        return self._scored(clips)

    def _scored(self, clips: NDArray[Any]) -> dict[str, Floats]:
        """Score clips, as :meth:`_clips` gives them, by the model of each reference."""
        return {name: model.scores(clips) for name, model in self._models.items()}

    def _named(self) -> Sequence[str]:
        return self._banked

    def _estimated(self, clips: NDArray[Any], members: Mapping[str, Indices]) -> Mapping[str, Model]:
        """Learn the model of each reference from its train clips; ``members`` are their places in ``clips``."""
        return {name: self._estimate(with_spread(clips[rows])) for name, rows in members.items()}

    @abstractmethod
    def _estimate(self, clips: NDArray[Any]) -> Model:
        """Learn a model of (n_clips, ...) that are not all the same; raise DataError if they do not suffice."""

    def _clips(self, features: Floats32) -> NDArray[Any]:
        """Lay features out as the model reads them: (n_clips, D) float64, unless a scorer overrides this."""
        # The order in which numpy sums follows the memory layout; one layout, one result.
        return flat(np.array(features, dtype=np.float64, order="C"))


def with_spread(clips: NDArray[Any]) -> NDArray[Any]:
    """Return train clips (n_clips, ...), or raise DataError if they are all the same."""
    if (clips == clips[0]).all():
        raise DataError(f"all {len(clips)} train normals have the same features, so nothing shows how normal ones vary")
    return clips
