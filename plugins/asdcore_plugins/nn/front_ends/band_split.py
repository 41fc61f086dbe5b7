"""Spectrograms cut into bands that a network hears one by one, as FISHER and ECHO do, at any sample rate.

Every band of a clip is an item of the batch; bands do not see each other. Afterwards they lie side by side again, the
lowest first, so that pooling over time keeps them apart. Importing this module imports torch.
"""

from __future__ import annotations

from torch import Tensor

from asdcore_plugins.nn.front_ends.spectrograms import stft_size
from asdcore_plugins.nn.running.run import Parts

LOWEST_RATE = 100
"""Hz: below it no sample fits between two frames."""


def check_rate(sample_rate: int) -> tuple[int, int]:
    """Return the samples of a frame and from one to the next; raises ValueError for a sample rate that has none."""
    if type(sample_rate) is not int or sample_rate < LOWEST_RATE:
        raise ValueError(f"sample_rate is {sample_rate!r}; allowed are whole numbers of Hz from {LOWEST_RATE}")
    return stft_size(sample_rate)


def as_items(spectrogram: Tensor, width: int) -> Tensor:
    """(n_clips, frames, n_bands * width) -> (n_clips * n_bands, frames, width), the bands of a clip in a row."""
    n_clips, frames, _ = spectrogram.shape
    return spectrogram.reshape(n_clips, frames, -1, width).transpose(1, 2).flatten(0, 1)


def side_by_side(tokens: Tensor, n_clips: int, rows: int) -> Parts:
    """(n_clips * n_bands, 1 + time * rows, dim) -> patches (n_clips, time, n_bands * rows, dim), and class tokens.

    rows : patches above one another in a band. The class tokens are (n_clips, n_bands, dim).
    """
    items, dim = tokens.reshape(n_clips, -1, *tokens.shape[1:]), tokens.shape[2]
    patches = items[:, :, 1:].reshape(n_clips, items.shape[1], -1, rows, dim).transpose(1, 2)
    return patches.flatten(2, 3), items[:, :, 0]


def utterance(parts: Parts) -> Parts:
    """Patches and class tokens (n_clips, n_bands, dim) -> the latter as one step of time (n_clips, 1, n_bands, dim).

    Its mean over time is the class tokens of all bands one after the other, which the authors take.
    """
    _, special = parts
    if special is None:
        raise ValueError("there are no class tokens")
    return special[:, None], None
