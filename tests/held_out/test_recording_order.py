"""By what train normals are left out: what the portfolio asks, and what the data set knows."""

from __future__ import annotations

import polars as pl
import pytest

from asdcore.errors import DataError
from asdcore.held_out.recording_order import check_places, places
from asdcore.portfolio import OutOfFold
from asdcore.store.tables import CLIP_INDEX

COLUMNS = ("clip", "machine", "section", "split", "domain", "attributes", "order", "recording")
SCHEMA = {name: CLIP_INDEX.columns[name] for name in COLUMNS}


def train(*rows):
    """Train clips a, b, ... of one machine from (domain, attributes, order, recording)."""
    named = [(f"fan/train/{chr(97 + i)}.wav", "fan", "00", "train", *row) for i, row in enumerate(rows)]
    return pl.DataFrame(named, schema=SCHEMA, orient="row")


ORDERED = train(("source", "x", 3, None), ("source", None, 1, None), ("target", "x", 9, None), ("source", "x", 2, None))
CUT = train(("source", None, None, "r2"), ("source", None, None, "r1"), ("target", None, None, "r2"))
UNKNOWN = train(("source", None, None, None), ("source", None, None, None))


@pytest.mark.parametrize(
    ("clips", "by", "manner"),
    [
        (ORDERED, "auto", "neighbours"),
        (ORDERED, "neighbours", "neighbours"),
        (ORDERED, "attribute", "attribute"),
        (ORDERED, "clip", "clip"),
        (CUT, "auto", "recording"),
        (CUT, "recording", "recording"),
        (CUT, "attribute", "recording"),  # as "auto" would, where no attributes are known
        (CUT, "clip", "clip"),
        (UNKNOWN, "auto", "clip"),
        (UNKNOWN, "attribute", "clip"),
    ],
)
def test_what_is_known_decides_by_what_clips_are_left_out(clips, by, manner):
    assert places(clips, OutOfFold(by=by)).manner == manner


def test_places_are_ranks_within_each_domain_and_groups_are_numbered_by_name():
    known = places(ORDERED, OutOfFold(by="attribute"))
    assert known.order == (2, 0, 0, 1)
    assert known.group[0] == known.group[2] == known.group[3] != known.group[1]
    assert places(CUT, OutOfFold()).group == (1, 0, 1)


@pytest.mark.parametrize(
    ("clips", "by", "said"),
    [
        (ORDERED, "recording", r"fan section 00: out_of_fold.by is 'recording'.*does not say which recording.*'auto'"),
        (CUT, "neighbours", r"fan section 00: out_of_fold.by is 'neighbours'.*does not say in which order.*'order'"),
        (UNKNOWN, "neighbours", "data index"),
    ],
)
def test_what_is_asked_for_and_unknown_is_refused_with_what_to_type(clips, by, said):
    with pytest.raises(DataError, match=said):
        places(clips, OutOfFold(by=by))
    with pytest.raises(DataError, match=said):
        check_places(clips, OutOfFold(by=by))


def test_an_unknown_order_is_said_once_for_all_machines():
    other = UNKNOWN.with_columns(machine=pl.lit("pump"), clip=pl.col("clip").str.replace("fan", "pump"))
    (note,) = check_places(pl.concat([UNKNOWN, other]), OutOfFold())
    assert note.startswith("fan section 00, pump section 00: the data set names neither order nor recording")
    assert check_places(ORDERED, OutOfFold()) == check_places(CUT, OutOfFold()) == []
    assert check_places(UNKNOWN, OutOfFold(by="clip")) == []


def test_machines_without_attributes_are_named_with_what_is_left_out_instead():
    (note,) = check_places(ORDERED.with_columns(attributes=pl.lit(None, pl.String)), OutOfFold(by="attribute"))
    assert note == "no train clip has attributes, so others are left out: fan section 00: neighbours."


def test_by_clip_nothing_that_is_known_counts_for_a_score():
    assert places(ORDERED, OutOfFold(by="clip")).recipe == places(UNKNOWN, OutOfFold(by="clip")).recipe
    assert places(ORDERED, OutOfFold()).recipe != places(UNKNOWN, OutOfFold()).recipe


def test_seconds_from_the_beginning_of_each_recording_do_not_mix_recordings():
    windows = train(*(("source", None, second, name) for name in ("b", "a") for second in (0, 10, 20)))
    assert places(windows, OutOfFold()).order == (3, 4, 5, 0, 1, 2)
    later = train(*(("source", None, second, name) for name, second in (("b", 1), ("b", 2), ("a", 7), ("a", 8))))
    assert places(later, OutOfFold()).order == (0, 1, 2, 3)
