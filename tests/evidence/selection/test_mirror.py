"""asdcore.evidence.selection.mirror: a system stands beside its out-of-fold mirror."""

from __future__ import annotations

import pytest

from asdcore.errors import EvaluationError
from asdcore.evidence.selection.candidates import open_candidates, places_of
from asdcore.evidence.selection.mirror import mirror
from asdcore.evidence.uncertainty import differences

GOOD, POOR = {"fan": 2.0, "valve": 2.0}, {"fan": 0.5, "valve": 0.5}


@pytest.mark.parametrize("names", [("A", "B"), ("Z", "B")])
def test_the_difference_is_direct_less_mirror_whatever_their_names(make_run, names):
    direct, other = names
    run = make_run("run", {direct: GOOD, other: POOR, "C": GOOD}, mirrors={other: direct})
    found = open_candidates(places_of([run]))
    (row,) = mirror(found, replicates=200).rows
    assert (row["direct"], row["mirror"]) == names
    assert row["difference"] == pytest.approx(found.score(direct) - found.score(other))
    assert 0 < row["low"] < row["difference"] < row["high"]
    pair = found.table.filter(found.table["system"].is_in([direct, other]))
    assert row["p"] == differences(pair, 2026, replicates=200, permutations=200)[0].p < 0.05


def test_mirrors_are_found_in_every_run(make_run):
    runs = [make_run(name, {"A": GOOD, "B": POOR}, mirrors={"B": "A"}) for name in ("one", "two")]
    outcome = mirror(open_candidates(places_of(runs)), replicates=100)
    assert [(row["direct"], row["mirror"]) for row in outcome.rows] == [("one/A", "one/B"), ("two/A", "two/B")]


def test_without_a_pair_there_is_nothing_to_compare(make_run):
    run = make_run("run", {"A": GOOD, "B": POOR}, mirrors={"B": "A"})
    for only in (["A"], ["B"]):
        with pytest.raises(EvaluationError, match="out_of_fold_mirror_of = 'A'"):
            mirror(open_candidates(places_of([run], only)))
