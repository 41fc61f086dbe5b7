"""asdcore.data.clip_index.noticed: what tells the sound of a clip, of a whole recording and of a window of one."""

from __future__ import annotations

import polars as pl

from asdcore.basics.recording_parts import part_digest
from asdcore.data.clip_index.noticed import Noticed


def test_a_window_sounds_like_its_place_in_its_recording_unless_it_was_noticed_itself():
    noticed = Noticed(sounds={"a.wav": "00ff", "b.wav#t=0-1": "11ee"})
    clips = ["a.wav", "a.wav#t=0-1", "b.wav#t=0-1", "b.wav", "b.wav#t=1-2", "c.wav"]
    sounds = noticed.with_sounds(pl.DataFrame({"clip": clips}))["sound"]
    assert sounds.to_list() == ["00ff", part_digest("a.wav#t=0-1", "00ff"), "11ee", None, None, None]
    assert Noticed().with_sounds(pl.DataFrame(schema={"clip": pl.String}))["sound"].dtype == pl.String
