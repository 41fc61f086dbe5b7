"""Scores: train normals out of fold, always; the scorer learns nothing but arrays."""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore import hookimpl
from asdcore.basics.rounding import BITS, Grid
from asdcore.components.build import build
from asdcore.compute.recipes import feature_recipe
from asdcore.compute.scoring import scoring
from asdcore.contract.plugins import Plugins, offered
from asdcore.errors import DataError, PluginError
from asdcore.held_out import HeldOut, out_of_fold, places
from asdcore.portfolio import OutOfFold, parse_portfolio
from asdcore.stages.scoring import score
from asdcore.store import finished_folds
from asdcore.store.cache import Store


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


class Crowd(Mean):
    """Gives every clip the number of clips that are scored with it."""

    def score(self, features):
        return {"pooled": np.full(len(features), float(len(features)))}


class Base(Mean):
    """Takes the mean of whatever matrix its clip is a part of."""

    def score(self, features):
        beside = features if features.base is None else np.asarray(features.base).reshape(-1, features.shape[1])
        return {"pooled": np.linalg.norm(features - beside.mean(axis=0), axis=1)}


class Running(Mean):
    """Takes off the mean score of the clips that it has scored."""

    def fit(self, features, domain):
        self.seen = []
        return super().fit(features, domain)

    def score(self, features):
        scores = super().score(features)["pooled"]
        self.seen += list(scores)
        return {"pooled": scores - np.mean(self.seen)}


class First(Mean):
    """Takes off the score of the first clip that it scores."""

    def fit(self, features, domain):
        self.first = None
        return super().fit(features, domain)

    def score(self, features):
        scores = super().score(features)["pooled"]
        self.first = scores[0] if self.first is None else self.first
        return {"pooled": scores - self.first}


class FirstFive(First):
    """Takes off the mean score of the first five clips that it scores."""

    def score(self, features):
        scores = Mean.score(self, features)["pooled"]
        self.first = (self.first or [])[:5]
        self.first += list(scores[: 5 - len(self.first)])
        return {"pooled": scores - np.mean(self.first)}


class FirstTen(FirstFive):
    """Takes off the mean score of the first ten."""

    def score(self, features):
        scores = Mean.score(self, features)["pooled"]
        self.first = self.first or []
        self.first += list(scores[: 10 - len(self.first)])
        return {"pooled": scores - np.mean(self.first)}


class Noisy(Mean):
    """Adds the smallest of noises."""

    def score(self, features):
        scores = super().score(features)["pooled"]
        return {"pooled": scores * (1 + 1e-15 * np.random.default_rng().standard_normal(len(scores)))}


class Theirs:
    @hookimpl
    def register_scorers(self, register):
        register("mean", Mean)
        register("far", Far)
        register("base", Base)
        register("running", Running)
        register("first", First)
        register("first_five", FirstFive)
        register("first_ten", FirstTen)
        register("noisy", Noisy)
        register("crowd", Crowd)
        register("bad", Bad)


@pytest.fixture
def plugins(monkeypatch):
    known = Plugins([*offered(), ("theirs", Theirs(), "theirs", "1")])
    monkeypatch.setattr(score, "installed", lambda: known)
    Mean.fits.clear()
    return known


def vector(sha256):
    return np.frombuffer(bytes.fromhex(sha256)[:8], np.uint8).astype(np.float32)


def portfolio(scorers, folds=5, seed=0, mirrored=False, **features):
    """A portfolio of branches that differ in their scorer; with a system of all, and perhaps its mirror."""
    encoder = {"name": "logmel", **{key: features.pop(key) for key in ("layer",) if key in features}}
    branches = {name: {"encoder": encoder, "scorer": scorer, **features} for name, scorer in scorers.items()}
    systems = {"S": {"weights": dict.fromkeys(scorers, 1)}}
    if mirrored:
        systems["M"] = {"out_of_fold_mirror_of": "S"}
    return parse_portfolio({"name": "p", "seed": seed, "folds": folds, "branches": branches, "systems": systems})


def plan(clips, plan, store, plugins):
    """Write made-up features, each feature set's apart from the others', and return the jobs of every branch."""
    jobs = []
    for name, branch in plan.branches.items():
        for i, part in enumerate(branch.parts):
            features = store.features(feature_recipe(part, plugins, None))
            if missing := features.missing(clips["sha256"].to_list()):
                features.write(missing, [vector(one) * (i + 1) + i for one in missing])
        jobs += score.plan(clips, name, plan, store, plugins, None)
    return jobs


