"""Labels of points that lie on one another."""

from __future__ import annotations

from asdcore.reporting.sections.point_labels import named


def row(system, x, y):
    return {"system": system, "x": x, "y": y}


def test_points_that_overlap_share_one_label_and_others_keep_theirs():
    rows = [row("a", 10.0, 70.0), row("b", 10.1, 70.1), row("c", 20.0, 60.0)]
    assert [one["label"] for one in named(rows, "x", "y")] == ["a, b", "", "c"]


def test_points_far_apart_on_one_axis_alone_keep_their_labels():
    rows = [row("a", 10.0, 70.0), row("b", 10.0, 60.0), row("c", 20.0, 60.0)]
    assert [one["label"] for one in named(rows, "x", "y")] == ["a", "b", "c"]


def test_distance_is_that_of_the_axis_as_drawn():
    rows = [row("a", 1.0, 70.0), row("b", 10.0, 70.0), row("c", 1000.0, 60.0)]
    assert [one["label"] for one in named(rows, "x", "y")] == ["a, b", "", "c"]
    assert [one["label"] for one in named(rows, "x", "y", logarithmic=True)] == ["a", "b", "c"]


def test_of_many_points_in_one_place_the_first_is_named():
    rows = [row(name, 10.0, 70.0) for name in "abcd"]
    assert [one["label"] for one in named(rows, "x", "y")] == ["a + 3 more", "", "", ""]


def test_a_row_without_a_number_has_no_point():
    assert [one["system"] for one in named([row("a", None, 1.0), row("b", 2.0, 1.0)], "x", "y")] == ["b"]
    assert named([], "x", "y") == []
