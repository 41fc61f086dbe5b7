"""asdcore.data.clip_index.differing_clips: the few clips that are picked are not neighbours."""

from __future__ import annotations

import hashlib

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore.data.clip_index.differing_clips import spread


def cell(recordings, *, ordered=True, domain="source"):
    """Clips of one machine and section, recording by recording: (name or None, number of clips)."""
    rows, place = [], 0
    for recording, count in recordings:
        for _ in range(count):
            rows.append(
                {
                    "clip": f"{domain}_{place}.wav",
                    "machine": "fan",
                    "section": "00",
                    "domain": domain,
                    "recording": recording,
                    "order": float(place) if ordered else None,
                    "sha256": hashlib.sha256(f"{domain}{place}".encode()).hexdigest(),
                }
            )
            place += 1
    return pl.DataFrame(rows, schema_overrides={"order": pl.Float64, "recording": pl.String})


@pytest.mark.parametrize("clips", [1, 2, 5, 7])
def test_along_the_order_no_two_are_nearer_than_a_stretch_allows(clips):
    picked = spread(cell([(None, 100)]), clips)["order"].sort()
    assert len(picked) == clips
    assert picked.diff().drop_nulls().min() is None or picked.diff().drop_nulls().min() >= 100 // clips
    assert picked[0] >= 50 // clips - 1


def test_every_recording_gives_a_clip_before_any_gives_two():
    # One recording of 90 clips, and four of two: stretches of equal length would all lie in the long one.
    index = cell([("long", 90), ("a", 2), ("b", 2), ("c", 2), ("d", 2)])
    assert spread(index, 5)["recording"].sort().to_list() == ["a", "b", "c", "d", "long"]
    assert spread(index, 20)["recording"].value_counts().sort("recording")["count"].to_list() == [2, 2, 2, 2, 12]


def test_of_many_recordings_those_far_apart_in_time_are_picked():
    index = cell([(f"{(7 * i) % 30:02d}", 3) for i in range(30)])
    picked = spread(index, 3)
    assert picked["recording"].n_unique() == 3
    assert picked["order"].sort().diff().drop_nulls().min() > 20


def test_where_nothing_is_known_digests_decide_and_names_do_not():
    index = cell([(None, 50)], ordered=False)
    chosen = spread(index, 5)["sha256"].to_list()
    assert chosen == spread(index.reverse(), 5)["sha256"].to_list() == sorted(chosen)


def test_domains_are_picked_from_each_by_itself():
    index = pl.concat([cell([(None, 40)]), cell([(None, 3)], domain="target")])
    assert spread(index, 5)["domain"].to_list() == ["source"] * 5 + ["target"] * 3


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, 40), st.booleans(), st.booleans())
def test_as_many_as_wanted_are_picked_each_once_whatever_the_order_of_rows(sizes, clips, named, ordered):
    index = cell([(str(i) if named else None, n) for i, n in enumerate(sizes)], ordered=ordered)
    picked = spread(index, clips)
    assert len(picked) == picked["sha256"].n_unique() == min(clips, len(index))
    assert picked.equals(spread(index.sample(fraction=1, shuffle=True, seed=1), clips))
    if named and clips >= len(sizes):
        assert picked["recording"].n_unique() == len(sizes)


def test_clips_that_sound_the_same_are_told_apart_by_name():
    index = cell([("a", 2), ("b", 6)]).with_columns(sha256=pl.lit("same"))
    assert spread(index, 8)["clip"].n_unique() == 8


def test_no_clips_at_all_give_none():
    assert len(spread(cell([(None, 3)]).clear(), 5)) == 0
