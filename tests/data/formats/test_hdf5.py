"""HDF5 files as h5py writes them: datasets are channels, attributes say rate and unit."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore.data.recordings.audio import decode_new, inspect_audio
from asdcore.errors import DataError

h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install 'asdcore[formats]'")
RATE = 51200


def test_attributes_of_a_dataset_or_of_a_group_around_it_say_rate_and_unit(tmp_path, signal):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["Sample_Rate"] = RATE
        group = file.create_group("sensors")
        group.create_dataset("accel", data=signal).attrs["unit"] = "g"
        group.create_dataset("three", data=np.stack([signal, -signal, 2 * signal], axis=1), chunks=(1000, 3))
        group.create_dataset("rows", data=np.stack([signal, 3 * signal]))
        file["name"] = "mill"
        file["table"] = np.zeros((500, 500))
    channels = {"sensors%2Faccel": signal, "sensors%2Fthree%5B3%5D": 2 * signal, "sensors%2Frows%5B2%5D": 3 * signal}
    for channel, values in channels.items():
        heard, facts = decode_new(tmp_path / f"a.h5#t=0.1-0.2&channel={channel}")
        np.testing.assert_array_equal(heard[0], values[RATE // 10 : RATE // 5].astype(np.float32))
        assert (facts.sample_rate, facts.unit) == (RATE, "g" if channel.endswith("accel") else "")
    with pytest.raises(DataError, match=r"has 6 channels and none is chosen: sensors/accel, sensors/rows\[1\]"):
        inspect_audio(tmp_path / "a.h5")


def test_without_a_rate_it_is_asked_for_and_an_odd_one_refused(tmp_path, signal):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["x"] = signal
    with pytest.raises(DataError, match="does not say the sample rate of its channel x"):
        inspect_audio(tmp_path / "a.hdf5")
    with h5py.File(tmp_path / "b.hdf5", "w") as file:
        file["x"] = signal
        file["x"].attrs["fs"] = 10240.5
    with pytest.raises(DataError, match=r"has 10240.5 samples a second by its own clock, and a whole number"):
        inspect_audio(tmp_path / "b.hdf5")
    assert inspect_audio(tmp_path / "b.hdf5#rate=10240").sample_rate == 10240
    with pytest.raises(DataError, match=r"has 10240.5 samples a second"):
        inspect_audio(tmp_path / "b.hdf5#rate=16000")


def test_a_damaged_file_and_an_empty_one_are_named(tmp_path, signal):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = signal
    content = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"^a.h5: will not decode \(OSError: .*truncated"):
        inspect_audio(tmp_path / "a.h5")
    with h5py.File(tmp_path / "none.h5", "w"):
        pass
    with pytest.raises(DataError, match="none.h5: holds no channel of numbers in time"):
        inspect_audio(tmp_path / "none.h5")


def test_a_nan_is_refused_as_in_any_recording(tmp_path, signal):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.where(np.arange(len(signal)) == 77, np.nan, signal)
    with pytest.raises(DataError, match="holds samples that are not finite"):
        inspect_audio(tmp_path / "a.h5#rate=25600")


def file_of(path, values, **attributes):
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("x", data=values)
        dataset.attrs.update(attributes)
    return path


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ({"fs": "25.6 kHz"}, "its channel x says that fs is '25.6 kHz', and a number of Hz is allowed"),
        ({"fs": np.nan}, "says that fs is nan"),
        ({"fs": 0}, "says that fs is 0"),
        ({"fs": 500}, "says 500 Hz, from 1,000 to 4,000,000 Hz is allowed"),
        ({"fs": [25600, 51200]}, "says that fs is '25600, 51200'"),
        ({"fs": 25600, "sample_rate": 51200}, "says two sample rates: sample_rate is 51200 Hz, fs is 25600 Hz"),
        ({"fs": np.array([])}, "does not say the sample rate"),
    ],
)
def test_a_rate_that_cannot_be_is_refused(tmp_path, signal, attributes, problem):
    with pytest.raises(DataError, match=problem):
        inspect_audio(file_of(tmp_path / "a.h5", signal, **attributes))


def test_rates_and_units_may_be_those_of_single_columns(tmp_path, signal):
    path = file_of(tmp_path / "a.h5", np.stack([signal, -signal], 1), fs=[25600, RATE], units=["g", "V"])
    facts = inspect_audio(path.with_name("a.h5#channel=x%5B2%5D"))
    assert (facts.sample_rate, facts.unit) == (RATE, "V")


def test_packed_numbers_are_unpacked_and_a_fill_value_is_none(tmp_path):
    counts = np.arange(1000, dtype=">i2")
    path = file_of(tmp_path / "a.h5", counts, fs=RATE, scale_factor=0.01, add_offset=5.0)
    np.testing.assert_allclose(decode_new(path)[0][0], 0.01 * np.arange(1000) + 5, rtol=1e-6)
    path = file_of(tmp_path / "b.h5", counts, fs=RATE, _FillValue=np.int16(999))
    with pytest.raises(DataError, match="holds samples that are not finite"):
        decode_new(path)


def test_what_was_never_written_is_no_silence(tmp_path, signal):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", (len(signal),), "f8", chunks=(100,))[:500] = signal[:500]
        file.create_dataset("y", (len(signal),), "f8")
        layout = h5py.VirtualLayout((10,), "f8")
        layout[:] = h5py.VirtualSource("gone.h5", "x", (10,))
        file.create_virtual_dataset("z", layout)
    for channel, problem in (
        ("x", "was not written to its end: 5 of 128 chunks are there"),
        ("y", "was never written"),
        ("z", "is put together from other files, and one is missing: gone.h5"),
    ):
        with pytest.raises(DataError, match=f"its channel {channel} {problem}"):
            inspect_audio(tmp_path / f"a.h5#channel={channel}&rate=25600")


def test_an_attached_axis_of_time_says_the_rate_and_where_it_jumps(tmp_path, signal):
    for name, jump in (("a.h5", 0.0), ("b.h5", 0.25)):
        with h5py.File(tmp_path / name, "w") as file:
            file["x"] = signal
            middle = (np.arange(len(signal)) > 5000) & (np.arange(len(signal)) < 8000)
            file["time"] = 1000 * (np.arange(len(signal)) / RATE + jump * middle)
            file["time"].make_scale()
            file["time"].attrs["units"] = "ms"
            file["x"].dims[0].attach_scale(file["time"])
    assert inspect_audio(tmp_path / "a.h5").sample_rate == RATE
    with pytest.raises(DataError, match="its channel x is sampled unevenly: from its sample 5000 to the next"):
        decode_new(tmp_path / "b.h5#t=0-0.1")


def test_what_is_no_signal_is_named(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["table"] = np.zeros(9, dtype=[("time", "f8"), ("x", "f8")])
        file["cube"] = np.zeros((9, 3, 3))
    with pytest.raises(DataError, match=r"but cube \(of 3 dimensions\), table \(a table with fields\)"):
        inspect_audio(tmp_path / "a.h5")
