"""A trained multi-branch network as ONNX gives its embedding, and other networks are named."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore
from asdcore import DataError

LOSS = {"name": "adacos"}


def trained(**network):
    """An encoder with its first weights, which count as trained here."""
    return asdcore.load_encoder("discriminative", network=network, loss=LOSS, seconds=0.3).as_if_trained()


@pytest.mark.parametrize("samples", [1000, 4800, 7000])
def test_a_clip_of_any_length_gets_its_embedding(as_onnx, samples):
    encoder = trained(name="multi_branch", fft=False, stft=[128, 256], width=16)
    clip = np.random.default_rng(samples).normal(scale=0.1, size=samples).astype(np.float32)
    for layer in encoder.layers:
        tokens = encoder.encode(clip[None], [layer])[layer].patches[0]
        written = as_onnx(lambda audio, layer=layer: encoder.to_onnx(audio, [layer])[layer][0], clip)
        assert written.shape == tokens.shape
        assert written == pytest.approx(tokens, abs=1e-5 * float(np.abs(tokens).max()))


def test_the_branch_of_whole_spectra(as_onnx):
    encoder = asdcore.load_encoder(
        "discriminative", network={"name": "multi_branch", "stft": [], "width": 16}, loss=LOSS, seconds=4.4
    ).as_if_trained()
    clip = np.random.default_rng(0).normal(scale=0.1, size=70001).astype(np.float32)
    tokens = encoder.encode(clip[None], ["fft"])["fft"].patches[0]
    written = as_onnx(lambda audio: encoder.to_onnx(audio, ["fft"])["fft"][0], clip)
    assert written == pytest.approx(tokens, abs=1e-5 * float(np.abs(tokens).max()))


def test_an_encoder_that_was_not_trained_is_refused(as_onnx):
    encoder = asdcore.load_encoder(
        "discriminative", network={"name": "multi_branch", "stft": [128], "fft": False}, loss=LOSS, seconds=0.3
    )
    with pytest.raises(DataError, match="has not been trained"):
        as_onnx(lambda audio: encoder.to_onnx(audio, ["embedding"])["embedding"][0], np.zeros(4800))
