"""Calibration: fitted on out-of-fold train normals of one cell and branch, applied to each clip alone."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from asdcore import hookimpl
from asdcore.basics.rounding import Grid
from asdcore.contract.plugins import Plugins, offered
from asdcore.errors import DataError, PluginError
from asdcore.portfolio import parse_portfolio
from asdcore.stages.calibrate import calibrate, mirror
from asdcore.store.tables import SCORES


class Spy:
    seen: list[tuple[dict, np.ndarray]] = []

    def __init__(self, how="good"):
        self.how = how

    def fit(self, scores, domain):
        Spy.seen.append((dict(scores), domain))
        return self

    def transform(self, scores):
        z = scores["pooled"] * 2
        return {"good": z, "short": z[1:], "nan": z * np.nan}[self.how]


class Rank(Spy):
    def transform(self, scores):
        return np.argsort(np.argsort(scores["pooled"])).astype(float)


class Learns(Spy):
    """Goes on learning from what it transforms."""

    def fit(self, scores, domain):
        self.heard = list(scores["pooled"])
        return self

    def transform(self, scores):
        self.heard += list(scores["pooled"])
        return scores["pooled"] - np.median(self.heard)


class FitsOnTests(Spy):
    """Keeps the test scores of one branch for the fit of the next."""

    kept: list[float] = []

    def fit(self, scores, domain):
        self.offset = np.mean(self.kept) if self.kept else 0.0
        return self

    def transform(self, scores):
        FitsOnTests.kept += list(scores["pooled"]) if len(scores["pooled"]) == 1 else []
        return scores["pooled"] - self.offset


class Theirs:
    @hookimpl
    def register_normalizers(self, register):
        register("spy", Spy)
        register("rank", Rank)
        register("learns", Learns)
        register("fits_on_tests", FitsOnTests)


@pytest.fixture
def plugins():
    Spy.seen.clear()
    return Plugins([*offered(), ("theirs", Theirs(), "theirs", "1")])


def tables(n=12, machines=("a", "b")):
    rng = np.random.default_rng(0)
    rows, clips = [], []
    for machine in machines:
        for i in range(n + 4):
            split, role = ("train", "oof") if i < n else ("test", "test")
            domain = ("target" if i < 4 else "source") if i < n else None
            clip = f"{machine}/{split}/{i:02}.wav"
            clips.append((clip, f"{rng.integers(1 << 60):064x}"))
            for reference in ("pooled", "source", "target"):
                rows.append((clip, machine, "00", split, domain, "x", reference, -1, role, rng.gamma(2.0)))
    scores = pl.DataFrame(rows, schema=SCORES.columns, orient="row")
    return scores, pl.DataFrame(clips, schema=["clip", "sha256"], orient="row")


def branches(normalizer):
    values = {"x": {"encoder": "logmel", "scorer": "knn", "normalizer": normalizer}}
    return parse_portfolio({"name": "p", "branches": values, "systems": {"S": {"weights": {"x": 1}}}}).branches


def test_pooled_median_and_iqr_by_hand(plugins):
    scores, clips = tables()
    z = calibrate(scores, clips, branches({"name": "median_iqr", "scope": "pooled"}), plugins)
    cell = scores.filter((pl.col("machine") == "a") & (pl.col("reference") == "pooled"))
    normals = cell.filter(pl.col("role") == "oof")["score"].to_numpy()
    low, median, high = np.quantile(normals, [0.25, 0.5, 0.75])
    both = z.filter(pl.col("clip").str.starts_with("a/")).join(cell.select("clip", "score"), on="clip")
    np.testing.assert_allclose(both["z"], (both["score"] - median) / (high - low), rtol=1e-5)


@pytest.mark.parametrize("normalizer", ["median_iqr", {"name": "ecdf", "output": "normal"}, "gamma", "spy"])
def test_z_lies_on_the_grid_of_the_train_normals(plugins, normalizer):
    scores, clips = tables()
    z = calibrate(scores, clips, branches(normalizer), plugins)
    for machine in "ab":
        cell = z.filter(pl.col("clip").str.starts_with(machine))
        grid = Grid.of(cell.filter(pl.col("role") == "oof")["z"])
        np.testing.assert_array_equal(grid.rounded(cell["z"]), cell["z"])


def test_last_bits_of_a_normalizer_do_not_reach_z(plugins, monkeypatch):
    scores, clips = tables()
    before = calibrate(scores, clips, branches("spy"), plugins)
    monkeypatch.setattr(Spy, "transform", lambda self, scores: scores["pooled"] * (2 + 1e-15))
    assert calibrate(scores, clips, branches("spy"), plugins).equals(before)


def test_a_normalizer_sees_train_normals_of_one_cell_in_digest_order(plugins):
    scores, clips = tables()
    calibrate(scores, clips, branches("spy"), plugins)
    assert [len(domain) for _, domain in Spy.seen] == [12, 12, 12, 12]  # each cell twice: fitted anew to look again
    seen, domain = Spy.seen[0]
    assert set(seen) == {"pooled", "source", "target"}
    expected = (
        scores.filter((pl.col("machine") == "a") & (pl.col("role") == "oof")).join(clips, on="clip").sort("sha256")
    )
    for reference, values in seen.items():
        np.testing.assert_array_equal(values, expected.filter(pl.col("reference") == reference)["score"])
    assert domain.tolist() == expected.filter(pl.col("reference") == "pooled")["domain"].to_list()


def test_each_test_clip_is_calibrated_alone(plugins):
    scores, clips = tables()
    every = calibrate(scores, clips, branches("median_iqr"), plugins).filter(pl.col("role") == "test")
    for clip in every["clip"]:
        some = scores.filter((pl.col("role") == "oof") | (pl.col("clip") == clip))
        alone = calibrate(some, clips, branches("median_iqr"), plugins).filter(pl.col("clip") == clip)
        assert alone["z"].item() == every.filter(pl.col("clip") == clip)["z"].item()


@pytest.mark.parametrize("normalizer", ["rank", "learns", "fits_on_tests"])
def test_a_normalizer_by_other_test_clips_is_refused_naming_the_clip(plugins, normalizer):
    FitsOnTests.kept.clear()
    said = rf"branch 'x', a section 00: normalizer '{normalizer}' gives a/test/\d\d.wav the value"
    with pytest.raises(PluginError, match=said):
        calibrate(*tables(), branches(normalizer), plugins)


def test_a_branch_without_spread_is_named(plugins):
    scores, clips = tables()
    flat = scores.with_columns(score=pl.when(pl.col("role") == "oof").then(1.0).otherwise("score"))
    with pytest.raises(DataError, match="branch 'x', a section 00: the interquartile range .* is 0"):
        calibrate(flat, clips, branches("median_iqr"), plugins)


@pytest.mark.parametrize(
    ("how", "error", "said"), [("short", PluginError, r"z \(11,\) for 12 clips"), ("nan", DataError, "not finite")]
)
def test_a_normalizer_off_its_contract_is_named(plugins, how, error, said):
    with pytest.raises(error, match=said):
        calibrate(*tables(), branches({"name": "spy", "how": how}), plugins)


def test_a_mirror_is_calibrated_on_train_normals_that_its_models_had_not_seen(plugins):
    scores, clips = tables()
    rng = np.random.default_rng(1)
    train = scores.filter(pl.col("role") == "oof")
    test = scores.filter(pl.col("role") == "test")
    split = train.with_columns(
        fold=pl.Series(np.arange(len(train)) // 3 % 2, dtype=pl.Int32), score=rng.gamma(3.0, size=len(train))
    )
    models = [test.with_columns(fold=pl.lit(k, pl.Int32), score=rng.gamma(3.0, size=len(test))) for k in range(2)]
    every = pl.concat([scores, split, *models])
    pooled = branches({"name": "median_iqr", "scope": "pooled"})
    assert calibrate(every, clips, pooled, plugins).equals(calibrate(scores, clips, pooled, plugins))
    z = mirror(every, clips, pooled, plugins)
    assert z.filter(pl.col("role") == "test")["fold"].value_counts().sort("fold").rows() == [(0, 8), (1, 8)]
    cell = pl.concat([split, *models]).filter((pl.col("machine") == "a") & (pl.col("reference") == "pooled"))
    low, median, high = np.quantile(cell.filter(pl.col("role") == "oof")["score"], [0.25, 0.5, 0.75])
    both = cell.join(z, on=["clip", "role", "fold"])
    assert len(both) == 12 + 2 * 4
    np.testing.assert_allclose(both["z"], (both["score"] - median) / (high - low), rtol=1e-5)
