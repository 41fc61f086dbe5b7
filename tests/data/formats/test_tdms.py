"""TDMS files as npTDMS writes them: rate and unit come from the file, channels by their names."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore.data.recordings.audio import decode_new, inspect_audio
from asdcore.errors import DataError

nptdms = pytest.importorskip("nptdms", reason="npTDMS is not installed: pip install 'asdcore[formats]'")
RATE = 25600
WAVEFORM = {"wf_increment": 1 / RATE, "unit_string": "m/s^2"}


def write(path, *channels):
    """Write channels (name, values, properties) in two segments, as a logger does."""
    with nptdms.TdmsWriter(path) as writer:
        for first in (True, False):
            halves = [(name, np.array_split(values, 2)[not first], about) for name, values, about in channels]
            writer.write_segment([nptdms.ChannelObject("V", name, half, about) for name, half, about in halves])
    return path


def test_samples_rate_and_unit_come_from_the_file(tmp_path, signal):
    path = write(tmp_path / "a.tdms", ("Accel X", signal, WAVEFORM))
    heard, facts = decode_new(path)
    np.testing.assert_array_equal(heard[0], signal.astype(np.float32))
    assert (facts.sample_rate, facts.channels, facts.unit) == (RATE, 1, "m/s^2")
    assert facts == inspect_audio(path)


def test_a_channel_is_chosen_by_its_name_or_number(tmp_path, signal):
    counts = (100 * signal).astype(np.int16)
    notes = np.array(["a", "b"])
    path = write(tmp_path / "a.tdms", ("Note", notes, {}), ("Accel X", signal, WAVEFORM), ("Accel Y", counts, WAVEFORM))
    with pytest.raises(DataError, match="has 2 channels and none is chosen: V/Accel X, V/Accel Y"):
        inspect_audio(path)
    by_name, _ = decode_new(path.with_name("a.tdms#t=0.125-0.25&channel=V%2FAccel%20Y"))
    np.testing.assert_array_equal(by_name[0], counts[RATE // 8 : RATE // 4])
    assert np.array_equal(decode_new(path.with_name("a.tdms#channel=2"))[0][0], counts)
    with pytest.raises(DataError, match="no channel 'V/Accel Z'. Did you mean 'V/Accel "):
        inspect_audio(path.with_name("a.tdms#channel=V%2FAccel%20Z"))


def test_a_rate_that_the_file_does_not_say_is_asked_for(tmp_path, signal):
    path = write(tmp_path / "a.tdms", ("x", signal, {}))
    with pytest.raises(DataError, match=r"does not say the sample rate of its channel V/x. Give it in Hz"):
        inspect_audio(path)
    given = inspect_audio(path.with_name("a.tdms#rate=25600&unit=g"))
    assert (given.sample_rate, given.unit) == (25600, "g")
    path = write(tmp_path / "b.tdms", ("x", signal, WAVEFORM))
    for wrong, problem in (
        ("rate=16000", "given as 16000 Hz, and the file says 25600 Hz"),
        ("unit=g", "given as g, and"),
    ):
        with pytest.raises(DataError, match=problem):
            inspect_audio(path.with_name(f"b.tdms#{wrong}"))


@pytest.mark.parametrize("kept", [0.9, 0.6, 0.3, 0.001])
def test_a_file_cut_short_is_refused(tmp_path, signal, kept):
    path = write(tmp_path / "a.tdms", ("x", signal, WAVEFORM))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DataError, match=r"^a.tdms: "):
        inspect_audio(path)


@pytest.mark.parametrize(
    ("properties", "problem"),
    [
        ({"wf_increment": float("nan")}, "its channel V/x says that wf_increment is nan, and a number of seconds"),
        ({"wf_increment": -1 / RATE}, "says that wf_increment is -3.90625e-05"),
        ({"wf_increment": "0,0001"}, "says that wf_increment is 0,0001"),
        ({"wf_increment": 1}, "says 1 Hz, from 1,000 to 4,000,000 Hz is allowed"),
        (
            {**WAVEFORM, "NI_Number_Of_Scales": 1, "NI_Scale[0]_Scale_Type": "Secret"},
            r"is scaled in a way that npTDMS does not know \(Secret\)",
        ),
    ],
)
def test_a_rate_or_a_scaling_that_cannot_be_is_refused(tmp_path, signal, properties, problem):
    path = write(tmp_path / "a.tdms", ("x", signal, properties))
    with pytest.raises(DataError, match=problem):
        inspect_audio(path)


def test_integers_are_scaled_as_the_file_says(tmp_path, signal):
    counts = (100 * signal).astype(np.int16)
    scaling = {
        "NI_Number_Of_Scales": 1,
        "NI_Scaling_Status": "unscaled",
        "NI_Scale[0]_Scale_Type": "Linear",
        "NI_Scale[0]_Linear_Slope": 0.01,
        "NI_Scale[0]_Linear_Y_Intercept": -2.0,
        "NI_Scale[0]_Linear_Input_Source": 0xFFFFFFFF,
    }
    path = write(tmp_path / "a.tdms", ("x", counts, {**WAVEFORM, **scaling}))
    heard, _ = decode_new(path.with_name("a.tdms#t=0.25-0.375"))
    np.testing.assert_allclose(heard[0], (0.01 * counts - 2)[RATE // 4 : RATE * 3 // 8], rtol=1e-6)


def test_what_is_no_sound_is_named(tmp_path, signal):
    path = write(tmp_path / "a.tdms", ("lamp", signal > 9, {}), ("moment", signal.astype("datetime64[us]"), {}))
    with pytest.raises(DataError, match=r"holds no channel of numbers in time, but V/lamp \(of the type bool\), V/mom"):
        inspect_audio(path)
    path = write(tmp_path / "b.tdms", ("lamp", signal > 9, {}), ("x", signal, WAVEFORM))
    with pytest.raises(DataError, match=r"its V/lamp is no channel of numbers in time: of the type bool"):
        inspect_audio(path.with_name("b.tdms#channel=V%2Flamp"))


def test_the_name_that_a_message_offers_can_be_typed(tmp_path, signal):
    path = write(tmp_path / "a.tdms", ("Accel X", signal, WAVEFORM), ("Accel Y", signal, WAVEFORM))
    with pytest.raises(DataError) as error:
        inspect_audio(path)
    ending = str(error.value).rpartition("ends in ")[2].strip("'")
    assert inspect_audio(path.with_name(f"a.tdms{ending}")).sample_rate == RATE
