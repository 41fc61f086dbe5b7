"""The front end of AST (Gong et al., Interspeech 2021), which EAT and AudioMAE have with constants of their own."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import pad

from asdcore_plugins.nn.front_ends.spectrograms import kaldi_fbank


def samples(frames: int) -> int:
    """Return the least number of samples at 16 kHz that have so many frames: 25 ms, every 10 ms."""
    return 400 + 160 * (frames - 1)


def padded_fbank(audio: Tensor, frames: int, *, mean: float, std: float) -> Tensor:
    """(n_clips, n_samples) at 16 kHz -> (n_clips, frames, 128): Kaldi's fbank with a Hann window, of a fixed length.

    Zeros are appended after the last frame, or frames beyond ``frames`` cut off; then (x - mean) / (2 std). The authors
    subtract the clip's mean first, which changes nothing: Kaldi subtracts that of every frame.
    """
    mel = kaldi_fbank(audio, window="hanning", n_mels=128)
    return (pad(mel, (0, 0, 0, frames - mel.shape[1])) - mean) / (2.0 * std)
