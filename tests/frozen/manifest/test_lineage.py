"""The lineage is a graph without circles that holds all that is pinned, and a change reaches what descends from it."""

from __future__ import annotations

import functools
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore.frozen.manifest.lineage import LAST_TABLE, TABLES, reached

SPECIAL = ("clips/fan/00", "clips/pump/00", "branch/b/fan/00", "result/S/fan/00", "store/features/r/1.parquet")
NODES = ("code", "environment", "data/a", "data/b", "plugin/p", *SPECIAL, "store/features/r/2.parquet", *TABLES)


def drawn(seed):
    """Return a graph without circles over all names, in any order, and some names of it."""
    rng = random.Random(seed)
    order = rng.sample((*NODES, LAST_TABLE), len(NODES) + 1)
    lineage = {node: rng.sample(order[:i], min(i, rng.randrange(5))) for i, node in enumerate(order)}
    return lineage, set(rng.sample(order, rng.randrange(4)))


def by_paths(lineage, changed):
    """Say again, slowly, what a change reaches: whatever a path leads to that is cut nowhere before its end.

    Where a path goes from the clips of a machine into a file of features, or into a table that comes from no table, it
    ends.
    """
    tables = (*TABLES, LAST_TABLE)
    children = {node: {child for child, parents in lineage.items() if node in parents} for node in lineage}

    @functools.cache
    def walk(node, whole):
        found = set()
        if whole:
            for child in children[node]:
                narrow = (node.startswith("clips/") and child.startswith("store/")) or (
                    child in tables and node not in tables
                )
                found |= {(child, not narrow)} | walk(child, not narrow)
        return found

    everything = set().union(*(walk(node, True) for node in changed))
    whole = {node for node, is_whole in everything if is_whole} | set(changed)
    found = {node for node, _ in everything}
    return found | {node for node in lineage if node.startswith("result/") and whole & set(tables)}


@given(st.integers())
def test_what_a_change_reaches_is_what_paths_lead_to(seed):
    lineage, changed = drawn(seed)
    assert reached(lineage, changed) == by_paths(lineage, changed)


@given(st.integers(0, 2**28 - 1), st.sets(st.integers(0, 7)))
def test_among_plain_names_everything_that_descends_is_reached(bits, changed):
    pairs = [pair for i, pair in enumerate(itertools.combinations(range(8), 2)) if bits >> i & 1]
    lineage = {f"n{child}": [f"n{parent}" for parent, one in pairs if one == child] for child in range(8)}
    expected, grown = set(), True
    while grown:
        new = {child for parent, child in pairs if parent in changed | expected} - expected
        expected, grown = expected | new, bool(new)
    assert reached(lineage, {f"n{one}" for one in changed}) == {f"n{one}" for one in expected}


def test_nothing_changed_reaches_nothing(whole):
    assert reached(whole.manifest.predicate["lineage"], []) == set()


def test_it_has_no_circles_and_ends_in_the_results_and_the_record(whole):
    lineage = {node: set(parents) for node, parents in whole.manifest.predicate["lineage"].items()}
    leaves = set(lineage).difference(*lineage.values())
    assert leaves == {"run/run.json"}
    done: set[str] = set()
    while ready := {node for node, parents in lineage.items() if not (parents & lineage.keys()) - done} - done:
        done |= ready
    assert done == set(lineage)


def test_every_pinned_artifact_is_in_it(whole):
    lineage = whole.manifest.predicate["lineage"]
    assert whole.manifest.subjects.keys() <= lineage.keys() | set().union(*lineage.values())


def results(whole, *changed):
    found = reached(whole.manifest.predicate["lineage"], changed)
    return {node.removeprefix("result/") for node in found if node.startswith("result/")}


EVERY = {"near/fan/00", "near/3DPrinter/00", "guarded/fan/00", "guarded/3DPrinter/00"}
GUARDED = {"guarded/fan/00", "guarded/3DPrinter/00"}


def test_a_recording_reaches_the_results_of_its_machine_alone(whole):
    assert results(whole, whole.name_of(whole.clip)) == {"near/fan/00", "guarded/fan/00"}


@pytest.mark.parametrize(
    ("plugin", "expected"),
    [
        ("datasets.dcase", EVERY),
        ("encoders.logmel", EVERY),
        ("scorers.knn", EVERY),
        ("scorers.mahalanobis", GUARDED),
        ("normalizers.ecdf", GUARDED),
        ("guards.tail", GUARDED),
    ],
)
def test_a_plugin_reaches_the_results_of_the_systems_that_use_it(whole, plugin, expected):
    name = f"plugin/asdcore_plugins.{plugin}"
    assert results(whole, name) == expected
    file = f"{name}/asdcore_plugins/{plugin.replace('.', '/')}.py"
    assert file in whole.manifest.subjects
    assert results(whole, file) == expected


@pytest.mark.parametrize(
    "name", ["environment", "code", "asdcore/pipeline.py", "run/portfolio.json", *TABLES, LAST_TABLE]
)
def test_what_everything_rests_on_reaches_every_result(whole, name):
    assert results(whole, name) == EVERY


def test_features_reach_the_results_of_the_branches_that_read_them(whole):
    lineage = whole.manifest.predicate["lineage"]
    for one in whole.manifest.of_kind("features"):
        children = {node for node, parents in lineage.items() if one.name in parents}
        branches = {node.split("/")[1] for node in children if node.startswith("branch/")}
        assert results(whole, one.name) == (EVERY if branches == {"near_knn"} else GUARDED)


def test_what_a_scorer_has_learnt_reaches_the_results_of_its_branch_and_machine(whole):
    lineage = whole.manifest.predicate["lineage"]
    states = whole.manifest.of_kind("fitted")
    assert len(states) == len([node for node in lineage if node.startswith("branch/")])
    for state in states:
        (branch,) = (node for node, parents in lineage.items() if state.name in parents)
        _, name, machine, section = branch.split("/")
        expected = EVERY if name == "near_knn" else GUARDED
        assert results(whole, state.name) == {result for result in expected if result.endswith(f"/{machine}/{section}")}
        assert {"environment", "code"} < set(lineage[state.name])
        assert any(parent.startswith("store/features/") for parent in lineage[state.name])


def test_the_record_reaches_nothing(whole):
    assert results(whole, "run/run.json") == set()
