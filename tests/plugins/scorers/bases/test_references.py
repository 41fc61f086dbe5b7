"""Which train clips make up a reference, and which references are large enough."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore import DataError, Without
from asdcore_plugins.scorers.bases.references import large_enough, members_of, references_left

DOMAIN = np.array(["source", "target", "source", "source"])


def test_a_reference_without_clips_has_no_members():
    assert members_of(DOMAIN[:1], ["target"])["target"].tolist() == []


def test_small_references_are_left_out_and_without_any_that_is_large_all_are_named():
    members = members_of(DOMAIN, ["pooled", "source", "target"])
    assert list(large_enough("knn", members, 2)) == ["pooled", "source"]
    with pytest.raises(
        DataError, match="knn needs at least 5 train normals in one of its references pooled, source, ta"
    ):
        large_enough("knn", members, 5)
    with pytest.raises(
        DataError, match="in one of its references target, and the largest has [34]. Add normal clips to train"
    ):
        large_enough("knn", members, 5, named=["target"])


def test_a_reference_stays_if_each_clip_keeps_enough_others():
    members = members_of(DOMAIN, ["pooled", "source"])
    without = Without([np.array([2]), np.array([1]), np.array([2]), np.array([3])], 4)
    assert references_left(None, members, 9, "knn") == ["pooled", "source"]
    assert references_left(without, members, 1, "knn") == ["pooled", "source"]
    assert references_left(without, members, 2, "knn") == ["pooled"]
    with pytest.raises(DataError, match="knn needs at least 3 train normals to score each train normal by"):
        references_left(without, members, 3, "knn")
