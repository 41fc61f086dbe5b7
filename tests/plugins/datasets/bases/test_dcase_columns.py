"""Names read at once say what each says alone."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdcore import DataError
from asdcore_plugins.datasets.bases.dcase_columns import SAID, read_names
from asdcore_plugins.datasets.bases.dcase_names import FOLDERS, FORMS, TASKS, ClipName, parse_name

WORDS = (
    "section",
    "00",
    "id",
    "normal",
    "anomaly",
    "source",
    "target",
    "train",
    "test",
    "0001",
    "noAttribute",
    "ü",
    "",
)
TAILS = st.sampled_from([None, "", "noAttribute", "_NOATTRIBUTES_", "speed_5", "ü"])


def option(*words):
    return st.sampled_from(words)


SPELT = st.builds(
    lambda form, clip, suffix: FORMS[form].spell(clip) + suffix,
    st.sampled_from(sorted(FORMS)),
    st.builds(
        ClipName,
        section=option("00", "1", "12"),
        split=option("train", "test"),
        domain=option("source", "target", "both"),
        label=option("normal", "anomaly"),
        index=option("0001", "12", "123456"),
        attributes=TAILS,
    ),
    option(".wav", ".WAV", ".flac", ".mp3", ""),
)
NAMES = SPELT | st.lists(st.sampled_from(WORDS), max_size=7).map("_".join)


def alone(name, folder, task):
    try:
        said = parse_name(name, folder, task)
    except DataError:
        return (None,) * len(SAID)
    return tuple(getattr(said, part) for part in SAID)


@pytest.mark.parametrize("task", TASKS)
@settings(deadline=None)
@given(st.lists(st.tuples(NAMES, st.sampled_from(sorted(FOLDERS))), max_size=30))
def test_names_read_at_once_say_what_each_says_alone(task, clips):
    files = pl.DataFrame(clips, schema={"name": pl.String, "folder": pl.String}, orient="row")
    read = read_names(files, task)
    assert read.select("name", "folder").equals(files)
    assert read.select(SAID).rows() == [alone(name, folder, task) for name, folder in clips]
