"""A recording that is not as the train clips were is refused in one sentence, which says what to do."""

from __future__ import annotations

import polars as pl
import pytest

from asdcore.data.clip_index.recording_kind import RecordingKind, kind_of

KIND = RecordingKind("pump section 00", 2, (16000,), "m/s^2")

MISFITS = {
    "channels": ((1, 16000, "m/s^2"), "1 channel at 16000 Hz in m/s^2; the train clips", "Record with 2 channels"),
    "higher rate": ((2, 48000, "m/s^2"), "2 channels at 48000 Hz", "Convert it to 16000 Hz first"),
    "lower rate": ((2, 8000, "m/s^2"), "at 8000 Hz", "Record at 16000 Hz, or learn from recordings at 8000 Hz"),
    "unit": ((2, 16000, "g"), "at 16000 Hz in g; ", "Convert its samples to m/s^2"),
    "unknown unit": ((2, 16000, ""), "in an unknown unit; ", "say so: FILE#unit=m%2Fs%5E2"),
}


@pytest.mark.parametrize(("recording", "found", "remedy"), MISFITS.values(), ids=MISFITS)
def test_what_differs_is_said_with_what_was_learnt_and_what_to_do(recording, found, remedy):
    said = KIND.misfit(*recording)
    assert found in said
    assert "the train clips of pump section 00 have 2 channels at 16000 Hz in m/s^2, and only that is heard." in said
    assert said.count(". ") == 1, "one remedy"
    assert remedy in said
    assert not said.endswith("."), "whoever says it ends the sentence"


def test_what_fits_gives_nothing_and_everything_that_differs_is_said_at_once():
    assert KIND.misfit(2, 16000, "m/s^2") == KIND.misfit(2, 16000, None) == ""
    assert all(remedy in KIND.misfit(1, 8000, "g") for remedy in ("Record with 2", "Record at 16000", "Convert its"))


def test_without_a_known_unit_any_fits_and_none_is_spoken_of():
    kind = RecordingKind("pump section 00", 1, (8000, 16000))
    assert kind.misfit(1, 8000, "g") == kind.misfit(1, 16000, "") == ""
    said = kind.misfit(2, 12000, "g")
    assert " in g" not in said
    assert "1 channel at 8000 or 16000 Hz, and" in said
    assert "Convert it to 8000 Hz first" in said
    assert "FILE#channel=1" in said


def test_the_kind_of_train_clips_comes_from_their_index():
    clips = pl.DataFrame({"clip": ["a", "b"], "channels": [1, 1], "sample_rate": [25600, 25600], "unit": ["g", "g"]})
    assert kind_of("mill", clips) == RecordingKind("mill", 1, (25600,), "g")
    assert kind_of("mill", clips.drop("unit")).unit is None
    assert kind_of("mill", clips.with_columns(unit=pl.lit(None, pl.String))).unit is None