def table(clips, scorer, store, plugins, **how):
    jobs = plan(clips, portfolio({"b": scorer}, **how), store, plugins)
    for job in jobs:
        score.score(job)
    return score.assemble(clips, "b", jobs, store)


def test_a_test_clip_is_scored_alone_whatever_the_scorer_does(index, tmp_path, plugins):
    scores = table(index(test=7), "crowd", Store(tmp_path), plugins)
    assert scores.filter(pl.col("role") == "test")["score"].to_list() == [1.0] * 7


def few_of(clips, test):
    """The clips without some of the test clips."""
    return clips.filter((pl.col("split") == "train") | pl.col("clip").is_in(test))


@pytest.mark.parametrize("scorer", ["base", "first", "first_five", "crowd", "mean", "knn", "lof", "mahalanobis"])
def test_a_test_clip_has_the_same_scores_beside_any_others(index, tmp_path, plugins, scorer):
    clips = index(20, 5, test=16)
    everyone = table(clips, scorer, Store(tmp_path), plugins).filter(pl.col("role") == "test")
    names = sorted(clips.filter(pl.col("split") == "test")["clip"])
    for some in (names[::2], names[1::2], names[:1]):
        few = table(few_of(clips, some), scorer, Store(tmp_path), plugins).filter(pl.col("role") == "test")
        assert few.equals(everyone.filter(pl.col("clip").is_in(some)))


@pytest.mark.parametrize("scorer", ["running", "first_ten", "noisy"])
def test_a_scorer_that_keeps_something_of_test_clips_is_named_with_the_clip(index, tmp_path, plugins, scorer):
    with pytest.raises(PluginError, match=rf"scorer '{scorer}' gives sha256:[0-9a-f]{{64}} the pooled score.*fit"):
        table(index(), scorer, Store(tmp_path), plugins)


def test_how_many_test_clips_there_are_does_not_decide_how_they_are_scored(index, tmp_path, sharing, monkeypatch):
    plugins, measured = sharing
    few = table(index(), "shared", Store(tmp_path / "few"), plugins)
    measured.clear()
    monkeypatch.setattr(scoring, "DISTANCE_BYTES", 8 * 13 * 13)
    many = table(index(test=40), "shared", Store(tmp_path / "many"), plugins)
    assert set(measured) == {"euclidean"}
    assert many.join(few, on="clip", how="semi").sort("clip", "reference").equals(few.sort("clip", "reference"))


def test_train_normals_are_scored_by_scorers_that_never_saw_them(index, tmp_path, plugins):
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


def test_test_clips_are_scored_by_the_scorer_of_all_train_normals(index, tmp_path, plugins):
    scores = table(index(), "mean", Store(tmp_path), plugins)
    test = scores.filter(pl.col("role") == "test")
    assert set(test["fold"]) == {-1}
    assert test["domain"].is_null().all()
    assert test.group_by("clip").len()["len"].to_list() == [3, 3, 3, 3]
    assert [len(features) for features, _ in Mean.fits].count(13) == 1


def test_closed_form_leave_one_out_is_used_where_there_is_one(index, tmp_path, plugins):
    oof = table(index(), "knn", Store(tmp_path), plugins).filter(pl.col("role") == "oof")
    assert set(oof["fold"]) == {-1}
    assert (oof["score"] > 0).all()


def test_scorers_meet_train_clips_by_name_and_test_clips_by_audio_digest(index, digest, tmp_path, plugins, monkeypatch):
    def score(self, features):
        heard.append(features)
        return {"pooled": np.ones(len(features))}

    heard = []
    monkeypatch.setattr(Mean, "score", score)
    table(index(), "mean", Store(tmp_path), plugins)
    features, domain = max(Mean.fits, key=lambda fit: len(fit[0]))
    np.testing.assert_array_equal(features, [vector(digest(i)) for i in range(13)])
    assert domain.tolist() == ["source"] * 10 + ["target"] * 3
    alone = [one for one in heard if len(one) == 1]
    in_order = [vector(one) for one in sorted(map(digest, range(1000, 1004)))]
    np.testing.assert_array_equal(np.concatenate(alone[-8:]), [*in_order, *reversed(in_order)])


def test_renaming_test_clips_changes_no_score(index, tmp_path, plugins):
    clips = index()
    before = table(clips, "mean", Store(tmp_path / "a"), plugins)
    other = pl.col("clip").str.replace_all("0", "x").str.replace_all("1", "0")
    renamed = clips.with_columns(clip=pl.when(pl.col("split") == "test").then(other).otherwise("clip")).sort("clip")
    after = table(renamed, "mean", Store(tmp_path / "b"), plugins)
    assert sorted(before["score"]) == sorted(after["score"])


