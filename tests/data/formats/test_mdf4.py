"""MDF files as asammdf writes them: the rate is read off the time stamps, and uneven ones are refused."""

from __future__ import annotations

import tracemalloc
from contextlib import closing

import numpy as np
import pytest

from asdcore.data.formats.mdf4 import open_file
from asdcore.data.recordings.audio import decode_new, inspect_audio
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


def test_a_gap_far_from_both_ends_and_a_clock_set_back_are_seen(tmp_path):
    stamps = np.arange(60_000) / RATE
    noise = np.random.default_rng(0).standard_normal(len(stamps))
    for name, wrong in (
        ("gap.mf4", stamps + 2 / RATE * (np.arange(len(stamps)) >= 30_000)),
        ("clock.mf4", stamps + (abs(np.arange(len(stamps)) - 30_000) < 5000)),
    ):
        path = write(tmp_path / name, noise, wrong)
        with pytest.raises(DataError, match="Accel X is sampled unevenly: from its sample (29999|25000) to the next"):
            decode_new(path.with_name(f"{name}#channel=1&rate=25600"))
    later = decode_new(path.with_name(f"{name}#t=1.5-2&channel=1"))[0]
    np.testing.assert_array_equal(later[0], noise[RATE * 3 // 2 : RATE * 2].astype(np.float32))


def test_samples_that_are_marked_as_invalid_are_refused(tmp_path, signal):
    bad = np.arange(len(signal)) // 100 == 3
    stamps = np.arange(len(signal)) / RATE
    with asammdf.MDF() as file:
        file.append([asammdf.Signal(signal, stamps, unit="g", name="x", invalidation_bits=bad)])
        file.save(tmp_path / "a.mf4")
    with pytest.raises(DataError, match="its channel x has 100 samples that are missing, or that the file"):
        inspect_audio(tmp_path / "a.mf4")


def test_what_is_sampled_by_angle_has_no_rate(tmp_path, signal):
    with asammdf.MDF() as file:
        file.append([asammdf.Signal(signal, np.arange(len(signal)) / RATE, name="x")])
        file.groups[0].channels[file.masters_db[0]].sync_type = 2
        file.save(tmp_path / "a.mf4")
    with pytest.raises(DataError, match="its channel x is not sampled in time"):
        inspect_audio(tmp_path / "a.mf4#rate=25600")


def test_a_window_of_a_long_file_takes_no_memory_for_the_rest(tmp_path):
    samples = np.random.default_rng(0).integers(-1000, 1000, 1_200_000)
    path = write(tmp_path / "a.mf4", samples)
    decode_new(path.with_name("a.mf4#t=0-0.1&channel=1"))
    tracemalloc.start()
    heard, _ = decode_new(path.with_name("a.mf4#t=10-10.1&channel=1"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(heard[0], samples[10 * RATE : 10 * RATE + RATE // 10])
    assert peak < path.stat().st_size / 4


@pytest.mark.parametrize(("name", "version"), [("a.mf4", "4.10"), ("a.mdf", "3.30")])
def test_a_conversion_is_computed_in_float64_and_not_in_the_integers_of_the_file(tmp_path, name, version):
    # asammdf 8.8.28 with numexpr 2.14.2 squares in 32 bits: 60000 squared is -694967296.
    raw, stamps = np.linspace(40000, 60000, 101).astype(np.uint16), np.arange(101) / RATE
    terms = ["P1", "P2", "P3", "P4", "P5", "P6"]
    x = raw.astype(np.float64)
    cases = [
        (dict(zip(terms, [1e-6, 0.0, 0.0, 0.0, 0.0, 1.0], strict=True)), 1e-6 * x**2),
        (dict(zip(terms, [0.0, 1.0, 0.0, 1.0, 0.0, 1.0], strict=True)), x / (x**2 + 1)),
        ({"formula": "X*X*1e-6"}, 1e-6 * x**2),
        ({"formula": "1e-9*pow(X,3)/ln(X)"}, 1e-9 * x**3 / np.log(x)),
        ({"formula": "atan(pow(pow(X - 1, 2), 0.5))"}, np.arctan(x - 1)),
        ({"formula": "(X>50000)*5"}, 5.0 * (x > 50000)),
    ]
    with asammdf.MDF(version=version) as file:
        for type_ in (np.uint16, np.int32, np.float32):
            signals = [
                asammdf.Signal(raw.astype(type_), stamps, unit="bar", name=f"p{number}", conversion=dict(conversion))
                for number, (conversion, _) in enumerate(cases)
            ]
            file.append(signals)
        file.save(tmp_path / name, overwrite=True)
    with closing(open_file(tmp_path / name)) as file:
        assert {channel.unit for channel in file.channels} == {"bar"}
        for channel, (_, in_unit) in zip(file.channels, 3 * cases, strict=True):
            np.testing.assert_allclose(file.read(channel, 20, 80), in_unit[20:80], rtol=1e-12)


def test_a_formula_of_bits_is_computed_in_integers(tmp_path):
    raw = np.arange(4000, 4200).astype(np.uint16) + 0x8000
    path = written_by_formula(tmp_path, raw, "(X & 4095)*0.5")
    np.testing.assert_array_equal(decode_new(path)[0][0], (raw & 4095) * 0.5)


@pytest.mark.parametrize("formula", ["gain(X)", "X^2", "Y+1", "__import__('os')", "X; X"])
def test_a_formula_that_is_not_read_is_refused_with_and_without_sympy(tmp_path, formula):
    # Without SymPy asammdf 8.8.28 returns the integers of the file as if they were in the unit.
    path = written_by_formula(tmp_path, np.arange(200).astype(np.int16), formula)
    with pytest.raises(
        DataError, match="its channel p is given by the formula .*, and what numexpr computes from X is"
    ):
        decode_new(path)


def written_by_formula(folder, raw, formula):
    stamps = np.arange(len(raw)) / RATE
    with asammdf.MDF(version="4.10") as file:
        file.append([asammdf.Signal(raw, stamps, unit="g", name="p", conversion={"formula": formula})])
        file.save(folder / "a.mf4", overwrite=True)
    return folder / "a.mf4"
