"""A front end of fixed length: padded or cut, then scaled."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from asdcore_plugins.nn.front_ends.padded_fbank import padded_fbank
from asdcore_plugins.nn.front_ends.spectrograms import kaldi_fbank


def noise(n_samples):
    return torch.from_numpy(np.random.default_rng(0).standard_normal((2, n_samples)).astype(np.float32))


@pytest.mark.parametrize("n_samples", [400, 16000, 40000])
def test_frames_are_appended_before_scaling_or_cut_off(n_samples):
    fbank = kaldi_fbank(noise(n_samples), window="hanning")
    found = padded_fbank(noise(n_samples), 100, mean=-4.0, std=4.5)
    heard = min(100, fbank.shape[1])
    assert found.shape == (2, 100, 128)
    assert torch.equal(found[:, :heard], (fbank[:, :heard] + 4.0) / 9.0)
    assert (found[:, heard:] == torch.tensor(4.0 / 9.0)).all()


def test_a_constant_offset_of_the_clip_changes_nothing():
    assert torch.allclose(
        padded_fbank(noise(16000) + 0.25, 100, mean=0.0, std=0.5),
        padded_fbank(noise(16000), 100, mean=0.0, std=0.5),
        atol=1e-4,
    )