def test_a_second_plan_finds_the_chunk(index, tmp_path, plugins):
    first = table(index(), "mean", Store(tmp_path), plugins)
    files = sorted((tmp_path / "scores").iterdir())
    assert table(index(), "mean", Store(tmp_path), plugins).equals(first)
    assert sorted((tmp_path / "scores").iterdir()) == files
    table(index(), "mean", Store(tmp_path), plugins, seed=1)
    assert len(list((tmp_path / "scores").iterdir())) == len(files) + 1


def test_two_clips_of_the_same_sound_both_get_their_row(index, digest, tmp_path, plugins):
    clips = index().with_columns(
        sha256=pl.when(pl.col("clip") == "m/train/001.wav").then(pl.lit(digest(0))).otherwise("sha256")
    )
    scores = table(clips, "knn", Store(tmp_path), plugins)
    twins = scores.filter(
        pl.col("clip").is_in(["m/train/000.wav", "m/train/001.wav"]) & (pl.col("reference") == "pooled")
    )
    assert twins["score"].to_list() == [0.0, 0.0]


@pytest.mark.parametrize(("source", "target"), [(2, 0), (1, 1), (3, 1), (2, 2), (0, 4), (12, 1)])
def test_few_clips_work_where_they_can(index, tmp_path, plugins, source, target):
    scores = table(index(source, target), "mean", Store(tmp_path), plugins)
    oof = scores.filter((pl.col("role") == "oof") & (pl.col("reference") == "pooled"))
    assert len(oof) == source + target


def test_one_train_clip_cannot_be_left_out(index, tmp_path, plugins):
    with pytest.raises(DataError, match="branch 'b', m section 00: 1 train normal cannot be scored out of fold"):
        table(index(1, 0), "mean", Store(tmp_path), plugins)


def test_no_test_clips_is_fine(index, tmp_path, plugins):
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
def test_a_scorer_off_its_contract_is_named(index, tmp_path, plugins, how, error, said):
    with pytest.raises(error, match=said):
        table(index(), {"name": "bad", "how": how}, Store(tmp_path), plugins)
    assert not (tmp_path / "scores").exists()


@given(st.integers(2, 40), st.integers(0, 12), st.integers(2, 7), st.integers(0, 9))
def test_folds_are_even_within_each_domain(digest, source, target, folds, seed):
    audio = tuple(digest(i) for i in range(source + target))
    domain = np.array(["source"] * source + ["target"] * target)
    fold = score.assign_folds(audio, domain, folds, seed)
    for name in set(domain):
        counts = np.bincount(fold[domain == name], minlength=folds)
        assert counts.max() - counts.min() <= 1
    order = np.random.default_rng(seed).permutation(len(audio))
    shuffled = score.assign_folds(tuple(audio[i] for i in order), domain[order], folds, seed)
    assert shuffled.tolist() == fold[order].tolist()


class Shared(Mean):
    """Distance to the nearest train normal, by distances alone; in folds."""

    metric = "euclidean"
    given: list[np.ndarray] = []

    def fit(self, features, domain):
        raise AssertionError("features were given where distances were asked for")

    def fit_distances(self, distances, domain):
        Shared.given.append(distances)
        self.members = {"pooled": np.full(len(domain), True), "target": domain == "target"}
        return self

    def score_distances(self, distances):
        return {name: distances[:, some].min(axis=1) for name, some in self.members.items()}


SCORERS = {
    "ratio": {"name": "ldn", "k": 2},
    "near": "knn",
    "own": "mahalanobis",
    "slope": {"name": "varmin", "metric": "euclidean"},
    "folds": "shared",
}


@pytest.fixture
def sharing(plugins, monkeypatch):
    """Plugins with a scorer on distances, and the metrics of the matrices that are measured."""

    class Also:
        @hookimpl
        def register_scorers(self, register):
            register("shared", Shared)
            register("mean", Mean)

    known = Plugins([*offered(), ("also", Also(), "also", "1")])
    measured = []

    def distances(features, bank, metric):
        measured.append(metric)
        return measure(features, bank, metric)

    measure = scoring.distances
    monkeypatch.setattr(score, "installed", lambda: known)
    monkeypatch.setattr(scoring, "distances", distances)
    Shared.given.clear()
    return known, measured


def planned(clips, scorers, store, plugins):
    return plan(clips, portfolio(scorers, folds=3), store, plugins)


