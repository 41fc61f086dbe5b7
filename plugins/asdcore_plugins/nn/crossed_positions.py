"""Blocks over a mel spectrogram in which a patch's position is the sum of one for its time and one for its band."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from asdcore_plugins.nn import vit


def patch_grids(net: vit.ViT, image: Tensor, layers: Sequence[int | str]) -> dict[int | str, Tensor]:
    """Return the patches of an image that leave the blocks of a network.

    Parameters
    ----------
    net : ViT
        With the tables ``time_pos_embed`` and ``freq_pos_embed``.
    image : (n_clips, n_mels, frames) tensor
        Of at most as many frames as there are positions for.
    layers : sequence of int or str
        Which are wanted; "final" is the last one, normalized.

    Returns
    -------
    dict of {int or str: (n_clips, time, band, dim) tensor}
    """
    grid = net.patch_embed(image)  # rows are bands here, columns are time
    time, band = (net.tables[f"{axis}_pos_embed"].permute(0, 2, 3, 1) for axis in ("time", "freq"))
    grid = grid + time[:, :, : grid.shape[2]] + band
    hidden = vit.hidden_states(grid.flatten(1, 2), net.blocks, layers)
    if "final" in hidden:
        hidden["final"] = net.norms["norm"](hidden["final"])
    return {layer: tokens.reshape(grid.shape).transpose(1, 2) for layer, tokens in hidden.items()}
