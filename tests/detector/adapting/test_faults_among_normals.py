"""A detector is asked of recordings of any length: in blocks if they are long, and to the same bits."""

from __future__ import annotations

import polars as pl
import pytest

from asdcore.data.recordings import audio
from asdcore.detector.adapting import faults_among_normals
from asdcore.detector.adapting.faults_among_normals import heard_by
from asdcore.progress import Silent


@pytest.fixture
def in_blocks(monkeypatch):
    """Take every recording for long, and hold none in memory."""
    monkeypatch.setattr(faults_among_normals, "is_long", lambda _: True)
    monkeypatch.setattr(audio, "HELD", 1000)
    monkeypatch.setattr(audio, "BLOCK", 1000)


def test_a_long_recording_is_heard_in_blocks_and_by_every_system(carried, detector, request):
    clips = carried.run.clips.filter(split="test", machine="fan").head(2)
    asked = (detector, ("fan", clips["section"][0]), clips, carried.root / "data", Silent())
    in_memory = heard_by(*asked)
    request.getfixturevalue("in_blocks")
    assert heard_by(*asked) == in_memory
    assert [set(heard.margins) for heard in in_memory] == 2 * [set(detector.systems)]


def test_a_long_recording_that_changed_since_it_was_listed_cannot_be_judged(carried, detector, in_blocks):
    clips = carried.run.clips.filter(split="test", machine="fan").head(1).with_columns(pl.lit("0" * 64).alias("sha256"))
    (heard,) = heard_by(detector, ("fan", clips["section"][0]), clips, carried.root / "data", Silent())
    assert "changed since it was indexed" in heard.trouble
    assert heard.is_above(detector.systems[0])
