"""Which reader serves a file, what is said if its library is absent, and that a file is opened once for its windows."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.io import savemat

from asdcore.basics.paths import MEASURED, TABLES_OF_SAMPLES
from asdcore.data.clip_index.windows import windows_of
from asdcore.data.formats import by_ending
from asdcore.data.formats.damage import LIBRARIES
from asdcore.data.recordings.audio import decode_new, inspect_audio, is_long
from asdcore.errors import DataError


@pytest.fixture
def mat(tmp_path, signal):
    savemat(tmp_path / "a.mat", {"x": signal, "fs": 25600})
    return tmp_path / "a.mat"


def test_every_ending_has_a_reader():
    assert set(by_ending.MODULES) == {*MEASURED, *TABLES_OF_SAMPLES}


@pytest.mark.parametrize(
    ("ending", "library"),
    [(".tdms", "nptdms"), (".h5", "h5py"), (".HDF5", "h5py"), (".unv", "pyuff"), (".mf4", "asammdf")],
)
def test_an_absent_library_says_what_to_type(tmp_path, monkeypatch, ending, library):
    monkeypatch.setitem(sys.modules, library, None)
    path = tmp_path / f"a{ending}"
    path.write_bytes(b"anything")
    with pytest.raises(DataError) as refused:
        inspect_audio(path)
    assert str(refused.value) == (
        f"a{ending}: is read by the library {LIBRARIES[library]}, which is not installed. Type: "
        "pip install 'asdcore[formats]'"
    )


def test_a_file_is_opened_once_for_all_of_its_windows_and_again_if_it_changes(mat, signal, monkeypatch):
    opened = []
    make = by_ending._Held
    monkeypatch.setattr(by_ending, "_Held", lambda *given: opened.append(given) or make(*given))
    windows, _ = windows_of(mat, 0.05, 0.05)
    assert len(windows) == 10
    for window in windows:
        decode_new(window)
    assert len(opened) == 1
    savemat(mat, {"x": 2 * signal, "fs": 25600, "more": 1})
    np.testing.assert_array_equal(decode_new(windows[0])[0][0], (2 * signal[:1280]).astype(np.float32))
    assert len(opened) == 2


def test_a_long_channel_is_decoded_in_blocks_and_a_window_of_it_is_not_long(tmp_path):
    savemat(tmp_path / "long.mat", {"x": np.ones(3_000_000, np.float32), "fs": 51200})
    assert is_long(tmp_path / "long.mat")
    assert not is_long(tmp_path / "long.mat#t=1-2")
    assert inspect_audio(tmp_path / "long.mat#t=1-").n_samples == 3_000_000 - 51200


def test_what_a_library_raises_is_one_message(tmp_path):
    (tmp_path / "a.mat").write_bytes(b"\x00" * 200)
    with pytest.raises(DataError, match=r"^a.mat#channel=x: will not decode \(\w+"):
        inspect_audio(tmp_path / "a.mat#channel=x")
