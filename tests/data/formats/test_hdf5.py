"""HDF5 files as h5py writes them: datasets are channels, attributes say rate and unit."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore.data.audio import decode_new, inspect_audio
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