def test_branches_of_the_same_features_share_a_matrix_of_each_metric(index, tmp_path, sharing):
    plugins, measured = sharing
    jobs = planned(index(), SCORERS, Store(tmp_path), plugins)
    (group,) = score.together(jobs)
    assert group == tuple(jobs)
    assert score.score_together(group) == len(SCORERS)
    assert measured == ["cosine", "cosine", "euclidean", "euclidean"]
    assert score.score_together(group) == len(SCORERS)  # another process asks: nothing is computed again
    assert measured == ["cosine", "cosine", "euclidean", "euclidean"]
    assert sorted(given.shape for given in Shared.given)[-1] == (13, 13)


def test_alone_a_branch_gets_the_same_bits_as_beside_others(index, tmp_path, sharing):
    plugins, _ = sharing
    one, other = Store(tmp_path / "together"), Store(tmp_path / "alone")
    jobs = planned(index(40, 10), SCORERS, one, plugins)
    for group in score.together(jobs):
        score.score_together(group)
    for job, alone in zip(jobs, planned(index(40, 10), SCORERS, other, plugins), strict=True):
        score.score(alone)
        assert one.read_scores(job.path).equals(other.read_scores(alone.path))
        assert job.path.name == alone.path.name


def test_banks_too_large_for_a_matrix_are_scored_by_features(index, tmp_path, sharing, monkeypatch):
    plugins, measured = sharing
    some = {name: one for name, one in SCORERS.items() if name != "folds"}
    jobs = planned(index(), some, Store(tmp_path / "a"), plugins)
    for job in jobs:
        score.score(job)
    measured.clear()
    monkeypatch.setattr(scoring, "DISTANCE_BYTES", 8 * 13 * 13 - 1)
    for job, again in zip(jobs, planned(index(), some, Store(tmp_path / "b"), plugins), strict=True):
        score.score(again)
        assert Store(tmp_path / "a").read_scores(job.path).equals(Store(tmp_path / "b").read_scores(again.path))
    assert not measured


def test_what_other_clips_or_features_need_is_another_group(index, tmp_path, sharing):
    plugins, _ = sharing
    store = Store(tmp_path)
    jobs = [*planned(index(), SCORERS, store, plugins), *planned(index(test=5), SCORERS, store, plugins)]
    assert [len(group) for group in score.together(jobs)] == [len(SCORERS)] * 2


def test_of_branches_together_those_done_before_a_failure_are_kept(index, tmp_path, sharing, monkeypatch):
    plugins, _ = sharing
    jobs = planned(index(), SCORERS, Store(tmp_path), plugins)
    monkeypatch.setattr(Shared, "score_distances", lambda self, distances: 1 / 0)
    with pytest.raises(PluginError, match="branch 'folds'.*scorer 'shared' failed with ZeroDivisionError"):
        score.score_together(tuple(jobs))
    assert [job.path.exists() for job in jobs] == [True, True, True, True, False]


def test_nobody_can_write_to_a_shared_matrix(index, tmp_path, sharing, monkeypatch):
    def spoil(self, distances, domain):
        distances.sort()
        return self

    plugins, _ = sharing
    monkeypatch.setattr(Shared, "fit_distances", spoil)
    (job,) = planned(index(), {"folds": "shared"}, Store(tmp_path), plugins)
    with pytest.raises(PluginError, match="scorer 'shared' failed with ValueError.*read-only"):
        score.score(job)


def test_nobody_can_make_a_shared_matrix_writeable(index, tmp_path, sharing, monkeypatch):
    def spoil(self, distances, domain):
        distances.flags.writeable = True
        return self

    plugins, _ = sharing
    monkeypatch.setattr(Shared, "fit_distances", spoil)
    (job,) = planned(index(), {"shared": "shared"}, Store(tmp_path), plugins)
    with pytest.raises(PluginError, match="scorer 'shared' failed with ValueError"):
        score.score(job)


@pytest.mark.parametrize("scorer", ["mean", "knn", "shared", "mahalanobis"])
def test_for_a_mirror_each_folds_model_scores_its_fold_and_the_test_clips(index, tmp_path, sharing, scorer):
    plugins, _ = sharing
    clips = index(20, 5)
    scores = table(clips, scorer, Store(tmp_path), plugins, mirrored=True)
    folds = scores.filter((pl.col("fold") >= 0) & (pl.col("reference") == "pooled"))
    held_out = dict(folds.filter(pl.col("role") == "oof").select("clip", "fold").rows())
    train = clips.filter(pl.col("split") == "train")
    assert sorted(held_out) == train["clip"].to_list()
    for fold in range(5):
        rest = train.filter([held_out[clip] != fold for clip in train["clip"]])
        only = pl.concat(
            [
                rest,
                clips.filter([held_out.get(clip) == fold for clip in clips["clip"]]).with_columns(
                    split=pl.lit("test"), domain=None
                ),
                clips.filter(pl.col("split") == "test"),
            ]
        )
        expected = table(only.sort("clip"), scorer, Store(tmp_path / str(fold)), plugins)
        expected = expected.filter((pl.col("role") == "test") & (pl.col("reference") == "pooled")).sort("clip")
        found = folds.filter(pl.col("fold") == fold).sort("clip")
        assert found["clip"].to_list() == expected["clip"].to_list()
        # Each is rounded on the grid of its own train normals, by half a step at most.
        np.testing.assert_allclose(found["score"], expected["score"], rtol=2 * 2.0**-BITS)


