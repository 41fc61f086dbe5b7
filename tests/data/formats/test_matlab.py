"""MATLAB files of every version: variables are channels; a variable called as a rate is the rate."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

from asdcore.data.formats import matlab
from asdcore.data.recordings.audio import decode_new, inspect_audio
from asdcore.errors import DataError


@pytest.mark.parametrize("version", ["4", "5"])
def test_names_as_of_a_bearing_test_rig_and_no_rate(tmp_path, signal, version):
    variables = {"X097_DE_time": signal[:, None], "X097_FE_time": -signal[:, None], "X097RPM": np.array([[1796.0]])}
    savemat(tmp_path / "97.mat", variables, format=version)
    with pytest.raises(DataError, match="has 2 channels and none is chosen: X097_DE_time, X097_FE_time"):
        inspect_audio(tmp_path / "97.mat")
    with pytest.raises(DataError, match=r"does not say the sample rate of its channel X097_FE_time"):
        inspect_audio(tmp_path / "97.mat#channel=X097_FE_time")
    heard, facts = decode_new(tmp_path / "97.mat#t=0.5-1&channel=X097_FE_time&rate=12000")
    np.testing.assert_array_equal(heard[0], -signal[6000:12000].astype(np.float32))
    assert (facts.sample_rate, facts.unit) == (12000, "")


def test_a_variable_called_fs_is_the_rate_and_columns_have_numbers(tmp_path, signal):
    variables = {"x": np.stack([signal, 2 * signal], 1), "Fs": 51200, "note": "hall 2"}
    savemat(tmp_path / "a.mat", variables, do_compression=True)
    heard, facts = decode_new(tmp_path / "a.mat#channel=x%5B2%5D")
    np.testing.assert_array_equal(heard[0], (2 * signal).astype(np.float32))
    assert facts.sample_rate == 51200


def test_version_7_3_is_hdf5_inside(tmp_path, signal):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install 'asdcore[formats]'")
    path = tmp_path / "new.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in {"x": signal[None], "fs": np.array([[25600.0]])}.items():
            file[name] = values
            file[name].attrs["MATLAB_class"] = np.bytes_("double")
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    heard, facts = decode_new(path.with_name("new.mat#t=0-0.25"))
    np.testing.assert_array_equal(heard[0], signal[:6400].astype(np.float32))
    assert facts.sample_rate == 25600


@pytest.mark.parametrize("kept", [0.5, 0.01])
def test_a_file_cut_short_is_refused(tmp_path, signal, kept):
    savemat(tmp_path / "a.mat", {"x": signal, "fs": 25600})
    content = (tmp_path / "a.mat").read_bytes()
    (tmp_path / "a.mat").write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DataError, match=r"^a.mat: "):
        inspect_audio(tmp_path / "a.mat")


def test_complex_numbers_are_refused(tmp_path, signal):
    savemat(tmp_path / "a.mat", {"x": signal * 1j, "fs": 25600})
    with pytest.raises(DataError, match=r"^a.mat: its channel x holds complex numbers, and samples are real"):
        inspect_audio(tmp_path / "a.mat")


def test_a_structure_has_fields_and_may_have_the_rate(tmp_path, signal):
    bearing = {"sr": 97656.0, "gs": signal[:, None], "load": 270.0, "inner": {"two": np.stack([signal, -signal])}}
    savemat(tmp_path / "a.mat", {"bearing": bearing, "fs": 25600.0})
    heard, facts = decode_new(tmp_path / "a.mat#t=0-0.1&channel=bearing%2Finner%2Ftwo%5B2%5D")
    np.testing.assert_array_equal(heard[0], -signal[:9766].astype(np.float32))
    assert facts.sample_rate == 97656
    assert inspect_audio(tmp_path / "a.mat#channel=bearing%2Fgs").n_samples == len(signal)


def test_two_rates_and_a_rate_that_is_none_are_refused(tmp_path, signal):
    for rates, problem in (
        ({"fs": 25600.0, "sample_rate": 51200.0}, "says two sample rates: fs is 25600 Hz, sample_rate is 51200 Hz"),
        ({"fs": np.nan}, "its channel x says that fs is nan"),
    ):
        savemat(tmp_path / "a.mat", {"x": signal, **rates})
        with pytest.raises(DataError, match=problem):
            inspect_audio(tmp_path / "a.mat")


def test_what_is_no_signal_is_named(tmp_path):
    cell = np.empty((1, 2), object)
    cell[0] = [np.zeros(3), np.zeros(4)]
    savemat(tmp_path / "a.mat", {"note": "hall 2", "both": cell, "cube": np.zeros((2, 3, 4))})
    with pytest.raises(DataError, match=r"but note \(char of MATLAB\), both \(cell of MATLAB\), cube \(2 x 3 x 4 num"):
        inspect_audio(tmp_path / "a.mat")


def test_version_7_3_knows_timetables_text_and_empty_variables_from_samples(tmp_path, signal):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install 'asdcore[formats]'")
    path = tmp_path / "new.mat"
    variables = {
        "note": (np.array([[104, 105]], "u2"), "char"),
        "x": (signal[None], "double"),
        "tt": (np.zeros((1, 6), "u4"), "timetable"),
        "nothing": (np.array([0, 0], "u8"), "double"),
    }
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, (values, kind) in variables.items():
            file[f"run/{name}"] = values
            file[f"run/{name}"].attrs["MATLAB_class"] = np.bytes_(kind)
        file["run/nothing"].attrs["MATLAB_empty"] = 1
        file["Fs"] = np.array([[25600.0]])
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    assert (inspect_audio(path).sample_rate, inspect_audio(path).n_samples) == (25600, len(signal))
    with pytest.raises(DataError, match="its run/tt is no channel of numbers in time: timetable of MATLAB"):
        inspect_audio(path.with_name("new.mat#channel=run%2Ftt"))


def test_a_variable_that_is_too_large_to_be_read_whole_is_refused_before_it_is_read(tmp_path, monkeypatch):
    savemat(tmp_path / "a.mat", {"x": np.zeros((1000, 2))})
    monkeypatch.setattr(matlab, "LARGEST", 1999)
    monkeypatch.setattr(matlab.MatlabRecording, "_variable", None)
    with pytest.raises(DataError, match=r"a.mat.*: its channel x\[1\] has 2000 numbers, and at most 1999 .* '-v7.3'"):
        inspect_audio(tmp_path / "a.mat#channel=1&rate=1000")
