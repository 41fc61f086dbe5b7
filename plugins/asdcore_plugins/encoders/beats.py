"""The encoder ``beats``: BEATs of Microsoft, and OpenBEATs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from asdcore_plugins.nn import vit
from asdcore_plugins.nn.beats import Beats
from asdcore_plugins.nn.beats_checkpoint import BANDS, HOP, WINDOW, is_open, network, opened
from asdcore_plugins.nn.front_ends.spectrograms import check_length, kaldi_fbank
from asdcore_plugins.nn.running.memory import seconds_that_fit
from asdcore_plugins.nn.running.run import Parts
from asdcore_plugins.nn.running.windows import Windowed

RATE = 16000
"""Hz."""

OPEN_LEAST = 3200
"""Samples below which OpenBEATs repeats a clip."""


class BEATs(Windowed):
    """BEATs, pre-trained on AudioSet with the acoustic tokenizer that the model before it taught; and OpenBEATs.

    Front end: 16 kHz; the waveform times 2 ** 15; Kaldi fbank (Povey window, 25 ms every 10 ms, 128 bands); then (x -
    15.41663) / (2 * 6.55582), or what an OpenBEATs checkpoint says.

    Tokens of 10 s: 62 x 8 patches of 16 x 16, every 160 ms, no class token; dim 768 (OpenBEATs large: 1024). A clip is
    taken whole, from 16 frames (175 ms) up to 144 s in the base model, or in windows. An end that fills no patch is
    left out. Layers: what enters the blocks (after the positional convolution and its norm), and every block; nothing
    follows the last one. The classifier of a fine-tuned checkpoint is left out.

    OpenBEATs is the same network with other weights. A clip of less than 3200 samples (200 ms) is repeated there, as
    its authors do it, so that any length will do. Of ESPnet's fine-tuned models the file of weights is taken, whose
    tensors tell the sizes; or a folder with that file and the ``config.yaml`` of the base model, which also tells how
    fbanks are normalized.

    Parameters
    ----------
    checkpoint : str or Path
        An official file, ``{"cfg", "model"}``, in which all sizes are; a file or folder of ESPnet; or the id of a
        registry entry.
    window_seconds : float, optional
        A longer clip is heard in windows of this length. By default every clip is heard as a whole, and one that would
        take more than 0.4 GB refused: of more than 144 s in the base model.
    device, autocast, exact
        As in :class:`~asdcore_plugins.nn.running.run.TorchEncoder`.

    References
    ----------
    Chen et al., "BEATs: Audio pre-training with acoustic tokenizers", ICML 2023. Official code and checkpoints:
    https://github.com/microsoft/unilm/tree/master/beats (MIT).

    Bharadwaj et al., "OpenBEATs: A fully open-source general-purpose audio encoder", WASPAA 2025, arXiv 2507.14129.

    Examples
    --------
    >>> import asdcore
    >>> encoder = asdcore.load_encoder("beats", checkpoint="beats-iter3-plus-as2m")  # doctest: +SKIP
    >>> encoder.encode(clips)[12].patches.shape  # doctest: +SKIP
    (2, 62, 8, 768)
    """

    model: Beats
    name = "beats"
    sample_rate = RATE
    # arXiv 2603.04605, Table III.
    pooling_defaults: ClassVar = {"gem": {"p": 10}, "gwrp": {"r": 0.4}, "rdp": {"gamma": 16}, "rdp_gem": {"gamma": 16}}

    def __init__(
        self,
        checkpoint: str | Path,
        device: str = "cpu",
        autocast: str | None = None,
        window_seconds: float | None = None,
        exact: bool = False,
    ) -> None:
        content = opened(checkpoint)
        model = network(content, where=f"Checkpoint {checkpoint}, read as BEATs,", exact=exact)
        super().__init__(model, device, autocast, exact)
        self.take_whole(window_seconds, seconds_that_fit(self.device, 4.0 * self.model.numbers(RATE / HOP, BANDS)))
        self._repeated_below = OPEN_LEAST if is_open(content) else 0
        self.layers = tuple(range(len(self.model.blocks) + 1))

    def front_end(self, audio: Tensor) -> Tensor:
        """(n_clips, n_samples) -> (n_clips, frames, 128)."""
        if (n_samples := audio.shape[1]) < self._repeated_below:
            audio = audio.repeat(1, self._repeated_below // n_samples + 1)
        patch = self.model.patch_embed.proj.kernel_size[0]
        check_length(audio.shape[1], WINDOW + (patch - 1) * HOP, self.sample_rate)
        return self.model.normalized(kaldi_fbank(audio * 2.0**15, n_mels=BANDS))

    def tokens(self, spectrogram: Tensor, layers: Sequence[int | str]) -> dict[int | str, Parts]:
        """(n_clips, frames, 128) -> patches (n_clips, frames // 16, 8, dim)."""
        x, grid = self.model.tokens(spectrogram)
        hidden = vit.hidden_states(x, self.model.blocks, layers, self.model.position_bias(x.shape[1]))
        return {layer: vit.split(tokens, 0, grid) for layer, tokens in hidden.items()}