@pytest.mark.parametrize("scorer", ["mean", "knn"])
def test_a_mirror_beside_it_changes_no_score_of_a_system(index, tmp_path, plugins, scorer):
    alone = table(index(), scorer, Store(tmp_path / "a"), plugins)
    beside = table(index(), scorer, Store(tmp_path / "b"), plugins, mirrored=True)
    ours = beside.join(alone, on=["clip", "branch", "reference", "fold", "role"], how="semi")
    key = ["clip", "reference", "fold"]
    assert ours.sort(key).equals(alone.sort(key))
    more = beside.join(alone, on=["clip", "branch", "reference", "fold", "role"], how="anti")
    assert set(more["fold"]) == set(range(5))


class Far(Mean):
    """Distances many spreads from 0, and with a seed their last bits as another kernel might compute them."""

    def __init__(self, seed=None):
        self.seed = seed

    def score(self, features):
        scores = {name: np.sqrt(values) + 99 for name, values in super().score(features).items()}
        if self.seed is None:
            return scores
        draws = np.random.default_rng([self.seed, *features.astype(int).ravel()])
        return {name: values * (1 + draws.uniform(-5e-14, 5e-14, len(values))) for name, values in scores.items()}


def scheme(scores, folds, role=None):
    """The pooled scores of the models that lack a fold, or of the others."""
    rows = scores.filter((pl.col("reference") == "pooled") & ((pl.col("fold") >= 0) == folds))
    return rows.filter(pl.col("role") == role)["score"] if role else rows["score"]


@pytest.mark.parametrize("scorer", ["knn", "mahalanobis", "mean", "far"])
def test_scores_lie_on_the_grid_of_the_train_normals_that_they_are_compared_with(index, tmp_path, plugins, scorer):
    scores = table(index(20, 5, test=9), scorer, Store(tmp_path), plugins, mirrored=True)
    by_fold = Grid.of(scheme(scores, True, "oof"))
    alone = scheme(scores, False, "oof")
    straight = Grid.of(alone) if len(alone) else by_fold
    for grid, rows in ((straight, scheme(scores, False)), (by_fold, scheme(scores, True))):
        np.testing.assert_array_equal(grid.rounded(rows), rows)
    if scorer == "far":  # finer than float32, since it is far from 0
        assert (scores["score"].to_numpy().astype(np.float32) != scores["score"].to_numpy()).any()


def test_last_bits_of_a_kernel_reach_no_table(index, digest, tmp_path, plugins):
    bank, domain = np.stack([vector(digest(i)) for i in range(25)]), np.array(["source"] * 25)
    raw, other = (Far(seed).fit(bank, domain).score(bank)["pooled"] for seed in (None, 1))
    assert not np.array_equal(raw, other)
    clips = index(20, 5, test=9)
    one, *others = (
        table(clips, {"name": "far", **seed}, Store(tmp_path), plugins, mirrored=True)
        for seed in ({}, {"seed": 1}, {"seed": 2})
    )
    assert all(one.equals(other) for other in others)


def test_features_of_several_layers_stand_side_by_side_and_a_residual_is_taken_away(index, digest, tmp_path, plugins):
    clips = index()
    residual = {"view": "far", "alpha": 0.25}
    table(clips, "mean", Store(tmp_path), plugins, layer=[0, 1], residual=residual)
    features, _ = max(Mean.fits, key=lambda fit: len(fit[0]))
    near0, far0, near1, far1 = (np.stack([vector(digest(i)) * (k + 1) + k for i in range(13)]) for k in range(4))
    np.testing.assert_array_equal(features, np.hstack([near0 - far0 / 4, near1 - far1 / 4]))


