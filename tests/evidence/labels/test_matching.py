"""A run's test clips and an official ground truth meet by name, whatever the file format."""

from __future__ import annotations

import polars as pl
import pytest

from asdcore.errors import EvaluationError
from asdcore.evidence.labels.matching import match_truth


def clips(*names):
    rows = [(f"fan/test/{name}", "fan", "00", "test") for name in names]
    rows.append(("fan/train/section_00_source_train_normal_0000_x.wav", "fan", "00", "train"))
    return pl.DataFrame(rows, schema=["clip", "machine", "section", "split"], orient="row")


def truth(*rows, machine="fan"):
    columns = ["machine", "section", "clip", "label", "domain", "alias"]
    return pl.DataFrame([(machine, "00", *row) for row in rows], schema=columns, orient="row")


BOTH = truth(
    ("section_00_0000.wav", 0, "source", "section_00_source_test_normal_0000_volt_3.0"),
    ("section_00_0001.wav", 1, "target", "section_00_target_test_anomaly_0001_volt_1.5"),
)


@pytest.mark.parametrize(
    "names",
    [
        ("section_00_0000.wav", "section_00_0001.wav"),
        ("section_00_0001.flac", "section_00_0000.FLAC"),
        ("section_00_source_test_normal_0000_volt_3.0.wav", "section_00_target_test_anomaly_0001_volt_1.5.flac"),
    ],
    ids=["anonymous", "another format", "labelled"],
)
def test_clips_are_found_under_either_name(names):
    found = {clip: (label, domain) for clip, label, domain in match_truth(BOTH, clips(*names)).rows()}
    assert len(found) == 2
    for clip, (label, domain) in found.items():
        assert (label, domain) == ((1, "target") if "0001" in clip else (0, "source"))


def test_truth_of_other_machines_is_left_alone():
    more = pl.concat([BOTH, truth(("section_00_0000.wav", 1, "source", None), machine="pump")])
    assert len(match_truth(more, clips("section_00_0000.wav", "section_00_0001.wav"))) == 2


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("section_00_0000.wav",), "fan section 00: 1 missing: section_00_0001.wav"),
        (
            ("section_00_0000.wav", "section_00_0001.wav", "section_00_0002.wav"),
            "1 not in the ground truth: section_00_0002",
        ),
    ],
)
def test_what_does_not_fit_is_named(names, said):
    with pytest.raises(EvaluationError, match=said):
        match_truth(BOTH, clips(*names))
