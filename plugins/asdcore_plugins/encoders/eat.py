"""The encoder ``eat``: the Efficient Audio Transformer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from asdcore_plugins.nn import vit
from asdcore_plugins.nn.checkpoints import weights as checkpoints
from asdcore_plugins.nn.eat import BANDS, MEAN, PATCH, STD, first_tokens, network
from asdcore_plugins.nn.front_ends.padded_fbank import padded_fbank, samples
from asdcore_plugins.nn.running.run import Parts
from asdcore_plugins.nn.running.windows import Windowed
from asdcore_plugins.nn.vit import ViT

PUBLISHED: dict[str, dict[str, float]] = {
    **{pooling: {} for pooling in ("frames", "max", "mean", "mean_all", "mean_std", "mean_std_level")},
    "gem": {"p": 3},
    "gwrp": {"r": 0.9},
    "rdp": {"gamma": 1},
    "rdp_gem": {"gamma": 1},
}
"""Parameters of every pooling of patches, beside the clean-up: arXiv 2603.04605, Tables I and III."""


class EAT(Windowed):
    """EAT, the Efficient Audio Transformer, as its authors released it.

    Front end: 16 kHz; Kaldi fbank with a Hann window, 25 ms every 10 ms, 128 bands; zeros are appended up to
    ``target_length`` frames; then (x + 4.268) / (2 * 4.569). So of a short clip the last tokens hear only padding, as
    the authors have it; at least 25 ms are needed. A longer clip than 10.25 s is heard in windows of that length; with
    ``beyond = "cut"`` it loses its end, as the authors have it.

    Tokens of 10 s: 64 x 8 patches of 16 x 16, every 160 ms, and one class token; dim 768 (base) or 1024 (large). The
    blocks normalise after they add. Layers: what enters the blocks (after ``pre_norm``), every block, and of a
    fine-tuned checkpoint ``"final"``, ``fc_norm`` of every token: the epsilon of that norm is 1e-5 in the Hub's code
    and 1e-6 in the original, and each kind of checkpoint gets its own.

    Its patches have spikes, which hide what distances between clips mean: by default every pooling of them cleans them
    up first (``clean_up``, see :mod:`asdcore.data.features.pooling`), but not ``cls``, which ASDKit takes as it is.

    Accepted are the Hub's ``model.safetensors`` and the original fairseq files, pre-trained or fine-tuned. Of a fairseq
    file the student is loaded, as the authors do, not the teacher kept beside it (``_ema``).

    Parameters
    ----------
    num_heads : int, optional
        Attention heads; by default the official number for the checkpoint's width.
    target_length : int
        Frames of 10 ms that the network hears at once.
    checkpoint, device, autocast, beyond, exact
        As in :class:`~asdcore_plugins.nn.running.windows.Windowed`.

    References
    ----------
    Chen et al., "EAT: Self-supervised pre-training with Efficient Audio Transformer", IJCAI 2024. Official code:
    https://github.com/cwx-worst-one/EAT (MIT); checkpoints: worstchan/EAT-* on the Hugging Face Hub (MIT).

    Examples
    --------
    >>> import asdcore
    >>> asdcore.load_encoder("eat", checkpoint="eat-base-pretrain").encode(clips)[12].patches.shape  # doctest: +SKIP
    (2, 64, 8, 768)
    """

    model: ViT
    name = "eat"
    sample_rate = 16000
    pooling_defaults: ClassVar = {name: {"clean_up": True, **parameters} for name, parameters in PUBLISHED.items()}

    def __init__(
        self,
        checkpoint: str | Path,
        num_heads: int | None = None,
        target_length: int = 1024,
        device: str = "cpu",
        autocast: str | None = None,
        beyond: str = "windows",
        exact: bool = False,
    ) -> None:
        content = checkpoints.read(checkpoint)
        model = network(content, where=f"Checkpoint {checkpoint}, read as EAT,", num_heads=num_heads)
        longest = model.tables["pos_embed"].shape[1] // BANDS * PATCH
        if not PATCH <= target_length <= longest:
            raise ValueError(
                f"target_length is {target_length}; this checkpoint has positions for 16 to {longest} frames"
            )
        super().__init__(model, device, autocast, exact)
        self._target_length = target_length
        self.reach(beyond, fits=samples(target_length + 1) - 1, window=samples(target_length // PATCH * PATCH))
        self.layers = (*range(len(model.blocks) + 1), *(["final"] if "fc_norm" in model.norms else []))

    def front_end(self, audio: Tensor) -> Tensor:
        """(n_clips, n_samples) -> (n_clips, target_length, 128)."""
        return padded_fbank(audio, self._target_length, mean=MEAN, std=STD)

    def tokens(self, spectrogram: Tensor, layers: Sequence[int | str]) -> dict[int | str, Parts]:
        """(n_clips, frames, 128) -> patches (n_clips, frames // 16, 8, dim), special (n_clips, 1, dim)."""
        net = self.model
        x, grid = first_tokens(net, spectrogram)
        hidden = vit.hidden_states(x, net.blocks, layers)
        if "final" in hidden:
            hidden["final"] = net.norms["fc_norm"](hidden["final"])
        return {layer: vit.split(tokens, 1, grid) for layer, tokens in hidden.items()}
