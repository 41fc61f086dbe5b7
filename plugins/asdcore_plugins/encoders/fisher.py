"""The encoder ``fisher``: machine sounds, vibration and currents at any sample rate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor
from torch.nn.functional import pad

from asdcore_plugins.nn import vit
from asdcore_plugins.nn.checkpoints import weights as checkpoints
from asdcore_plugins.nn.fisher import FLOOR, MEAN, PATCH, ROWS, STD, WIDTH, first_tokens, longest, network
from asdcore_plugins.nn.front_ends import band_split
from asdcore_plugins.nn.front_ends.spectrograms import check_length, log_stft, longest_spectrum
from asdcore_plugins.nn.running.run import Parts
from asdcore_plugins.nn.running.windows import Windowed
from asdcore_plugins.nn.vit import ViT


class Fisher(Windowed):
    """FISHER, a model of industrial signals: sound, vibration, current and voltage in one network, at any sample rate.

    Front end: the clip's mean is removed; magnitudes of 25 ms every 10 ms (periodic Hann window, no padding); (ln(x +
    1e-10) + 3.01734) / (2 * 2.15316). A bin is about 40 Hz wide at every rate. Bands of 100 bins, 4 kHz, go through the
    network one by one and know neither of each other nor which they are: 2 at 16 kHz, 3 at 25.6 kHz, 6 at 48 kHz. What
    is left at the top, less than a band, is not heard; so of a recording at 12 kHz nothing above 4 kHz is. A recording
    at less than 8 kHz has one band with zeros above.

    Tokens of 10 s at 16 kHz: 62 x 12 patches of 16 x 16 every 160 ms, 6 for each band from low to high, and one class
    token for each band; dim 192 (tiny), 256 (mini) or 384 (small). At least 16 frames (175 ms) are needed. A longer
    clip than ``target_length`` is heard in windows of that length. With ``beyond = "cut"`` it loses its end, as the
    authors' example has it, once the mean of all of it is removed; one of more than 20 minutes is then refused. Layers:
    what enters the blocks, every block, and ``"utterance"``, the default: the class tokens of all bands after the last
    block, one step of time. Its mean is the authors' embedding, of n_bands * dim numbers.

    Accepted are the authors' files, ``{"cfg", "model"}``. The fusion ``fisher`` is another thing, of R. A. Fisher.

    Parameters
    ----------
    checkpoint : str or Path
        The file, or the id of a registry entry.
    sample_rate : int
        Hz. Recordings at this rate are heard as they are, others resampled to it: for vibration at 25.6 kHz give 25600.
        The length of features depends on it.
    num_heads : int, optional
        Attention heads; by default what the checkpoint's ``cfg`` says, or else the official number for its width.
    target_length : int
        Frames of 10 ms that the network hears at once.
    padded : bool
        Whether zeros are appended to the normalized spectrogram up to ``target_length``, as the authors' benchmark RMIS
        does it. Zero is louder than silence there, and the embedding is another one. By default a clip is heard as it
        is, as their example does it.
    device, autocast, beyond, exact
        As in :class:`~asdcore_plugins.nn.running.windows.Windowed`.

    Raises
    ------
    DataError
        If the checkpoint is damaged, or none of FISHER.
    ValueError
        If a parameter is out of its range.

    References
    ----------
    Fan et al., "FISHER: A foundation model for multi-modal industrial signal comprehensive representation", arXiv
    2507.16696. Official code: https://github.com/jianganbai/FISHER (MIT); checkpoints: jiangab/FISHER-* on the Hugging
    Face Hub.

    Examples
    --------
    >>> import asdcore
    >>> encoder = asdcore.load_encoder("fisher", checkpoint="fisher-tiny", sample_rate=25600)  # doctest: +SKIP
    >>> encoder.encode(clips)["utterance"].patches.shape  # doctest: +SKIP
    (2, 1, 3, 192)
    """

    model: ViT
    name = "fisher"
    any_rate = True

    def __init__(
        self,
        checkpoint: str | Path,
        sample_rate: int = 16000,
        num_heads: int | None = None,
        target_length: int = 1024,
        padded: bool = False,
        device: str = "cpu",
        autocast: str | None = None,
        beyond: str = "windows",
        exact: bool = False,
    ) -> None:
        n_fft, hop = band_split.check_rate(sample_rate)
        content = checkpoints.read(checkpoint)
        model = network(content, where=f"Checkpoint {checkpoint}, read as FISHER,", num_heads=num_heads)
        if type(target_length) is not int or not PATCH <= target_length <= longest(model):
            raise ValueError(
                f"target_length is {target_length!r}; this checkpoint has positions for {PATCH} to {longest(model)} "
                "frames"
            )
        super().__init__(model, device, autocast, exact)
        self.sample_rate, self._hop = sample_rate, hop
        self._target_length, self._padded = target_length, padded
        self._needed = n_fft + (PATCH - 1) * hop
        self.reach(beyond, fits=n_fft + target_length * hop - 1, window=n_fft + (target_length - 1) * hop)
        if beyond == "cut":
            self.encode_blocks, self.longest = None, longest_spectrum(sample_rate)
        self.layers = (*range(len(model.blocks) + 1), "utterance")

    def kept(self, n_samples: int) -> tuple[int, int]:
        """Return the whole clip, whose mean is removed before it is cut."""
        return 0, n_samples

    def front_end(self, audio: Tensor) -> Tensor:
        """(n_clips, n_samples) -> (n_clips, frames, bins), at least 100 bins."""
        check_length(audio.shape[1], self._needed, self.sample_rate)
        spectrogram = log_stft(audio, sample_rate=self.sample_rate, floor=FLOOR, mean=MEAN, std=STD)
        spectrogram = spectrogram[:, : self._target_length]
        frames = self._target_length - spectrogram.shape[1] if self._padded else 0
        return pad(spectrogram, (0, max(0, WIDTH - spectrogram.shape[2]), 0, frames))

    def tokens(self, spectrogram: Tensor, layers: Sequence[int | str]) -> dict[int | str, Parts]:
        """(n_clips, frames, bins) -> patches (n_clips, frames // 16, 6 n_bands, dim), special (..., n_bands, dim)."""
        hidden = vit.hidden_states(first_tokens(self.model, spectrogram), self.model.blocks, layers)
        parts = {layer: band_split.side_by_side(x, len(spectrogram), ROWS) for layer, x in hidden.items()}
        if "utterance" in parts:
            parts["utterance"] = band_split.utterance(parts["utterance"])
        return parts
