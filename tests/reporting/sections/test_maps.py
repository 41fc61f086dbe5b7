"""Maps of features: axes of train normals, the same points every day, and plain words where the store is gone."""

from __future__ import annotations

import shutil
import sys
import types

import numpy as np
import polars as pl
import pytest

import asdcore
from asdcore.errors import AsdcoreError, StoreError
from asdcore.reporting.machines.machines import machine_parts
from asdcore.reporting.reported_runs import open_subjects
from asdcore.reporting.sections import maps


def test_axes_are_those_of_the_train_normals():
    rng = np.random.default_rng(0)
    train = rng.standard_normal((200, 3)) * [1.0, 10.0, 0.1]
    points, explained = maps.principal_axes(np.array([[0.0, 5.0, 0.0], [2.0, 0.0, 0.0]]) + train.mean(axis=0), train)
    assert np.abs(points) == pytest.approx(np.array([[5.0, 0.0], [0.0, 2.0]]), abs=0.4)
    assert explained > 0.99


def test_axes_do_not_depend_on_the_sign_that_the_solver_gives():
    train = np.random.default_rng(1).standard_normal((50, 4))
    assert maps.principal_axes(train, train)[0] == pytest.approx(maps.principal_axes(train, train[::-1])[0], abs=1e-9)


def test_one_dimension_and_no_spread_still_have_two_axes():
    assert maps.principal_axes(np.ones((3, 1)), np.ones((3, 1)))[0].tolist() == [[0, 0]] * 3


def test_all_target_train_normals_are_shown_and_the_rest_by_digest():
    def rows(split, domain, n):
        names = [f"{split}_{domain}_{i:04d}" for i in range(n)]
        return pl.DataFrame({"clip": names, "sha256": [one[::-1] for one in names], "split": split, "domain": domain})

    clips = pl.concat([rows("train", "source", 990), rows("train", "target", 10), rows("test", "source", 50)])
    shown = maps.chosen(clips)
    assert shown["split"].to_list().count("train") == maps.MOST_TRAIN
    assert shown["domain"].to_list().count("target") == 10
    assert shown.equals(maps.chosen(clips.sample(fraction=1, shuffle=True, seed=1)))


@pytest.fixture
def subject(make_dataset, fused, tmp_path):
    data = make_dataset(tmp_path / "data", ("fan",))
    run = asdcore.run(fused, data, tmp_path / "run", task="dcase2026", store=tmp_path / "store")
    return open_subjects([run], None, None, lambda _: None)[0]


def test_a_run_has_a_map_for_each_set_of_features(subject):
    recipes = maps.feature_recipes(subject)
    assert len(recipes) == 3
    name, recipe = next(iter(recipes.items()))
    ((cell, found),) = maps.map_parts(subject, recipe, umap=False)
    assert cell == ("fan", "00")
    assert "near_knn" in name or "far_gauss" in name or "w1_knn" in name
    assert (len(found["x"]), len(found["y"]), "u" in found) == (24 + 16, 24 + 16, False)
    ((cell, known),) = maps.clip_parts(subject)
    assert cell == ("fan", "00")
    assert {len(column) for column in known.values()} == {24 + 16}
    assert set(known["group"]) == {"train normal", "test normal", "anomaly"}


def test_scores_of_a_system_stand_in_the_order_of_the_maps_test_clips(subject):
    ((_, known),) = maps.clip_parts(subject)
    _, system, part = next(machine_parts(subject))
    rows = subject.run.systems.filter(system=system, role="test")
    score = {clip.rpartition("/")[2]: value for clip, value in rows.select("clip", "score").rows()}
    assert part["scores"] == [float(f"{score[clip]:.4g}") for clip in known["clip"][-len(part["scores"]) :]]


def test_umap_is_asked_for_by_name_and_adds_axes(subject, monkeypatch):
    monkeypatch.setattr(maps, "find_spec", lambda name: None)
    with pytest.raises(AsdcoreError, match=r"pip install 'asdcore\[umap\]'"):
        maps.check_umap()

    class UMAP:
        def __init__(self, n_components, random_state):
            self.shape = n_components

        def fit_transform(self, vectors):
            return np.arange(len(vectors) * self.shape, dtype=np.float32).reshape(-1, self.shape)

    module = types.ModuleType("umap")
    module.UMAP = UMAP
    monkeypatch.setitem(sys.modules, "umap", module)
    recipe = next(iter(maps.feature_recipes(subject).values()))
    ((_, found),) = maps.map_parts(subject, recipe, umap=True)
    assert (found["u"][:2], found["v"][:2]) == ([0.0, 2.0], [1.0, 3.0])


def test_a_store_that_is_gone_is_said_to_lack_features(subject):
    shutil.rmtree(subject.run.about["store"])
    recipe = next(iter(maps.feature_recipes(subject).values()))
    with pytest.raises(StoreError, match="lacks the features"):
        list(maps.map_parts(subject, recipe, umap=False))


def test_features_of_other_code_are_not_shown_as_this_runs(subject):
    subject.run.about["features"] = dict.fromkeys(subject.run.about["features"], "0" * 64)
    with pytest.raises(StoreError, match="has changed since"):
        maps.feature_recipes(subject)