def test_layers_whose_frames_do_not_fit_are_refused(index, tmp_path, plugins):
    clips, store = index(), Store(tmp_path)
    (branch,) = portfolio({"b": "mean"}, layer=[0, 1]).branches.values()
    for part, time in zip(branch.parts, (4, 5), strict=True):
        features = store.features(feature_recipe(part, plugins, None))
        features.write(clips["sha256"].to_list(), [np.ones((time, 2, 3), np.float32)] * len(clips))
    (job,) = score.plan(clips, "b", portfolio({"b": "mean"}, layer=[0, 1]), store, plugins, None)
    with pytest.raises(DataError, match=r"\(4, 2, 3\), \(5, 2, 3\) cannot be set side by side"):
        score.score(job)


def test_what_a_scorer_warns_of_is_said_with_where(index, tmp_path, plugins, monkeypatch):
    def wary(self, features):
        warnings.warn("too few clips", stacklevel=1)
        return {"pooled": np.ones(len(features))}

    monkeypatch.setattr(Mean, "score", wary)
    with pytest.warns(UserWarning, match="branch 'b', m section 00: too few clips"):
        table(index(), "mean", Store(tmp_path), plugins)


class Told(Mean):
    """Distance to the mean of the train normals; left out, to that of those it does not have to do without."""

    def fit(self, features, domain, without=None):
        Told.fitted.append(without)
        self.bank, self.domain = features, domain
        return super().fit(features, domain)

    def score_left_out(self, without=None):
        Told.asked.append(without)
        rows = np.arange(len(self.bank))
        without = [[i] for i in rows] if without is None else without
        rest = [np.setdiff1d(rows, some) for some in without]
        means = [self.bank[some].mean(axis=0) for some in rest]
        return {"pooled": np.linalg.norm(self.bank - np.array(means), axis=1).astype(float)}


class AloneOnly(Told):
    """The same, but what to do without cannot be said."""

    def fit(self, features, domain):
        return super().fit(features, domain)

    def score_left_out(self):
        return super().score_left_out()


