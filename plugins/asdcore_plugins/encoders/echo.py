"""The encoder ``echo``: machine signals at any sample rate, in bands that know their place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from asdcore_plugins.nn import vit
from asdcore_plugins.nn.checkpoints import weights as checkpoints
from asdcore_plugins.nn.echo import FLOOR, MEAN, STD, first_tokens, longest, network
from asdcore_plugins.nn.front_ends import band_split
from asdcore_plugins.nn.front_ends.spectrograms import log_stft, longest_spectrum
from asdcore_plugins.nn.running.run import Parts
from asdcore_plugins.nn.running.windows import Audio, Windowed
from asdcore_plugins.nn.vit import ViT


class Echo(Windowed):
    """ECHO, a model of machine signals at any sample rate, whose bands know where in the spectrum they lie.

    Front end: the clip's mean is removed; magnitudes of 25 ms every 10 ms (periodic Hann window, no padding); (ln(x +
    1e-9) + 5.874158) / (2 * 5.223174). A bin is about 40 Hz wide at every rate. Bands of 32 bins go through the network
    one by one, each with the code of its place between 0 Hz and half the sample rate: 7 at 16 kHz, 11 at 25.6 kHz, 19
    at 48 kHz. The last band is filled up with zeros below its bins, so nothing is left out.

    Tokens of 10 s at 16 kHz: 63 x 7 patches of 16 frames (160 ms) and one band, from low to high, and one class token
    for each band; dim 192 (tiny) or 384 (small). One frame (25 ms) is enough: zeros complete the last patch. A longer
    clip than the table of positions (2000 frames, 20 s) is heard in pieces of that length, as the authors do it: if
    there is a rest, the last piece is the last 20 s, and what it shares with the one before comes twice. Layers: what
    enters the blocks, every block, ``"final"``, the last one after ``norm``, and ``"utterance"``, the default: the
    class tokens of all bands after ``norm``, one step of time, averaged over pieces. The mean of "utterance" is the
    authors' utterance embedding, of n_bands * dim numbers; the patches of "final" are their segment features.

    Accepted are the authors' ``.pth`` files, ``{"encoder"}``, and the Hub's ``model.safetensors``, or its folder.

    Parameters
    ----------
    checkpoint : str or Path
        The file or folder, or the id of a registry entry.
    sample_rate : int
        Hz. Recordings at this rate are heard as they are, others resampled to it: for vibration at 25.6 kHz give 25600.
        The length of features depends on it.
    num_heads : int, optional
        Attention heads, which no file tells; by default the official number for the checkpoint's width.
    beyond : str
        "pieces" or "windows": what is done with a longer clip than the table of positions. Windows are heard as clips
        of their own, each less its own mean, spread so that none overlaps more than it must. In pieces a clip of more
        than 20 minutes is refused, at 16 kHz, since its mean is removed first.
    norm_eps : float
        The epsilon of ``norm``: 1e-5 in the Hub's example, 1e-6 in the one for the ``.pth`` file. The two move features
        by 1e-5.
    device, autocast, exact
        As in :class:`~asdcore_plugins.nn.running.run.TorchEncoder`.

    Raises
    ------
    DataError
        If the checkpoint is damaged, or none of ECHO.
    ValueError
        If a parameter is out of its range.

    References
    ----------
    Zhang et al., "ECHO: Frequency-aware hierarchical encoding for variable-length signals", arXiv 2508.14689. Official
    code: https://github.com/yucongzh/ECHO (MIT); checkpoints: Zenodo 16935787, and yucongzh/echo-small-0824 on the
    Hugging Face Hub.

    Examples
    --------
    >>> import asdcore
    >>> encoder = asdcore.load_encoder("echo", checkpoint="echo-small", sample_rate=25600)  # doctest: +SKIP
    >>> encoder.encode(clips)["utterance"].patches.shape  # doctest: +SKIP
    (2, 1, 11, 384)
    """

    model: ViT
    name = "echo"
    any_rate = True

    def __init__(
        self,
        checkpoint: str | Path,
        sample_rate: int = 16000,
        num_heads: int | None = None,
        norm_eps: float = 1e-5,
        device: str = "cpu",
        autocast: str | None = None,
        beyond: str = "pieces",
        exact: bool = False,
    ) -> None:
        n_fft, hop = band_split.check_rate(sample_rate)
        if isinstance(norm_eps, bool) or not isinstance(norm_eps, (int, float)) or not 0 < norm_eps < 1:
            raise ValueError(f"norm_eps is {norm_eps!r}; allowed are numbers above 0 and below 1")
        if beyond not in ("pieces", "windows"):
            raise ValueError(f"beyond is {beyond!r}; allowed are 'pieces' and 'windows'")
        content = checkpoints.read(checkpoint)
        where = f"Checkpoint {checkpoint}, read as ECHO,"
        super().__init__(network(content, where=where, num_heads=num_heads, norm_eps=norm_eps), device, autocast, exact)
        self.sample_rate, self._n_fft = sample_rate, n_fft
        self._in_pieces = beyond == "pieces"
        window = n_fft + (longest(self.model) - 1) * hop
        self.reach("windows", fits=window + hop - 1, window=window)
        if self._in_pieces:
            self.encode_blocks, self.longest = None, longest_spectrum(sample_rate)
        self.layers = (*range(len(self.model.blocks) + 1), "final", "utterance")

    def front_end(self, audio: Tensor) -> Tensor:
        """(n_clips, n_samples) -> (n_clips, frames, bins)."""
        return log_stft(audio, sample_rate=self.sample_rate, floor=FLOOR, mean=MEAN, std=STD)

    def prepare(self, audio: Audio) -> list[Any]:
        """(1, n_samples) float32 -> its spectrogram (1, frames, bins), in pieces if it is longer than the table."""
        if not self._in_pieces:
            return super().prepare(audio)
        return pieces(self.prepare_window(audio), longest(self.model))

    def tokens(self, spectrogram: Tensor, layers: Sequence[int | str]) -> dict[int | str, Parts]:
        """(n_clips, frames, bins) -> patches (n_clips, time, n_bands, dim), special (n_clips, n_bands, dim)."""
        net = self.model
        hidden = vit.hidden_states(first_tokens(net, spectrogram, self._n_fft), net.blocks, layers)
        normed = {layer: net.norms["norm"](x) if isinstance(layer, str) else x for layer, x in hidden.items()}
        parts = {layer: band_split.side_by_side(x, len(spectrogram), 1) for layer, x in normed.items()}
        if "utterance" in parts:
            parts["utterance"] = band_split.utterance(parts["utterance"])
        return parts


def pieces(spectrogram: Tensor, frames: int) -> list[Tensor]:
    """(1, n, bins) -> pieces of ``frames`` one after the other; of a rest, the last ``frames`` of all.

    Examples
    --------
    >>> import torch
    >>> [piece.flatten().tolist() for piece in pieces(torch.arange(5).reshape(1, 5, 1), 2)]
    [[0, 1], [2, 3], [3, 4]]
    """
    n = spectrogram.shape[1]
    if n <= frames:
        return [spectrogram]
    starts = [*range(0, n - frames + 1, frames), *([n - frames] if n % frames else [])]
    return [spectrogram[:, start : start + frames] for start in starts]
