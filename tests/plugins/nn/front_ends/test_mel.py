"""Mel filter banks, against those of transformers, which are librosa's, torchaudio's and Kaldi's."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from transformers.audio_utils import mel_filter_bank

from asdcore_plugins.nn.front_ends.mel import MelSums, htk_bank, kaldi_bank, linear_bank, slaney_bank

BANKS = {
    kaldi_bank: {"mel_scale": "kaldi", "triangularize_in_mel_space": True},
    htk_bank: {"mel_scale": "htk"},
    slaney_bank: {"mel_scale": "slaney", "norm": "slaney"},
}
SIZES = [
    (16000, 512, 64, 0.0, 8000.0),
    (16000, 512, 40, 20.0, 7600.0),
    (16000, 1024, 128, 0.0, 8000.0),
    (16000, 256, 24, 0.0, 8000.0),
    (32000, 1024, 64, 50.0, 14000.0),
    (44100, 2048, 128, 0.0, 22050.0),
]

every = pytest.mark.parametrize("bank", list(BANKS), ids=lambda bank: bank.__name__)
sizes = pytest.mark.parametrize(("sample_rate", "n_fft", "n_mels", "low", "high"), SIZES)


@pytest.mark.filterwarnings("ignore:.*mel filter has all zero values")
@every
@sizes
def test_equals_transformers(bank, sample_rate, n_fft, n_mels, low, high):
    expected = mel_filter_bank(
        num_frequency_bins=n_fft // 2 + 1,
        num_mel_filters=n_mels,
        min_frequency=low,
        max_frequency=high,
        sampling_rate=sample_rate,
        **BANKS[bank],
    ).T
    weights = bank(sample_rate, n_fft, n_mels, low, high)
    assert weights.dtype == np.float64
    assert np.allclose(weights, expected, rtol=0, atol=1e-12 * max(1.0, expected.max()))


def test_slaney_bands_have_unit_area():
    areas = slaney_bank(32000, 4096, 64, 50.0, 14000.0).sum(axis=1) * (32000 / 4096)
    assert np.allclose(areas, 1.0, atol=2e-2)


def test_every_frequency_between_the_peaks_counts_once_in_the_bands_of_height_one():
    for bank in (kaldi_bank, htk_bank):
        total = bank(16000, 2048, 40, 100.0, 7000.0).sum(axis=0)
        inside = total[30:700]
        assert np.allclose(inside, 1.0, atol=1e-12), bank.__name__


def test_linear_bands_are_all_equally_wide_and_count_every_frequency_alike():
    # 40 bands of 50 Hz flanks from 100 Hz on: a bin is 7.8125 Hz, and the peaks lie 50 Hz apart.
    bank = linear_bank(16000, 2048, 40, 100.0, 2150.0)
    total = bank.sum(axis=0) * 50.0
    hertz = np.arange(1025) * 7.8125
    assert np.allclose(total[(hertz >= 150) & (hertz <= 2100)], 1.0, atol=1e-12)
    assert (total[(hertz <= 100) | (hertz >= 2150)] == 0).all()
    centres = (bank * hertz).sum(axis=1) / bank.sum(axis=1)
    assert np.allclose(centres, 150.0 + 50.0 * np.arange(40), atol=1.5)


@every
def test_a_bank_that_is_kept_cannot_be_changed(bank):
    with pytest.raises(ValueError, match="read-only"):
        bank(16000, 512, 64, 0.0, 8000.0)[0, 0] = 1.0


@every
@pytest.mark.parametrize(
    ("n_mels", "low", "high"), [(0, 0.0, 8000.0), (64, -1.0, 8000.0), (64, 0.0, 8001.0), (64, 500.0, 500.0)]
)
def test_bands_that_cannot_be_are_refused(bank, n_mels, low, high):
    with pytest.raises(ValueError, match=f"{n_mels} mel bands from {low} to {high} Hz are not possible"):
        bank(16000, 512, n_mels, low, high)


@every
@sizes
def test_sums_are_the_matrix_product(bank, sample_rate, n_fft, n_mels, low, high):
    weights = bank(sample_rate, n_fft, n_mels, low, high)
    spectrum = np.random.default_rng(0).uniform(size=(7, n_fft // 2 + 1))
    energies = MelSums(weights)(spectrum)
    assert energies.shape == (n_mels, 7)
    assert np.allclose(energies, weights @ spectrum.T, rtol=1e-12, atol=0)


def test_a_band_without_a_frequency_sums_to_nothing():
    weights = htk_bank(16000, 256, 128, 0.0, 8000.0)
    empty = ~weights.any(axis=1)
    energies = MelSums(weights)(np.ones((3, 129)))
    assert empty.any()
    assert np.array_equal(energies == 0.0, np.repeat(empty[:, None], 3, axis=1))
    assert not MelSums(np.zeros((2, 5)))(np.ones((3, 5))).any()


def test_sums_of_a_frame_are_the_same_bits_alone_and_in_any_layout():
    sums = MelSums(slaney_bank(16000, 1024, 128, 0.0, 8000.0))
    spectrum = np.random.default_rng(0).uniform(size=(40, 513))
    together = sums(spectrum)
    assert np.array_equal(together, np.hstack([sums(frame[None]) for frame in spectrum]))
    assert np.array_equal(together, sums(np.asfortranarray(spectrum)))


def test_they_need_neither_torch_nor_scipy():
    code = (
        "import sys\n"
        "from asdcore_plugins.nn.front_ends.mel import MelSums, slaney_bank\n"
        "MelSums(slaney_bank(16000, 1024, 128, 0.0, 8000.0))\n"
        "print([name for name in ('torch', 'transformers', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