def clips_in_runs(clips, length):
    """The clips in order, and features that clips of a run of ``length`` share."""
    clips = clips.with_columns(
        order=pl.when(pl.col("split") == "train").then(pl.int_range(pl.len())).cast(pl.Float64),
        recording=pl.lit(None, pl.String),
        attributes=pl.lit(None, pl.String),
    )
    rng = np.random.default_rng(0)
    known = {}
    for i, sha256 in enumerate(clips.filter(pl.col("split") == "train").sort("clip")["sha256"]):
        shared = np.random.default_rng([7, i // length]).normal(size=16)
        known[sha256] = (10 + 2 * shared + rng.normal(0, 0.3, 16)).astype(np.float32)
    for sha256 in clips.filter(pl.col("split") == "test")["sha256"]:
        known[sha256] = (10 + rng.normal(size=16)).astype(np.float32)
    return clips, known


@pytest.fixture
def told(plugins, monkeypatch):
    class More:
        @hookimpl
        def register_scorers(self, register):
            register("mean", Mean)
            register("told", Told)
            register("alone_only", AloneOnly)

    known = Plugins([*offered(), ("more", More(), "more", "1")])
    monkeypatch.setattr(score, "installed", lambda: known)
    Told.fitted, Told.asked = [], []
    return known


def ordered(scorers, clips, features, store, plugins, mirrored=False, **manner):
    """Score clips in order and return (score table by branch, rows of run.json, notes)."""
    said = portfolio(dict.fromkeys(scorers) | {one: one for one in scorers}, mirrored=mirrored)
    if manner:
        said = said.model_copy(update={"out_of_fold": OutOfFold(**manner)})
    jobs = {}
    for name, branch in said.branches.items():
        for part in branch.parts:
            held = store.features(feature_recipe(part, plugins, None))
            if missing := held.missing(clips["sha256"].to_list()):
                held.write(missing, [features[one] for one in missing])
        jobs[name] = score.plan(clips, name, said, store, plugins, None)
    for group in score.together(job for branch in jobs.values() for job in branch):
        score.score_together(group)
    rows, notes = out_of_fold(score.scored(clips, jobs, plugins))
    return {name: score.assemble(clips, name, branch, store) for name, branch in jobs.items()}, rows, notes


def oof(table, reference="pooled"):
    rows = table.filter((pl.col("role") == "oof") & (pl.col("reference") == reference)).sort("clip")
    return rows["score"].to_numpy(), rows["fold"].to_numpy()


def test_a_scorer_that_can_be_told_leaves_neighbours_out_in_closed_form(index, tmp_path, told):
    clips, features = clips_in_runs(index(60, 10), 5)
    tables, (row,), notes = ordered(["told"], clips, features, Store(tmp_path), told)
    source = row["domains"]["source"]
    assert row["by"] == "neighbours"
    assert row["branches"] == {"told": "closed form"}
    assert 2 <= source["range"] <= 9
    assert (source["clips"], source["gap"]) == (60, 5 if source["range"] >= 5 else source["range"])
    scores, fold = oof(tables["told"])
    assert set(fold) == {-1}
    bank = np.stack([features[one] for one in clips.filter(pl.col("split") == "train").sort("clip")["sha256"]])
    gap = source["gap"]
    rest = np.setdiff1d(np.arange(70), np.arange(30 - gap, 30 + gap + 1))
    assert scores[30] == pytest.approx(np.linalg.norm(bank[30] - bank[rest].mean(axis=0)), rel=1e-5)
    assert Told.asked[0][30].tolist() == list(range(30 - gap, 30 + gap + 1))
    assert Told.fitted == [None]
    assert "up to" in notes[0]


def test_one_that_cannot_is_scored_in_folds_with_a_gap_and_a_note_says_so(index, tmp_path, told):
    clips, features = clips_in_runs(index(60, 10), 5)
    tables, (row,), notes = ordered(["alone_only", "mean"], clips, features, Store(tmp_path), told)
    assert row["branches"] == {"alone_only": "5 folds", "mean": "5 folds"}
    assert any(note.startswith("the scorers of alone_only can leave out single clips") for note in notes)
    scores, fold = oof(tables["alone_only"])
    assert fold[:60].tolist() == [i // 12 for i in range(60)]
    bank = np.stack([features[one] for one in clips.filter(pl.col("split") == "train").sort("clip")["sha256"]])
    held = HeldOut(
        places(clips.filter(pl.col("split") == "train"), OutOfFold()),
        {one: said["range"] for one, said in row["domains"].items()},
    )
    rows, rest = held.folds(tuple(clips.filter(pl.col("split") == "train")["sha256"]), 5, 0)[2]
    assert not set(rest) & set(range(24 - 3, 36 + 3))
    for i in rows:
        assert scores[i] == pytest.approx(np.linalg.norm(bank[i] - bank[rest].mean(axis=0)), rel=1e-5)
    np.testing.assert_array_equal(scores, oof(tables["mean"])[0])


@pytest.mark.parametrize("manner", ["auto", "neighbours", "clip"])
def test_where_order_means_nothing_all_is_as_by_clip_to_the_bit(index, tmp_path, told, manner):
    clips, features = clips_in_runs(index(60, 10), 1)
    names = ["told", "alone_only", "mean", "knn", "mahalanobis"]
    found, (row, *_), notes = ordered(names, clips, features, Store(tmp_path / "a"), told, mirrored=True, by=manner)
    assert {one.get("gap", 0) for one in row["domains"].values()} == {0}
    assert notes == []
    train = clips.filter(pl.col("split") == "train").sort("clip")
    bank = np.stack([features[one] for one in train["sha256"]])
    domain = train["domain"].to_numpy().astype(np.str_)
    for name in ("knn", "mahalanobis"):
        scorer = build("scorer", name, {}, told)
        expected = scorer.fit(bank, domain).score_left_out()
        for reference, values in expected.items():
            full = found[name].filter((pl.col("fold") == -1) & (pl.col("role") == "oof"))
            got = full.filter(pl.col("reference") == reference).sort("clip")["score"].to_numpy()
            np.testing.assert_allclose(got, values, rtol=2.0**-BITS)  # rounding moves a score by half a step at most
            np.testing.assert_array_equal(Grid.of(got).rounded(got), got)
    fold = score.assign_folds(tuple(train["sha256"]), domain, 5, 0)
    assert oof(found["mean"])[1].tolist() == fold.tolist()
    assert all(one is None for one in (*Told.fitted, *Told.asked))
    as_clip, _, _ = ordered(names, clips, features, Store(tmp_path / "b"), told, mirrored=True, by="clip")
    for name in names:
        assert found[name].equals(as_clip[name])


def test_by_clip_neighbours_count_although_they_are_alike(index, tmp_path, told):
    clips, features = clips_in_runs(index(60, 10), 5)
    by_clip, _, notes = ordered(["knn"], clips, features, Store(tmp_path), told, by="clip")
    left_out, _, _ = ordered(["told", "knn"], clips, features, Store(tmp_path), told)
    assert notes == []
    assert np.median(oof(by_clip["knn"])[0]) < 0.5 * np.median(oof(left_out["knn"])[0])


def test_whole_recordings_are_left_out_where_they_are_known(index, tmp_path, told):
    clips, features = clips_in_runs(index(60, 10), 5)
    named = pl.format("r{}", pl.int_range(pl.len()) // 5)
    clips = clips.with_columns(recording=pl.when(pl.col("split") == "train").then(named))
    _, (row,), _ = ordered(["told"], clips, features, Store(tmp_path), told)
    assert row["by"] == "recording"
    lengths = [len(some) for some in Told.asked[0]]
    assert set(lengths) <= {4, 5}
    assert row["domains"]["source"]["groups"] == clips.filter(pl.col("domain") == "source")["recording"].n_unique()


def test_mirrors_follow_the_same_folds(index, tmp_path, told):
    clips, features = clips_in_runs(index(60, 10), 5)
    tables, (row,), _ = ordered(["told"], clips, features, Store(tmp_path), told, mirrored=True)
    rows = tables["told"].filter((pl.col("fold") >= 0) & (pl.col("role") == "oof") & (pl.col("reference") == "pooled"))
    assert rows.sort("clip")["fold"].to_list()[:60] == [i // 12 for i in range(60)]
    assert row["branches"] == {"told": "closed form"}


def test_ranges_are_found_once_for_a_feature_set_and_again_where_they_were_lost(index, tmp_path, told, monkeypatch):
    clips, features = clips_in_runs(index(60, 10), 5)
    store = Store(tmp_path)
    _, rows, _ = ordered(["told", "mean"], clips, features, store, told)
    (kept,) = (tmp_path / "ranges").iterdir()
    kept.unlink()
    _, again, _ = ordered(["told"], clips, features, store, told)
    assert again[0]["domains"] == rows[0]["domains"]
    assert kept.exists()


def test_another_order_is_another_chunk_but_not_by_clip(index, tmp_path, told):
    clips, features = clips_in_runs(index(60, 10), 5)
    shuffled = clips.with_columns(order=pl.col("order") * 17 % 71)
    for one, expected in ((clips, 1), (shuffled, 2)):
        ordered(["mean"], one, features, Store(tmp_path), told)
        assert len(list((tmp_path / "scores").iterdir())) == expected
    for one in (clips, shuffled):
        ordered(["mean"], one, features, Store(tmp_path), told, by="clip")
        assert len(list((tmp_path / "scores").iterdir())) == 3


class Killed(KeyboardInterrupt):
    """Nothing that a plugin raises: what ends a process."""


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("at", range(1, 6))
def test_a_killed_branch_goes_on_after_its_last_finished_fold(index, tmp_path, plugins, monkeypatch, at, mirrored):
    monkeypatch.setattr(finished_folds, "WORTH", 0.0)
    clips, how = index(), {"mirrored": mirrored}
    whole = table(clips, "mean", Store(tmp_path / "whole"), plugins, **how)
    store = Store(tmp_path / "killed")
    (job,) = plan(clips, portfolio({"b": "mean"}, **how), store, plugins)
    fit, fits = Mean.fit, []

    def until(self, features, domain):
        if len(fits) == at:
            raise Killed
        fits.append(len(features))
        return fit(self, features, domain)

    monkeypatch.setattr(Mean, "fit", until)
    with pytest.raises(Killed):
        score.score(job)
    finished = len(list(tmp_path.rglob("fold_*.parquet")))
    assert finished == at - 1
    assert not job.path.exists()
    monkeypatch.setattr(Mean, "fit", fit)
    Mean.fits.clear()
    assert table(clips, "mean", store, plugins, **how).equals(whole)
    assert len(Mean.fits) == 6 - finished
    assert not list(tmp_path.rglob("fold_*"))


def test_a_damaged_part_is_made_again(index, tmp_path, plugins, monkeypatch):
    monkeypatch.setattr(finished_folds, "WORTH", 0.0)
    clips, store = index(), Store(tmp_path / "store")
    whole = table(clips, "mean", Store(tmp_path / "whole"), plugins)
    (job,) = plan(clips, portfolio({"b": "mean"}), store, plugins)
    folder = finished_folds.Parts(job.path).folder
    folder.mkdir(parents=True)
    for k, content in enumerate((b"", b"PAR1", b"{}")):
        (folder / f"fold_{k}.parquet").write_bytes(content)
    assert table(clips, "mean", store, plugins).equals(whole)
    assert not folder.exists()


def test_what_takes_no_time_is_not_written_down(index, tmp_path, plugins, monkeypatch):
    kept = []
    monkeypatch.setattr(finished_folds, "write_table", lambda *_: kept.append(1))
    table(index(), "mean", Store(tmp_path), plugins)
    assert kept == []
