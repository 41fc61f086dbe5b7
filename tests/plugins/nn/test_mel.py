"""Mel filter banks, against those of transformers, which are librosa's, torchaudio's and Kaldi's."""

from __future__ import annotations

import numpy as np
import pytest
from transformers.audio_utils import mel_filter_bank

from asdcore_plugins.nn.mel import htk_bank, kaldi_bank, slaney_bank

BANKS = {
    kaldi_bank: {"mel_scale": "kaldi", "triangularize_in_mel_space": True},
    htk_bank: {"mel_scale": "htk"},
    slaney_bank: {"mel_scale": "slaney", "norm": "slaney"},
}

every = pytest.mark.parametrize("bank", list(BANKS), ids=lambda bank: bank.__name__)


@every
@pytest.mark.parametrize(
    ("sample_rate", "n_fft", "n_mels", "low", "high"),
    [(16000, 512, 64, 0.0, 8000.0), (16000, 512, 40, 20.0, 7600.0), (32000, 1024, 64, 50.0, 14000.0)],
)
def test_equals_transformers(bank, sample_rate, n_fft, n_mels, low, high):
    expected = mel_filter_bank(
        num_frequency_bins=n_fft // 2 + 1,
        num_mel_filters=n_mels,
        min_frequency=low,
        max_frequency=high,
        sampling_rate=sample_rate,
        **BANKS[bank],
    ).T
    found = bank(sample_rate, n_fft, n_mels, low, high)
    assert found.is_sparse
    assert np.allclose(found.to_dense().numpy(), expected, rtol=0, atol=1e-10 * expected.max())


def test_slaney_bands_have_unit_area():
    areas = slaney_bank(32000, 4096, 64, 50.0, 14000.0).to_dense().sum(dim=1) * (32000 / 4096)
    assert np.allclose(areas, 1.0, atol=2e-2)


def test_every_frequency_between_the_peaks_counts_once_in_the_bands_of_height_one():
    for bank in (kaldi_bank, htk_bank):
        total = bank(16000, 2048, 40, 100.0, 7000.0).to_dense().sum(dim=0)
        inside = total[30:700]
        assert np.allclose(inside, 1.0, atol=1e-12), bank.__name__


@every
@pytest.mark.parametrize(
    ("n_mels", "low", "high"), [(0, 0.0, 8000.0), (64, -1.0, 8000.0), (64, 0.0, 8001.0), (64, 500.0, 500.0)]
)
def test_bands_that_cannot_be_are_refused(bank, n_mels, low, high):
    with pytest.raises(ValueError, match=f"{n_mels} mel bands from {low} to {high} Hz are not possible"):
        bank(16000, 512, n_mels, low, high)
