"""Universal files as pyuff writes them, in text and binary: rates of six digits, and sets that end nowhere."""

from __future__ import annotations

import gc
import warnings

import numpy as np
import pytest

from asdcore.data.formats import uff58
from asdcore.data.recordings.audio import decode_new, inspect_audio
from asdcore.errors import DataError

pyuff = pytest.importorskip("pyuff", reason="pyuff is not installed: pip install 'asdcore[formats]'")


def write(path, rate, binary, **channels):
    for name, values in channels.items():
        about = {"type": 58, "func_type": 1, "rsp_node": 5, "rsp_dir": 3, "ref_dir": 0, "ref_node": 0, "id1": name}
        about |= {"data": values, "x": np.arange(len(values)) / rate, "abscissa_spacing": 1, "abscissa_min": 0}
        about |= {
            "abscissa_inc": 1 / rate,
            "abscissa_spec_data_type": 17,
            "ordinate_spec_data_type": 12,
            "binary": binary,
        }
        about |= {"ordinate_axis_units_lab": "m/s^2", "orddenom_spec_data_type": 0, "rsp_ent_name": "mill"}
        with warnings.catch_warnings():  # pyuff leaves a file open when it writes binary sets
            warnings.simplefilter("ignore", ResourceWarning)
            pyuff.UFF(str(path)).write_sets(about, "add")
            gc.collect()
    return path


@pytest.mark.parametrize("binary", [0, 1])
@pytest.mark.parametrize("rate", [25600, 51200, 48000, 44100])
def test_channels_rate_and_unit_come_from_the_file(tmp_path, signal, binary, rate):
    path = write(tmp_path / "a.uff", rate, binary, first=signal, second=-2 * signal)
    with pytest.raises(DataError, match="has 2 channels and none is chosen: first, second"):
        inspect_audio(path)
    heard, facts = decode_new(path.with_name("a.uff#t=0.1-0.2&channel=second"))
    assert (facts.sample_rate, facts.unit, facts.n_samples) == (rate, "m/s^2", rate // 10)
    expected = -2 * signal[rate // 10 : rate // 5]
    np.testing.assert_allclose(heard[0], expected, rtol=1e-6)


def test_unv_is_another_ending_and_what_is_no_response_in_time_is_no_channel(tmp_path, signal):
    path = write(tmp_path / "a.unv", 25600, 0, only=signal)
    content = path.read_text()
    about = {"type": 151, "model_name": "m", "description": "d", "db_app": "a", "program": "p"}
    pyuff.UFF(str(path)).write_sets(about, "add")
    assert inspect_audio(path).n_samples == len(signal)
    path.write_text(content.replace("\n    1         0", "\n    4         0"))  # a frequency response
    with pytest.raises(DataError, match="holds no channel of numbers in time"):
        inspect_audio(path)


@pytest.mark.parametrize("binary", [0, 1])
@pytest.mark.parametrize("kept", [0.9, 0.4, 0.02])
def test_a_file_cut_short_is_refused(tmp_path, signal, binary, kept):
    path = write(tmp_path / "a.uff", 25600, binary, first=signal, second=signal)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DataError, match=r"^a.uff: cut short, its last data set has no end"):
        inspect_audio(path)


def uneven(path, signal, **changes):
    about = {"type": 58, "func_type": 1, "rsp_node": 5, "rsp_dir": 3, "ref_node": 0, "ref_dir": 0, "id1": "x"}
    about |= {"binary": 0, "data": signal, "orddenom_spec_data_type": 0, "ordinate_spec_data_type": 12}
    about |= {"x": np.arange(len(signal)) / 25600, "abscissa_spacing": 0, "abscissa_spec_data_type": 17}
    pyuff.UFF(str(path)).write_sets(about | changes, "add")
    return path


def test_unevenly_spaced_sets_are_looked_at(tmp_path, signal):
    signal = signal[:1000]
    assert inspect_audio(uneven(tmp_path / "a.uff", signal)).sample_rate == 25600
    jumping = np.arange(len(signal)) / 25600 + 0.01 * (np.arange(len(signal)) > 500)
    path = uneven(tmp_path / "b.uff", signal, x=jumping)
    with pytest.raises(DataError, match="its channel x is sampled unevenly"):
        inspect_audio(path.with_name("b.uff#rate=25600"))


def test_an_abscissa_in_milliseconds_and_in_an_unknown_unit(tmp_path, signal):
    milliseconds = np.arange(1000) / 25.6
    path = uneven(tmp_path / "a.uff", signal[:1000], x=milliseconds, abscissa_axis_units_lab="ms", abscissa_spacing=1)
    assert inspect_audio(path).sample_rate == 25600
    path = uneven(tmp_path / "b.uff", signal[:1000], x=milliseconds, abscissa_axis_units_lab="deg", abscissa_spacing=1)
    with pytest.raises(DataError, match="does not say the sample rate of its channel x"):
        inspect_audio(path)


def test_complex_ordinates_are_named(tmp_path, signal):
    path = uneven(tmp_path / "a.uff", signal[:100] * (1 + 1j), ord_data_type=6, abscissa_spacing=1)
    with pytest.raises(DataError, match=r"holds no channel of numbers in time, but x \(no real response in time\)"):
        inspect_audio(path)


def test_a_set_that_is_too_long_to_be_read_whole_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = write(tmp_path / "a.uff", 25600, 1, only=np.zeros(1000))
    monkeypatch.setattr(uff58, "MOST", 999)
    monkeypatch.setattr(uff58.UffRecording, "read", None)
    with pytest.raises(DataError, match=r"a.uff: its channel only has 1000 samples, and at most 999 .* HDF5 or WAV"):
        inspect_audio(path)
