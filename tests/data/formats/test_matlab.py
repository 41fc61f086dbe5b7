"""MATLAB files of every version: variables are channels; a variable called as a rate is the rate."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

from asdcore.data.audio import decode_new, inspect_audio
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
