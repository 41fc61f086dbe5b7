"""Points between train clips, and how far a clip is from them.

The distance of a clip to the point (1 - share) a + share b follows from its distances to a and b and theirs to each
other (Stewart's theorem), so a thousand such points cost a thousand sums. For the cosine metric the points are those of
the unit vectors, scaled back to unit length.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np

from asdcore import OnnxValue
from asdcore_plugins.stats.arrays import Flags, Floats, Indices
from asdcore_plugins.stats.learned import Learned


@dataclass(frozen=True)
class Points(Learned):
    """Points between two train clips each.

    Parameters
    ----------
    a, b
        (n_points,) the train clips at both ends.
    share
        (n_points,) how far along the way from a to b, 0 to 1.
    apart
        (n_points,) distance of a and b.
    """

    a: Annotated[Indices, "points", "n"]
    b: Annotated[Indices, "points", "n"]
    share: Annotated[Floats, "points"]
    apart: Annotated[Floats, "points"]

    def nearest(self, row: Floats, metric: str, k: int, lost: Flags | None = None) -> Floats:
        """Return the k smallest distances of one clip to the points, in any order.

        Parameters
        ----------
        row
            (n_train,) distances of the clip to the train clips.
        metric
            "cosine" or "euclidean".
        k
            Points to return. With fewer points than k, all of them.
        lost
            (n_points,) points that do not exist for this clip; they are infinitely far.
        """
        far = self.measured(row, metric)
        if lost is not None:
            far[lost] = np.inf
        if k < len(far):
            far = far.min(keepdims=True) if k == 1 else np.partition(far, k - 1)[:k]
        # Both are increasing, so it is enough to take them of the smallest.
        near = np.sqrt(np.maximum(far, 0.0)) if metric == "euclidean" else np.clip((1.0 + far) / 2.0, 0.0, 1.0)
        return np.where(far < np.inf, near, np.inf)

    def measured(self, row: Floats, metric: str) -> Floats:
        """Return what grows with the distance of one clip to each point (n_points,), for its distances (n_train,).

        It does not fall if one of the distances grows.
        """
        here, there, lift, length = self._parts
        real = np.square(row) if metric == "euclidean" else 1.0 - 2.0 * row
        far, of_b = np.take(real, self.a), np.take(real, self.b)
        far *= here
        of_b *= there
        far += of_b
        if metric == "euclidean":
            far -= lift
            return far
        return np.asarray(-np.divide(far, length, out=np.zeros_like(far), where=length > 0))

    def distances_to_onnx(self, row: OnnxValue, metric: str) -> OnnxValue:
        """Write the distances (1, n_points) of a clip to all points, of its distances (1, n_train) to the clips."""
        here, there, lift, length = self._parts
        real = row * row if metric == "euclidean" else 1.0 - 2.0 * row
        far: OnnxValue = real.take(self.a, axis=1) * here + real.take(self.b, axis=1) * there
        if metric == "euclidean":
            return (far - lift).op("Max", 0.0).op("Sqrt")
        # A point at the origin has no direction: its cosine is 0.
        cosine = far * np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
        return ((1.0 - cosine) / 2.0).op("Max", 0.0).op("Min", 1.0)

    def some(self, places: Indices | slice) -> Points:
        """Return some of the points."""
        return Points(self.a[places], self.b[places], self.share[places], self.apart[places])

    @cached_property
    def ends(self) -> Indices:
        """The train clips at the ends."""
        return np.union1d(self.a, self.b)

    @cached_property
    def _parts(self) -> tuple[Floats, Floats, Floats, Floats]:
        """What the clip does not change: both shares, the term that Stewart's theorem subtracts, a point's length."""
        both = self.share * (1.0 - self.share)
        length = np.sqrt(np.maximum(1.0 - 4.0 * both * self.apart, 0.0))
        return 1.0 - self.share, self.share, both * np.square(self.apart), length
