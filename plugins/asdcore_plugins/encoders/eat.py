"""The encoder ``eat``: the Efficient Audio Transformer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from asdcore import DataError
from asdcore_plugins.nn import checkpoint as checkpoints
from asdcore_plugins.nn import vit
from asdcore_plugins.nn.padded_fbank import padded_fbank, samples
from asdcore_plugins.nn.run import Parts
from asdcore_plugins.nn.vit import ViT
from asdcore_plugins.nn.windows import Windowed

HEADS = {768: 12, 1024: 16}
"""Attention heads of the official models, base and large, by width."""

MEAN, STD = -4.268, 4.569
PATCH, BANDS = 16, 8
"""Side of a patch in frames and mel bands; patches above one another."""

_STUDENT = (
    (r"^patch_embed\.", "modality_encoders.IMAGE.local_encoder."),
    (r"^tables\.cls_token", "modality_encoders.IMAGE.extra_tokens"),
    (r"^tables\.pos_embed", "modality_encoders.IMAGE.fixed_positional_encoder.positions"),
    (r"^norms\.pre_norm\.", "modality_encoders.IMAGE.context_encoder.norm."),
    (r"^norms\.", ""),
)
_HUB = (
    (r"^patch_embed\.", "local_encoder."),
    (r"^tables\.cls_token", "extra_tokens"),
    (r"^tables\.pos_embed", "fixed_positional_encoder.positions"),
    (r"^norms\.", ""),
    (r"^", "model."),
)
FORMS: tuple[tuple[float, tuple[tuple[str, str], ...]], ...] = (
    (1e-5, _HUB),
    (1e-6, _STUDENT),
    (1e-6, (*_STUDENT, (r"^(?!fc_norm\.)", "model."))),
)
"""Epsilon of ``fc_norm``, and how the network's names become the file's: the Hub's, fairseq's, fairseq's fine-tuned."""

NOT_ENCODER = ("modality_encoders.IMAGE.decoder.", "_ema", "model.head.", "head.")
"""What checkpoints hold besides: the decoder of pre-training, the teacher, the classifier."""


PUBLISHED: dict[str, dict[str, float]] = {
    **{pooling: {} for pooling in ("frames", "max", "mean", "mean_all", "mean_std")},
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
    up first (``clean_up``, see :mod:`asdcore.data.pooling`), but not ``cls``, which ASDKit takes as it is.

    Accepted are the Hub's ``model.safetensors`` and the original fairseq files, pre-trained or fine-tuned. Of a fairseq
    file the student is loaded, as the authors do, not the teacher kept beside it (``_ema``).

    Parameters
    ----------
    num_heads : int, optional
        Attention heads; by default the official number for the checkpoint's width.
    target_length : int
        Frames of 10 ms that the network hears at once.
    checkpoint, device, autocast, beyond, exact
        As in :class:`~asdcore_plugins.nn.windows.Windowed`.

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
        grid = net.patch_embed(spectrogram)
        patches = grid.flatten(1, 2)
        patches = patches + net.tables["pos_embed"][:, : patches.shape[1]]
        x = net.norms["pre_norm"](vit.prepended(net.tables["cls_token"], patches))
        hidden = vit.hidden_states(x, net.blocks, layers)
        if "final" in hidden:
            hidden["final"] = net.norms["fc_norm"](hidden["final"])
        return {layer: vit.split(tokens, 1, grid.shape[1:3]) for layer, tokens in hidden.items()}


def network(content: Any, *, where: str, num_heads: int | None) -> ViT:
    """Build the network of a checkpoint's size and fill it: raises DataError where the two do not fit."""
    state = checkpoints.weights(content)
    epsilon, names = _form(state, where)
    patch_embed, blocks, positions, head = (
        checkpoints.translated(name, names)
        for name in ("patch_embed.proj.weight", "blocks.", "tables.pos_embed", "norms.fc_norm.")
    )
    size = vit.size_of(state, where=where, num_heads=num_heads, official=HEADS, patch_embed=patch_embed, blocks=blocks)
    n_positions = checkpoints.shape(state, positions, 3, where=where)[1]
    tables = {"cls_token": (1, 1, size.dim), "pos_embed": (1, n_positions, size.dim)}
    with torch.device("meta"):
        norms = {"pre_norm": torch.nn.LayerNorm(size.dim, 1e-6)}
        if any(name.startswith((head, *NOT_ENCODER[2:])) for name in state):
            norms["fc_norm"] = torch.nn.LayerNorm(size.dim, epsilon)
        model = vit.ViT(size, tables=tables, norms=norms, post_norm=True)
    checkpoints.fit(model, state, where=where, names=names, ignore=NOT_ENCODER)
    return model


def _form(state: Any, where: str) -> tuple[float, tuple[tuple[str, str], ...]]:
    """Return the entry of :data:`FORMS` whose name for the patch embedding the checkpoint has."""
    first = {checkpoints.translated("patch_embed.proj.weight", names): (epsilon, names) for epsilon, names in FORMS}
    for name, form in first.items():
        if isinstance(state, Mapping) and name in state:
            return form
    raise DataError(f"{where} has no tensor {' or '.join(first)}; it holds {checkpoints.contents(state)}.")
