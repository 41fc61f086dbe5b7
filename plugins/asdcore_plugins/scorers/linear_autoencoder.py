"""The best linear autoencoder of stacked frames: what the baseline's network would be without its nonlinearities.

A clip is cut into windows of 5 consecutive frames, one frame apart, each a vector psi of M = 5 band dim values. The
score is the mean squared error of their reconstruction, mean_k |psi_k - r(psi_k)|^2 / M, as the challenge's baseline
has it (Harada et al., EUSIPCO 2023, with 640-128-128-128-128-8-128-128-128-128-640 units). Here r is the linear
autoencoder of the same bottleneck with the least error on the train normals, known in closed form: the projection on
their first principal components (Baldi and Hornik, "Neural networks and principal component analysis", Neural Networks
2, 1989). No training, no seed.

Reads frames (n_clips, time, band, dim); those of ``logmel`` with its defaults are the baseline's. Fitting takes time
M^2 operations a clip, a score 2 time M components. Memory: 3 M^2, M at most 4096. Train normals are scored in folds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asdcore import DataError, hookimpl
from asdcore_plugins.stats.frames import frames
from asdcore_plugins.stats.parameters import whole
from asdcore_plugins.stats.per_reference import PerReference

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Floats32 = NDArray[np.float32]

MOST = 4096
"""The largest window, in values: its covariance takes 128 MiB."""

BLOCK = 2**22
"""Values of windows that are held at once while fitting, in float64: 32 MiB."""


class LinearAutoencoder(PerReference):
    """One autoencoder for each reference; a reference of fewer than 2 train clips is left out.

    components : the bottleneck (8). stacked : consecutive frames in a window (5). references : (pooled).
    """

    name = "linear_autoencoder"

    def __init__(self, components: int = 8, stacked: int = 5, references: Sequence[str] = ("pooled",)) -> None:
        super().__init__(references)
        self._components, self._stacked = whole("components", components), whole("stacked", stacked)

    def macs(self, n_train: int, dim: int) -> int:
        """Multiply-accumulates to score one clip, at most: every window onto the bottleneck and back."""
        return len(self._references) * 2 * self._components * self._stacked * dim

    def _clips(self, features: Floats32) -> Floats32:
        return frames(features, self.name)

    def _estimate(self, clips: Floats32) -> _Autoencoder:
        import numpy as np
        from scipy.linalg import eigh

        time, width = clips.shape[1], self._stacked * clips.shape[2] * clips.shape[3]
        if time < self._stacked:
            raise DataError(f"clips of {time} frames hold no window of {self._stacked}. Set stacked to {time} at most.")
        if not self._components < width <= MOST:
            raise DataError(
                f"a window of {self._stacked} frames has {width} values; more than {self._components} components and "
                f"at most {MOST} are needed. Set components or stacked to less, or choose an encoder with fewer bands."
            )
        at_once = max(1, BLOCK // (time * width))
        # The windows of a sum of clips are the sums of their windows.
        total = windows(clips.sum(axis=0, dtype=np.float64), self._stacked)
        mean = total.sum(axis=0) / (len(total) * len(clips))
        scatter = np.zeros((width, width))
        for start in range(0, len(clips), at_once):
            some = np.concatenate([windows(clip, self._stacked) for clip in clips[start : start + at_once]]) - mean
            scatter += some.T @ some
        values, vectors = eigh(scatter, subset_by_index=[width - self._components, width - 1])
        kept = values > values[-1] * width * np.finfo(np.float64).eps
        return _Autoencoder(mean, np.ascontiguousarray(vectors.T[kept]), self._stacked)


@dataclass(frozen=True)
class _Autoencoder:
    """mean (M,), basis (components, M) of orthonormal rows, and how many frames a window stacks."""

    mean: Floats
    basis: Floats
    stacked: int

    def scores(self, clips: Floats32) -> Floats:
        """(n, time, band, dim) -> mean squared error (n,)."""
        import numpy as np

        scores = np.empty(len(clips))
        # One clip at a time, and einsum: the rounding of a clip must not depend on how many there are, nor on threads.
        for i, clip in enumerate(clips):
            centred = windows(clip, self.stacked) - self.mean
            inside = np.einsum("km,wm->wk", self.basis, centred)
            scores[i] = np.square(centred - np.einsum("km,wk->wm", self.basis, inside)).mean()
        return scores


def windows(clip: NDArray[Any], stacked: int) -> Floats:
    """(time, band, dim) -> (time - stacked + 1, stacked * band * dim) float64, frame after frame."""
    import numpy as np

    rows = clip.reshape(len(clip), -1).astype(np.float64)
    return np.hstack([rows[k : len(rows) - stacked + 1 + k] for k in range(stacked)])


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``linear_autoencoder``."""
    register("linear_autoencoder", LinearAutoencoder)
