"""Checks of views and encoders that read long recordings in blocks: what they give is that of the whole, to the bit."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.authoring.conformance.bench.driver import describe, require
from asdcore.authoring.conformance.bench.sounds import hums
from asdcore.authoring.conformance.kinds.encoder import EncoderBench
from asdcore.authoring.conformance.kinds.view import SAMPLE_RATE, ViewBench

SECONDS = 12

WHY = "a recording is read in blocks because of its size, which must not change a score."


@dataclass(frozen=True)
class _Sound:
    """A clip (..., n_samples) that is read as a long recording is."""

    clip: NDArray[np.float32]

    def __len__(self) -> int:
        return int(self.clip.shape[-1])

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples; 0 beyond the ends."""
        samples = np.zeros((*self.clip.shape[:-1], stop - start), np.float32)
        there = self.clip[..., max(0, start) : max(0, stop)]
        samples[..., max(0, -start) : max(0, -start) + there.shape[-1]] = there
        return samples


def check_view_in_blocks(bench: ViewBench) -> None:
    """With samplewise or hear_blocks, a view gives of 12 s in blocks the bits that it gives of them at once."""
    view = bench.build()
    audio = hums(2, SECONDS * SAMPLE_RATE, SAMPLE_RATE, seed=8)
    whole = np.asarray(view(audio.copy(), SAMPLE_RATE))
    if getattr(view, "hear_blocks", None) is not None:
        blocks = list(view.hear_blocks(_Sound(audio.copy()), SAMPLE_RATE, io.BytesIO))
        _require_equal(blocks, whole, axis=-1, what="hear_blocks")
    if getattr(view, "samplewise", False):
        half = SAMPLE_RATE * SECONDS // 2 + 1
        blocks = [np.asarray(view(part.copy(), SAMPLE_RATE)) for part in (audio[:, :half], audio[:, half:])]
        _require_equal(blocks, whole, axis=-1, what="samplewise, and the two parts")


def check_encoder_in_blocks(bench: EncoderBench) -> None:
    """With encode_blocks, an encoder gives of 12 s in blocks the tokens that it gives of them at once, to the bit."""
    encoder = bench.ready()
    if getattr(encoder, "encode_blocks", None) is None:
        return
    layers = list(encoder.layers)
    audio = bench.sounds(1, SECONDS * bench.sample_rate, seed=8)
    whole = encoder.encode(audio.copy(), layers)
    blocks: Sequence[Mapping[Any, Any]] = list(encoder.encode_blocks(_Sound(audio[0].copy()), layers))
    for layer in layers:
        given = [block[layer] for block in blocks]
        _require_equal([each.patches for each in given], whole[layer].patches, axis=1, what=f"Layer {layer!r}")
        special = [each.special for each in given if each.special is not None]
        expected = [] if whole[layer].special is None else [whole[layer].special]
        observed = f"Layer {layer!r} has special tokens in {len(special)} blocks, and in {len(expected)} of the whole."
        require(len(special) == len(expected), observed, WHY, "they are to come once, with whichever block.")
        for values, right in zip(special, expected, strict=True):
            _require_equal([values], right, axis=1, what=f"The special tokens of layer {layer!r}")


def _require_equal(blocks: Sequence[Any], whole: Any, *, axis: int, what: str) -> None:
    joined = np.concatenate([np.asarray(block) for block in blocks], axis=axis) if blocks else np.empty(0)
    right = np.asarray(whole)
    same = joined.shape == right.shape and joined.dtype == right.dtype and joined.tobytes() == right.tobytes()
    observed = f"{what} give in blocks {describe(joined)}, and {describe(right)} of the whole."
    if joined.shape == right.shape and joined.dtype == right.dtype:
        observed = (
            f"{what} give in blocks other values than of the whole, by {float(np.abs(joined - right).max()):.3g}."
        )
    cause = "what is computed of the whole (a mean, a maximum) was computed of each block, or a block's edge is padded."
    require(same, observed, WHY, cause)


VIEW_CHECKS = (check_view_in_blocks,)
ENCODER_CHECKS = (check_encoder_in_blocks,)
