"""A small run around one plugin, of any kind, on a few recordings."""

from __future__ import annotations

import pytest

import asdcore
from asdcore import pipeline
from asdcore.contract.plugins import installed
from asdcore.errors import PluginError
from asdcore.frozen.rerun import plugin_check, rerun_renamed
from asdcore.frozen.rerun.plugin_check import NAMES, TEST, TRAIN, check_in_a_run, portfolio_around
from asdcore.portfolio import parse_portfolio
from asdcore.testing import check_installed

KINDS = ("view", "encoder", "scorer", "normalizer", "guard")
CASES = [
    (kind, name)
    for kind in KINDS
    for name, one in installed().components(kind).items()
    if kind == "guard" or not installed().needed(one)
]


@pytest.fixture
def here(monkeypatch):
    """Runs in this process: a new one for each would take its time."""
    runs = []

    def run(portfolio, home, task, device="cpu", workers=1):
        done = pipeline.run(portfolio, data=home / "data", out=home / "run", task=task, store=home / "store")
        runs.append(done.clips)
        return done

    monkeypatch.setattr(plugin_check, "run_fresh", run)
    monkeypatch.setattr(rerun_renamed, "run_fresh", run)
    return runs


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_there_is_a_portfolio_around_every_bundled_part_that_can_be_built_by_its_name(kind, name):
    values = portfolio_around(kind, name)
    plan = parse_portfolio(values)
    assert (kind, name) in plan.components()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("view", "w1"),
        ("encoder", "psd_shape"),
        ("scorer", "mahalanobis"),
        ("normalizer", "domain_z"),
        ("guard", "tail"),
    ],
)
def test_a_bundled_part_of_each_kind_is_the_same_in_every_way(tmp_path, make_dataset, here, kind, name):
    root = make_dataset(tmp_path / "data", source=12, target=3, test=2)
    results = check_in_a_run(kind, name, root)
    assert [result.name for result in results] == ["check_runs_on_recordings", *NAMES]
    assert [result.message for result in results if not result.passed] == []
    assert len(here) == 4


def test_few_clips_of_the_smallest_machine_are_taken(tmp_path, make_dataset, here):
    root = make_dataset(tmp_path / "data", ("fan",), source=60, target=12, test=11)
    make_dataset(root, ("valve",), source=70, target=12, test=11)
    check_in_a_run("normalizer", "mad", root)
    clips = here[0]
    assert set(clips["machine"]) == {"fan"}
    assert dict(clips.filter(split="train")["domain"].value_counts().rows()) == {
        "source": TRAIN["source"],
        "target": TRAIN["target"],
    }
    assert clips.filter(split="test").height == TEST
    assert {"normal", "anomaly"} == {name.split("_")[4] for name in clips.filter(split="test")["clip"]}


@pytest.mark.parametrize("machines", [(), ("fan",)])
def test_recordings_that_nothing_can_be_run_on_fail_a_check(tmp_path, make_dataset, here, machines):
    root = make_dataset(tmp_path / "data", machines, source=4, target=1, test=0) if machines else tmp_path
    (result,) = check_in_a_run("scorer", "knn", root)
    assert (result.name, result.passed) == ("check_runs_on_recordings", False)
    assert str(root) in result.message


def test_a_folder_that_is_not_there_is_wrong_use(tmp_path):
    with pytest.raises(PluginError, match="--data .*nowhere is not a folder"):
        check_installed("knn", root=tmp_path / "nowhere")


def test_checks_of_a_plugin_with_recordings_end_with_the_runs(tmp_path, make_dataset, here):
    root = make_dataset(tmp_path / "data", ("fan",), source=10, target=4, test=2)
    results = check_installed("mad", root=root)
    assert [result.name for result in results[-4:]] == ["check_runs_on_recordings", *NAMES]
    assert all(result.passed for result in results)
    assert len(results) > len(asdcore.testing.checks("normalizer"))
