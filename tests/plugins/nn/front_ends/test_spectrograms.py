"""The front ends, against what the authors' code gave and against the definitions written out in NumPy.

Limits against the authors' float32 are those of the golden files' own comparison with float64: 3e-4 for natural
logarithms (after whatever scaling follows), 1e-3 dB for torchlibrosa, 1.5e-3 dB for torchaudio.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from asdcore import DataError
from asdcore_plugins.nn.front_ends import spectrograms
from asdcore_plugins.nn.front_ends.mel import htk_bank, kaldi_bank, slaney_bank
from asdcore_plugins.nn.front_ends.spectrograms import kaldi_fbank, mel_db, passt_mel, torch_bank


def panns_mel(waveform):
    bank = torch_bank(slaney_bank, 32000, 1024, 64, 50.0, 14000.0)
    return mel_db(waveform, bank, sample_rate=32000, n_fft=1024, hop=320)


def dasheng_mel(waveform):
    bank = torch_bank(htk_bank, 16000, 512, 64, 0.0, 8000.0)
    return mel_db(waveform, bank, sample_rate=16000, n_fft=512, hop=160, top_db=120.0)


FRONT_ENDS = {"kaldi": kaldi_fbank, "passt": passt_mel, "panns": panns_mel, "dasheng": dasheng_mel}
SHORTEST = {"kaldi": 400, "passt": 514, "panns": 513, "dasheng": 257}
RATE = {"kaldi": 16000, "passt": 32000, "panns": 32000, "dasheng": 16000}

every = pytest.mark.parametrize("name", list(FRONT_ENDS))


def sounds(n_clips, n_samples, seed=0):
    noise = np.random.default_rng(seed).standard_normal((n_clips, n_samples))
    tone = np.sin(0.05 * np.arange(n_samples))
    return torch.from_numpy((0.1 * noise + 0.2 * tone + 0.05).astype(np.float32))


# What the authors' code gave.


def test_equals_the_fbank_of_beats(golden, wave):
    expected = np.load(golden("beats", "expected_pretrained.npz"))["fbank"]
    fbank = kaldi_fbank(torch.from_numpy(wave(1, 40000, 16000)) * 2**15)
    assert np.abs((fbank.numpy() - 15.41663) / (2 * 6.55582) - expected).max() < 3e-4


@pytest.mark.parametrize(
    ("case", "file", "seed", "mean", "std"),
    [
        ("eat", "expected_pretrain.npz", 11, -4.268, 4.569),
        ("audiomae", "expected_pretrained.npz", 91, -4.2677393, 4.5689974),
    ],
)
def test_equals_the_fbank_with_a_hanning_window(golden, wave, case, file, seed, mean, std):
    expected = np.load(golden(case, file))["mel"][:, 0]
    fbank = kaldi_fbank(torch.from_numpy(wave(seed, 40000, 16000)), window="hanning").numpy()
    assert fbank.shape == (2, 248, 128)
    assert np.abs((fbank - mean) / (2 * std) - expected[:, :248]).max() < 3e-4


@pytest.mark.parametrize(
    ("case", "seed", "n_samples"),
    [("passt", 81, 48000), ("efficientat_mn10", 71, 80000), ("efficientat_mn04_real", 61, 80000)],
)
def test_equals_the_mel_of_passt_and_efficientat(golden, wave, case, seed, n_samples):
    expected = np.load(golden(case, "expected.npz"))["mel"]
    mel = passt_mel(torch.from_numpy(wave(seed, n_samples, 32000))).numpy()
    assert np.abs(mel.transpose(0, 2, 1) - expected).max() < 3e-4


@pytest.mark.parametrize(("case", "seed"), [("panns_cnn14", 31), ("panns_cnn6", 41), ("panns_mobilenetv1", 51)])
def test_equals_torchlibrosa_in_db(golden, wave, case, seed):
    expected = np.load(golden(case, "expected.npz"))["logmel"][:, 0]
    assert np.abs(panns_mel(torch.from_numpy(wave(seed, 64000, 32000))).numpy() - expected).max() < 1e-3


def test_equals_the_mel_of_dasheng_in_db(golden, wave):
    expected = np.load(golden("dasheng", "expected_short.npz"))["mel_db"]
    audio = wave(21, 40000, 16000)
    audio[1, 9000:13000] = 0.0
    mel = dasheng_mel(torch.from_numpy(audio[:, :22000])).numpy()
    assert np.abs(mel.transpose(0, 2, 1) - expected).max() < 1.5e-3


# The definitions, written out frame by frame in NumPy.


KALDI = {
    "sample_rate": 16000,
    "n_mels": 128,
    "window": "povey",
    "frame_length": 25.0,
    "frame_shift": 10.0,
    "low": 20.0,
    "high": 0.0,
    "preemphasis": 0.97,
    "remove_dc": True,
}


def kaldi_in_numpy(clip, rate, n_mels, window, length_ms, shift_ms, low, high, preemphasis, remove_dc):
    """(n_samples,) float32 -> (frames, n_mels) float64, as torchaudio.compliance.kaldi.fbank is documented."""
    length, shift = int(rate * length_ms / 1000), int(rate * shift_ms / 1000)
    n_fft = 2 ** int(np.ceil(np.log2(length)))
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / (length - 1))
    taper = taper**0.85 if window == "povey" else taper
    bank = kaldi_triangles(rate, n_fft, n_mels, low, high if high > 0 else rate / 2 + high)
    frames = []
    for start in range(0, len(clip) - length + 1, shift):
        frame = clip[start : start + length].astype(np.float64)
        frame = frame - frame.mean() if remove_dc else frame
        frame = np.append(frame[0] * (1 - preemphasis), frame[1:] - preemphasis * frame[:-1])
        power = np.abs(np.fft.rfft(frame * taper, n_fft)) ** 2
        frames.append(np.log(np.maximum(bank @ power[:-1], np.finfo(np.float32).eps)))
    return np.stack(frames)


def kaldi_triangles(rate, n_fft, n_mels, low, high):
    """(n_mels, n_fft // 2): the bin at half the sample rate is left out."""

    def mel(hertz):
        return 1127.0 * np.log(1.0 + hertz / 700.0)

    width = (mel(high) - mel(low)) / (n_mels + 1)
    bank = np.zeros((n_mels, n_fft // 2))
    for band in range(n_mels):
        left = mel(low) + band * width
        for i in range(n_fft // 2):
            at = (mel(i * rate / n_fft) - left) / width
            bank[band, i] = max(0.0, min(at, 2.0 - at))
    return bank


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"window": "hanning"},
        {"n_mels": 23},
        {"sample_rate": 8000, "n_mels": 40},
        {"sample_rate": 44100, "n_mels": 80},
        {"frame_length": 32.0, "frame_shift": 16.0},
        {"frame_length": 10.0, "frame_shift": 2.5},
        {"low": 0.0, "high": 4000.0},
        {"low": 100.0, "high": -500.0},
        {"preemphasis": 0.0},
        {"remove_dc": False},
    ],
    ids=str,
)
def test_equals_the_definition_of_kaldi(changed):
    given = {**KALDI, **changed}
    audio = sounds(2, 7001)
    expected = np.stack([kaldi_in_numpy(clip, *given.values()) for clip in audio.numpy()])
    found = kaldi_fbank(audio, **given).numpy()
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert np.allclose(found, expected, rtol=2e-7, atol=1e-7)


def test_a_band_without_a_frequency_is_the_floor():
    # At the bottom, 128 bands at 16 kHz are narrower than a bin of 512: that one is empty is part of the definition.
    fbank = kaldi_fbank(sounds(1, 16000))
    constant = (fbank == fbank[:, :1]).all(dim=(0, 1))
    assert constant.nonzero().flatten().tolist() == [3]
    assert fbank[0, 0, 3].item() == pytest.approx(np.log(2.0**-23))


def centred_in_numpy(clip, n_fft, hop, taper):
    """(n_samples,) -> power (frames, bins) of windows centred on every hop-th sample of the mirrored clip."""
    padded = np.pad(clip, n_fft // 2, mode="reflect")
    inset = (n_fft - len(taper)) // 2
    starts = range(0, len(clip) + 1, hop)
    frames = [padded[start + inset : start + inset + len(taper)] * taper for start in starts]
    return np.abs(np.fft.rfft(np.stack(frames), n_fft)) ** 2


@pytest.mark.parametrize(("win_length", "hop", "n_mels", "high"), [(800, 320, 128, 15000.0), (640, 480, 64, 12000.0)])
def test_equals_the_definition_of_passt(win_length, hop, n_mels, high):
    audio = sounds(2, 5000)
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(win_length) / (win_length - 1))
    bank = kaldi_triangles(32000, 1024, n_mels, 0.0, high)
    expected = []
    for clip in audio.double().numpy():
        power = centred_in_numpy(clip[1:] - 0.97 * clip[:-1], 1024, hop, taper)
        expected.append((np.log(power[:, :-1] @ bank.T + 1e-5) + 4.5) / 5)
    found = passt_mel(audio, win_length=win_length, hop=hop, n_mels=n_mels, high=high).numpy()
    assert np.allclose(found, np.stack(expected), rtol=2e-7, atol=1e-7)


def test_equals_the_definition_in_db():
    audio = sounds(2, 3000)
    bank = slaney_bank(32000, 1024, 64, 50.0, 14000.0)
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    power = np.stack([centred_in_numpy(clip, 1024, 320, taper) for clip in audio.double().numpy()])
    expected = 10 * np.log10(np.maximum(power @ bank.T, 1e-10))
    assert np.allclose(panns_mel(audio).numpy(), expected, rtol=2e-7, atol=1e-6)


def test_top_db_is_below_the_clips_own_maximum():
    audio = sounds(2, 16000)
    audio[0] *= 1e-3
    audio[:, 4000:12000] = 0.0
    bank = torch_bank(htk_bank, 16000, 512, 64, 0.0, 8000.0)
    open_below = mel_db(audio, bank, sample_rate=16000, n_fft=512, hop=160)
    clipped = mel_db(audio, bank, sample_rate=16000, n_fft=512, hop=160, top_db=50.0)
    assert (open_below.amin(dim=(1, 2)) == -100.0).all()
    assert torch.allclose(clipped.amin(dim=(1, 2)), open_below.amax(dim=(1, 2)) - 50.0, atol=1e-5)
    assert torch.equal(clipped.amax(dim=(1, 2)), open_below.amax(dim=(1, 2)))


# Whatever the batch, the threads and the installation.


@every
def test_same_bits_alone_and_in_a_batch(name):
    audio = sounds(8, 12345)
    together = FRONT_ENDS[name](audio)
    alone = torch.cat([FRONT_ENDS[name](clip[None]) for clip in audio])
    assert together.dtype == torch.float32
    assert torch.equal(together, alone)


@every
def test_same_bits_for_any_number_of_threads_and_memory_layout(name, threads):
    audio = sounds(3, 160_001)
    found = []
    for n in (1, 2):
        with threads(n):
            found.append(FRONT_ENDS[name](audio))
    assert torch.equal(*found)
    assert torch.equal(found[0], FRONT_ENDS[name](audio.T.contiguous().T))


@every
def test_same_bits_where_other_audio_libraries_are_absent(name, monkeypatch):
    audio = sounds(1, 4000)
    before = FRONT_ENDS[name](audio)
    for bank in (htk_bank, kaldi_bank, slaney_bank, torch_bank):
        bank.cache_clear()
    for library in ("librosa", "scipy", "torchaudio", "torchlibrosa", "transformers"):
        monkeypatch.setitem(sys.modules, library, None)
    assert torch.equal(FRONT_ENDS[name](audio), before)


@every
def test_same_bits_where_torch_has_another_default_device(name):
    audio = sounds(1, 4000)
    before = FRONT_ENDS[name](audio)
    for bank in (htk_bank, kaldi_bank, slaney_bank, torch_bank):
        bank.cache_clear()
    with torch.device("meta"):
        assert torch.equal(FRONT_ENDS[name](audio), before)


@every
def test_the_waveform_is_not_written_to(name):
    audio = sounds(2, 4000)
    FRONT_ENDS[name](audio)
    assert torch.equal(audio, sounds(2, 4000))


# Silence, short and long clips.


@pytest.mark.parametrize(
    ("name", "floor"),
    [("kaldi", np.log(2.0**-23)), ("passt", (np.log(1e-5) + 4.5) / 5), ("panns", -100.0), ("dasheng", -100.0)],
)
def test_digital_silence_is_the_floor(name, floor):
    assert np.allclose(FRONT_ENDS[name](torch.zeros(1, 16000)), floor, rtol=1e-6)


@every
@pytest.mark.parametrize("seconds", [0.2, 30])
def test_the_number_of_frames_follows_the_length(name, seconds):
    n_samples = int(seconds * RATE[name])
    mel = FRONT_ENDS[name](sounds(1, n_samples))
    frames = {
        "kaldi": 1 + (n_samples - 400) // 160,
        "passt": 1 + (n_samples - 1) // 320,
        "panns": 1 + n_samples // 320,
        "dasheng": 1 + n_samples // 160,
    }
    assert mel.shape[:2] == (1, frames[name])
    assert mel.isfinite().all()


@every
def test_the_shortest_clip_has_a_frame_and_a_shorter_one_is_refused(name):
    shortest = SHORTEST[name]
    assert FRONT_ENDS[name](sounds(1, shortest)).isfinite().all()
    with pytest.raises(DataError, match=f"a clip of {shortest - 1} samples at {RATE[name]} Hz .* needs {shortest} "):
        FRONT_ENDS[name](sounds(1, shortest - 1))


def test_an_unknown_window_is_refused():
    with pytest.raises(ValueError, match="window is 'hann'; allowed are 'povey', 'hanning'"):
        kaldi_fbank(sounds(1, 4000), window="hann")


@every
def test_frames_come_out_alike_in_blocks_of_any_size(name, monkeypatch):
    audio = sounds(1, 40000)
    expected = FRONT_ENDS[name](audio)
    assert spectrograms.BLOCK < expected.shape[1] < 300
    for size in (7, 300):
        monkeypatch.setattr(spectrograms, "BLOCK", size)
        assert torch.allclose(FRONT_ENDS[name](audio), expected, rtol=0, atol=1e-6)
