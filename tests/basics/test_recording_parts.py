"""Names of parts of recordings: what is written is read back, and no file's own name is mistaken for one."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore.basics.recording_parts import Part, part_digest, part_name, part_of, recording_path, seconds_text

TIMES = st.floats(0, 1e6, allow_nan=False)
CHANNELS = st.none() | st.text(min_size=1)
RATES = st.none() | st.integers(1, 10**7)


@given(TIMES, TIMES | st.none(), CHANNELS, RATES)
def test_a_part_is_read_back_as_it_was_written(start, end, channel, rate):
    name = part_name("hall 2/a#1.wav", start, end, channel, rate)
    part = part_of(name)
    assert part.file == "hall 2/a#1.wav"
    assert (part.channel, part.rate) == (channel, rate)
    assert part.seconds == (Decimal(repr(start)), None if end is None else Decimal(repr(end)))
    assert name == part_name(*part)
    assert name.count("/") == 1


@given(st.text())
def test_a_name_without_a_part_is_the_file_itself(text):
    name = f"{text}.wav"
    assert part_of(name) == Part(name)


@pytest.mark.parametrize(
    "name", ["a.wav#t=1-2.wav", "a.b#channel=3.wav", "a#t=1-2", "a.wav#t=-2", "a.wav#", "a.wav#x=1"]
)
def test_files_with_odd_names_are_no_parts(name):
    assert part_of(name).is_whole


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "ten", "1e400", ""])
def test_what_is_no_time_is_refused(seconds):
    with pytest.raises(ValueError, match="is not a time in seconds"):
        seconds_text(seconds)


def test_the_digest_depends_on_the_file_and_the_part_and_on_no_name():
    parts = ["a.wav", "a.wav#t=0-1", "a.wav#t=0-2", "a.wav#t=0-1&channel=1", "a.wav#channel=1", "a.wav#rate=8000"]
    digests = [part_digest(name, "00") for name in parts] + [part_digest("a.wav#t=0-1", "01")]
    assert len(set(digests)) == 7
    assert part_digest("b/c.wav#t=0-1", "00") == digests[1]


def test_the_file_of_a_part_lies_where_the_part_does():
    assert recording_path(Path("x/y.wav#t=0-1")) == Path("x/y.wav")
    assert recording_path(Path("x/y.wav")) == Path("x/y.wav")


def test_parts_meet_where_they_may_have_sound_in_common():
    part = part_of("a.wav#t=1-2&channel=2")
    for meets in ("", "#t=0-", "#t=1.5-3", "#t=0-1.1", "#channel=2", "#t=1-2&channel=Accel%20X"):
        assert part.meets(part_of(f"a.wav{meets}"))
        assert part_of(f"a.wav{meets}").meets(part)
    for apart in ("#t=2-3", "#t=0-1", "#t=2-", "#t=1-2&channel=1"):
        assert not part.meets(part_of(f"a.wav{apart}"))
        assert not part_of(f"a.wav{apart}").meets(part)
