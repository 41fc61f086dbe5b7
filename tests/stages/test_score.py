"""Scores: train normals out of fold, always; the scorer learns nothing but arrays."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore import hookimpl
from asdcore.contract.plugins import Plugins, _installed
from asdcore.errors import DataError, PluginError
from asdcore.portfolio import parse_portfolio
from asdcore.stages import score
from asdcore.store.cache import Store
from asdcore.store.recipes import feature_recipe


class Mean:
    """Distance to the mean of the train normals, without a closed form for leave-one-out."""

    fits: list[tuple[np.ndarray, np.ndarray]] = []

    def fit(self, features, domain):
        Mean.fits.append((features, domain))
        self.means = {"pooled": features.mean(axis=0)}
        for name in set(domain):
            self.means[str(name)] = features[domain == name].mean(axis=0)
        return self

    def score(self, features):
        return {name: np.linalg.norm(features - mean, axis=1).astype(float) for name, mean in self.means.items()}


class Bad(Mean):
    def __init__(self, how):
        self.how = how

    def score(self, features):
        n = len(features)
        return {
            "nan": {"pooled": np.full(n, np.nan)},
            "short": {"pooled": np.zeros(n - 1)},
            "name": {"all": np.zeros(n)},
            "none": {},
        }[self.how]


class Theirs:
    @hookimpl
    def register_scorers(self, register):
        register("mean", Mean)
        register("bad", Bad)


@pytest.fixture
def plugins(monkeypatch):
    known = Plugins([*_installed(None), ("theirs", Theirs(), "theirs", "1")])
    monkeypatch.setattr(score, "installed", lambda: known)
    Mean.fits.clear()
    return known


def digest(i):
    return hashlib.sha256(str(i).encode()).hexdigest()


def index(source=10, target=3, test=4):
    rows = [
        (f"m/train/{i:03}.wav", "m", "00", "train", "source" if i < source else "target", digest(i))
        for i in range(source + target)
    ]
    rows += [(f"m/test/{i:03}.wav", "m", "00", "test", None, digest(1000 + i)) for i in range(test)]
    names = ["clip", "machine", "section", "split", "domain", "sha256"]
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def vector(sha256):
    return np.frombuffer(bytes.fromhex(sha256)[:8], np.uint8).astype(np.float32)


def table(clips, scorer, store, plugins, folds=5, seed=0):
    values = {
        "name": "p",
        "branches": {"b": {"encoder": "logmel", "scorer": scorer}},
        "systems": {"S": {"weights": {"b": 1}}},
    }
    branch = parse_portfolio(values).branches["b"]
    features = store.features(feature_recipe(branch, plugins))
    if missing := features.missing(clips["sha256"].to_list()):
        features.write(missing, [vector(one) for one in missing])
    jobs = score.plan(clips, "b", branch, folds, seed, store, plugins)
    for job in jobs:
        score.score(job)
    return score.assemble(clips, "b", jobs, store)


def test_train_normals_are_scored_by_scorers_that_never_saw_them(tmp_path, plugins):
    clips = index()
    scores = table(clips, "mean", Store(tmp_path), plugins)
    oof = scores.filter((pl.col("role") == "oof") & (pl.col("reference") == "pooled"))
    assert sorted(oof["clip"]) == sorted(clips.filter(pl.col("split") == "train")["clip"])
    assert set(oof["fold"]) == set(range(5))
    by_clip = dict(clips.select("clip", "sha256").rows())
    for fold in range(5):
        held = oof.filter(pl.col("fold") == fold)
        rest = oof.filter(pl.col("fold") != fold)
        mean = np.mean([vector(by_clip[clip]) for clip in rest["clip"]], axis=0)
        for clip, value in held.select("clip", "score").rows():
            assert value == pytest.approx(np.linalg.norm(vector(by_clip[clip]) - mean), rel=1e-5)


def test_test_clips_are_scored_by_the_scorer_of_all_train_normals(tmp_path, plugins):
    scores = table(index(), "mean", Store(tmp_path), plugins)
    test = scores.filter(pl.col("role") == "test")
    assert set(test["fold"]) == {-1}
    assert test["domain"].is_null().all()
    assert test.group_by("clip").len()["len"].to_list() == [3, 3, 3, 3]
    assert [len(features) for features, _ in Mean.fits].count(13) == 1


def test_closed_form_leave_one_out_is_used_where_there_is_one(tmp_path, plugins):
    oof = table(index(), "knn", Store(tmp_path), plugins).filter(pl.col("role") == "oof")
    assert set(oof["fold"]) == {-1}
    assert (oof["score"] > 0).all()


def test_scorers_meet_clips_in_the_order_of_their_audio_digests(tmp_path, plugins):
    table(index(), "mean", Store(tmp_path), plugins)
    features, domain = max(Mean.fits, key=lambda fit: len(fit[0]))
    ordered = sorted((digest(i), "source" if i < 10 else "target") for i in range(13))
    np.testing.assert_array_equal(features, [vector(one) for one, _ in ordered])
    assert domain.tolist() == [name for _, name in ordered]


def test_renaming_clips_changes_no_score(tmp_path, plugins):
    clips = index()
    before = table(clips, "mean", Store(tmp_path / "a"), plugins)
    renamed = clips.with_columns(clip=pl.col("clip").str.replace_all("0", "x").str.replace_all("1", "0")).sort("clip")
    after = table(renamed, "mean", Store(tmp_path / "b"), plugins)
    assert sorted(before["score"]) == sorted(after["score"])


def test_a_second_plan_finds_the_chunk(tmp_path, plugins):
    first = table(index(), "mean", Store(tmp_path), plugins)
    files = sorted((tmp_path / "scores").iterdir())
    assert table(index(), "mean", Store(tmp_path), plugins).equals(first)
    assert sorted((tmp_path / "scores").iterdir()) == files
    table(index(), "mean", Store(tmp_path), plugins, seed=1)
    assert len(list((tmp_path / "scores").iterdir())) == len(files) + 1


def test_two_clips_of_the_same_sound_both_get_their_row(tmp_path, plugins):
    clips = index().with_columns(
        sha256=pl.when(pl.col("clip") == "m/train/001.wav").then(pl.lit(digest(0))).otherwise("sha256")
    )
    scores = table(clips, "knn", Store(tmp_path), plugins)
    twins = scores.filter(
        pl.col("clip").is_in(["m/train/000.wav", "m/train/001.wav"]) & (pl.col("reference") == "pooled")
    )
    assert twins["score"].to_list() == [0.0, 0.0]


@pytest.mark.parametrize(("source", "target"), [(2, 0), (3, 1), (2, 2), (0, 4), (12, 1)])
def test_few_clips_work_where_they_can(tmp_path, plugins, source, target):
    scores = table(index(source, target), "mean", Store(tmp_path), plugins)
    oof = scores.filter((pl.col("role") == "oof") & (pl.col("reference") == "pooled"))
    assert len(oof) == source + target


def test_one_train_clip_cannot_be_left_out(tmp_path, plugins):
    with pytest.raises(DataError, match="branch 'b', m section 00: 1 train normal cannot be scored out of fold"):
        table(index(1, 0), "mean", Store(tmp_path), plugins)


def test_no_test_clips_is_fine(tmp_path, plugins):
    assert set(table(index(test=0), "mean", Store(tmp_path), plugins)["role"]) == {"oof"}


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ("nan", DataError, "scores that are not finite"),
        ("short", PluginError, r"\(1,\) for 2 clips|for . clips; .* is the contract"),
        ("name", PluginError, "reference 'all'; pooled, source, target are allowed"),
        ("none", PluginError, "gave no scores"),
    ],
)
def test_a_scorer_off_its_contract_is_named(tmp_path, plugins, how, error, said):
    with pytest.raises(error, match=said):
        table(index(), {"name": "bad", "how": how}, Store(tmp_path), plugins)
    assert not (tmp_path / "scores").exists()


@given(st.integers(2, 40), st.integers(0, 12), st.integers(2, 7), st.integers(0, 9))
def test_folds_are_even_within_each_domain(source, target, folds, seed):
    audio = tuple(digest(i) for i in range(source + target))
    domain = np.array(["source"] * source + ["target"] * target)
    fold = score.assign_folds(audio, domain, folds, seed)
    for name in set(domain):
        counts = np.bincount(fold[domain == name], minlength=folds)
        assert counts.max() - counts.min() <= 1
    order = np.random.default_rng(seed).permutation(len(audio))
    shuffled = score.assign_folds(tuple(audio[i] for i in order), domain[order], folds, seed)
    assert shuffled.tolist() == fold[order].tolist()
