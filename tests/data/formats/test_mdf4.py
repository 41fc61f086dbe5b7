"""MDF files as asammdf writes them: the rate is read off the time stamps, and uneven ones are refused."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore.data.audio import decode_new, inspect_audio
from asdcore.errors import DataError

asammdf = pytest.importorskip("asammdf", reason="asammdf is not installed: pip install 'asdcore[formats]'")
RATE = 25600


def write(path, signal, stamps=None, version="4.10"):
    stamps = np.arange(len(signal)) / RATE if stamps is None else stamps
    fast = [asammdf.Signal(signal, stamps, unit="g", name="Accel X")]
    fast += [asammdf.Signal((100 * signal).astype(np.int16), stamps, unit="mV", name="Accel Y")]
    slow = asammdf.Signal(np.arange(10.0), np.arange(10.0), unit="degC", name="Temperature")
    with asammdf.MDF(version=version) as file:
        file.append(fast)
        file.append(slow)
        file.save(path, overwrite=True)
    return path


@pytest.mark.parametrize(("name", "version"), [("a.mf4", "4.10"), ("a.mdf", "3.30")])
def test_channels_rate_and_unit_come_from_the_file(tmp_path, signal, name, version):
    path = write(tmp_path / name, signal, version=version)
    with pytest.raises(DataError, match="has 3 channels and none is chosen: Accel X, Accel Y, Temperature"):
        inspect_audio(path)
    heard, facts = decode_new(path.with_name(f"{name}#t=0.125-0.25&channel=Accel%20Y"))
    np.testing.assert_array_equal(heard[0], (100 * signal).astype(np.int16)[RATE // 8 : RATE // 4])
    assert (facts.sample_rate, facts.unit) == (RATE, "mV")
    assert inspect_audio(path.with_name(f"{name}#channel=1")).n_samples == len(signal)


def test_missing_samples_are_seen_by_the_time_stamps(tmp_path, signal):
    stamps = np.arange(len(signal)) / RATE
    stamps[len(signal) // 2 :] += 0.25
    path = write(tmp_path / "a.mf4", signal, stamps)
    with pytest.raises(DataError, match=r"its channel Accel X is sampled unevenly: a time stamp lies 0.\d+ s off"):
        inspect_audio(path.with_name("a.mf4#channel=Accel%20X"))


def test_a_clock_of_its_own_is_named_and_may_be_rounded(tmp_path, signal):
    path = write(tmp_path / "a.mf4", signal, np.arange(len(signal)) / 25600.7)
    with pytest.raises(DataError, match=r"has 25600.7\d* samples a second by its own clock"):
        inspect_audio(path.with_name("a.mf4#channel=1"))
    assert inspect_audio(path.with_name("a.mf4#channel=1&rate=25600")).sample_rate == 25600


@pytest.mark.parametrize("kept", [0.9, 0.5, 0.01])
def test_a_file_cut_short_is_refused_without_noise(tmp_path, signal, kept, capfd):
    path = write(tmp_path / "a.mf4", signal)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DataError, match=r"^a.mf4#channel=1: is damaged or cut short"):
        inspect_audio(path.with_name("a.mf4#channel=1"))
    assert "Exception ignored" not in capfd.readouterr().err
