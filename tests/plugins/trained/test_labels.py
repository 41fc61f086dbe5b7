"""Classes of train clips: the golden lists, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from asdcore import DataError
from asdcore_plugins.datasets.bases.dcase_names import parse_name
from asdcore_plugins.trained.labels import build_labels

GOLDEN = Path(__file__).parents[2] / "golden" / "trained" / "6_labels"
FIELDS = {
    "machine_section_attr_domain": ["machine", "section", "attribute", "domain"],
    "machine_section_attr": ["machine", "section", "attribute"],
    "machine_section": ["machine", "section"],
    "machine_attr_domain": ["machine", "attribute", "domain"],
}


@pytest.fixture(scope="module")
def golden_clips():
    """The train clips of the golden file, as the dataset reader names their fields."""
    paths = [path for path in json.loads((GOLDEN / "input.json").read_text())["paths"] if "/train/" in path]
    names = [parse_name(path.rsplit("/", 1)[1], "train") for path in paths]
    return SimpleNamespace(
        paths=paths,
        machine=[path.split("/")[2] for path in paths],
        section=[name.section for name in names],
        domain=[name.domain for name in names],
        attributes=[name.attributes or "" for name in names],
    )


def made(**fields):
    return SimpleNamespace(**{"machine": [], "section": [], "domain": [], "attributes": [], **fields})


@pytest.mark.parametrize("case", FIELDS)
def test_classes_are_those_of_train_clips(golden_clips, case):
    expected = json.loads((GOLDEN / "expected.json").read_text())[case]
    labels = build_labels(golden_clips, FIELDS[case])
    assert list(labels.names) == expected["right_fitted_on_train"]["classes"]
    assert (
        dict(zip(golden_clips.paths, labels.index.tolist(), strict=True))
        == (expected["right_fitted_on_train"]["train_index"])
    )
    only_in_test = set(expected["peer_fitted_on_train_and_test"]["classes"]) - set(labels.names)
    assert only_in_test == set(expected["classes_only_in_test"])


def test_every_class_has_a_clip(golden_clips):
    labels = build_labels(golden_clips)
    assert labels.counts.min() > 0
    assert labels.counts.sum() == len(golden_clips.paths)


def test_clips_without_an_attribute_are_one_class_and_it_is_said(golden_clips):
    labels = build_labels(golden_clips)
    assert labels.without_attribute == ("RoboticArm---0---noAttribute---0", "RoboticArm---0---noAttribute---1")
    assert "2 of 12 classes have clips without an attribute" in labels.notes()[0]
    assert build_labels(golden_clips, ["machine", "section"]).notes() == []


def test_a_class_of_one_clip_is_said():
    clips = made(machine=["fan"] * 3, section=["00"] * 3, attributes=["a", "a", "b"], domain=["source"] * 3)
    assert build_labels(clips).notes() == ["1 of 2 classes have a single clip (fan---0---b---0)"]


def test_attributes_may_stand_in():
    clips = made(machine=["fan"] * 2, section=["00"] * 2, attributes=["", ""], domain=["source"] * 2)
    labels = build_labels(clips, attributes=["pseudo01", "pseudo00"])
    assert labels.names == ("fan---0---pseudo00---0", "fan---0---pseudo01---0")
    assert labels.index.tolist() == [1, 0]
    assert labels.without_attribute == ()


def test_a_section_with_letters_stays_as_it_is():
    clips = made(machine=["fan"] * 2, section=["A", "007"], attributes=["", ""], domain=["source", "target"])
    assert build_labels(clips, ["section", "domain"]).names == ("7---1", "A---0")


@pytest.mark.parametrize("by", [[], "machine", ["machine", "machine"], ["speed"]])
def test_unknown_fields_are_refused_with_those_allowed(by):
    with pytest.raises(ValueError, match="some of machine, section, attribute, domain, each once"):
        build_labels(made(machine=["fan"], section=["00"], attributes=[""], domain=["source"]), by)


def test_no_clips_make_no_classes():
    with pytest.raises(DataError, match="no train clips"):
        build_labels(made())


def test_fields_that_hold_the_separator_are_not_mixed_up():
    clips = made(machine=["a---0", "a"], section=["0", "0"], attributes=["b", "0---b"], domain=["source"] * 2)
    with pytest.raises(DataError, match="the same text 'a---0---0---b---0'"):
        build_labels(clips)
    assert np.array_equal(build_labels(clips, ["machine"]).index, [1, 0])
