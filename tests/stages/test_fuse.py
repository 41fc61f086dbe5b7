"""Fusion: S = sum w phi(z) - lambda R, guards in turn, everything fitted on out-of-fold train normals."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdcore import fusion, hookimpl
from asdcore.basics.rounding import BITS, Grid
from asdcore.contract.plugins import Plugins, offered
from asdcore.errors import DataError, PluginError
from asdcore.fusion import transforms
from asdcore.portfolio import parse_portfolio
from asdcore.stages.fuse import fuse


class Fixed:
    """Takes back a constant from every clip above a base of 0, or whatever is wrong."""

    def __init__(self, how="good", amount=1.0):
        self.how, self.amount = how, amount

    def fit(self, base, z, domain):
        return self

    def penalty(self, base, z):
        if self.how == "writes":
            base[:] = -1e9
        penalty = np.where(base > 0, self.amount, 0.0)
        if self.how == "asks":
            return z["nowhere"]
        return {
            "good": penalty,
            "writes": 0 * base,
            "short": penalty[1:],
            "negative": penalty - 2,
            "nan": penalty * np.nan,
        }[self.how]


class BatchQuantile(Fixed):
    """Guards the tail of the clips that it is called with."""

    def penalty(self, base, z):
        return np.maximum(base - np.quantile(base, 0.5), 0.0)


class OtherBranch(Fixed):
    """Looks at the other clips' z of a branch."""

    def penalty(self, base, z):
        return np.full(len(base), abs(z["y"].mean()))


class Stash(Fixed):
    """Keeps test clips, and takes back their mean once it has a few."""

    def fit(self, base, z, domain):
        self.stash = []
        return self

    def penalty(self, base, z):
        self.stash += list(base)
        return np.full(len(base), abs(np.mean(self.stash)) if len(self.stash) > 45 else 0.0)


class Theirs:
    @hookimpl
    def register_guards(self, register):
        register("fixed", Fixed)
        register("batch_quantile", BatchQuantile)
        register("other_branch", OtherBranch)
        register("stash", Stash)


PLUGINS = Plugins([*offered(), ("theirs", Theirs(), "theirs", "1")])
BRANCHES = {name: {"encoder": "logmel", "scorer": "knn"} for name in ("x", "y")}


HALF_A_STEP = 2.0**-BITS
"""How far rounding to 24 bits moves a number at most, relative to it."""


def grid_of(out):
    """The grid of one system in one cell."""
    return Grid.of(out.filter(pl.col("role") == "oof")["base"])


def systems(**values):
    return parse_portfolio({"name": "p", "branches": BRANCHES, "systems": values}).systems


def tables(seed=0, n=40, test=10):
    rng = np.random.default_rng(seed)
    rows, clips = [], []
    for i in range(n + test):
        role, split = ("oof", "train") if i < n else ("test", "test")
        clip = f"m/{split}/{i:03}.wav"
        clips.append((clip, "m", "00", "source" if i < n else None, f"{rng.integers(1 << 60):064x}"))
        rows += [(clip, name, role, value) for name, value in zip("xy", rng.standard_normal(2) * 2, strict=True)]
    calibrated = pl.DataFrame(rows, schema=["clip", "branch", "role", "z"], orient="row")
    return calibrated, pl.DataFrame(clips, schema=["clip", "machine", "section", "domain", "sha256"], orient="row")


def wide(calibrated):
    return calibrated.pivot("branch", index=["clip", "role"], values="z")


def test_weighted_sum_of_transformed_z_by_hand():
    calibrated, clips = tables()
    out = fuse(calibrated, clips, systems(S={"weights": {"x": 0.7, "y": 0.3}, "transform": "log1p"}), PLUGINS)
    z = wide(calibrated).join(out, on=["clip", "role"])
    phi = [np.sign(z[name]) * np.log1p(np.abs(z[name])) for name in "xy"]
    np.testing.assert_allclose(z["base"], 0.7 * phi[0] + 0.3 * phi[1], rtol=HALF_A_STEP)
    assert (out["penalty"] == 0).all()
    assert (out["score"] == out["base"]).all()


def test_transforms_read_train_normals_alone():
    calibrated, clips = tables()
    system = systems(S={"weights": {"x": 1.0}, "transform": "ecdf_smooth"})
    every = fuse(calibrated, clips, system, PLUGINS)
    lifted = calibrated.with_columns(z=pl.when(pl.col("role") == "test").then(pl.col("z") + 1e6).otherwise("z"))
    after = fuse(lifted, clips, system, PLUGINS)
    for role in ("oof", "test"):
        same = every.filter(pl.col("role") == role).equals(after.filter(pl.col("role") == role))
        assert same == (role == "oof")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 1), st.sampled_from([0.5, 0.8, 0.95]))
def test_a_guarded_clip_stays_in_the_tail_and_all_others_stay_as_they_were(seed, strength, quantile):
    calibrated, clips = tables(seed)
    guard = {"name": "tail", "support": "y", "quantile": quantile, "strength": strength}
    out = fuse(calibrated, clips, systems(S={"weights": {"x": 1.0}, "guards": [guard]}), PLUGINS)
    threshold = np.quantile(out.filter(pl.col("role") == "oof")["base"], quantile)
    tail = out["base"] > threshold
    assert (out["penalty"] >= 0).all()
    assert (out.filter(~tail)["score"] == out.filter(~tail)["base"]).all()
    assert (out.filter(tail)["score"] >= threshold - 1e-12).all()


def test_guards_act_in_turn_on_what_the_one_before_left():
    calibrated, clips = tables()
    one = {"name": "fixed", "amount": 100.0, "strength": 1.0}
    out = fuse(calibrated, clips, systems(S={"weights": {"x": 1.0}, "guards": [one, one]}), PLUGINS)
    assert set(out["penalty"].round(9)) == {0.0, 100.0}


def test_a_guard_cannot_change_the_score_by_writing_to_it():
    calibrated, clips = tables()
    out = fuse(
        calibrated, clips, systems(S={"weights": {"x": 1.0}, "guards": [{"name": "fixed", "how": "writes"}]}), PLUGINS
    )
    assert (out["score"] == out["base"]).all()
    assert out["score"].min() > -100


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ("short", PluginError, r"penalty \(39,\) for 40 clips"),
        ("negative", PluginError, "negative penalty"),
        ("nan", DataError, "not finite"),
        ("asks", PluginError, "a branch 'nowhere' is asked for. Known: x, y"),
    ],
)
def test_a_guard_off_its_contract_is_named(how, error, said):
    with pytest.raises(error, match=f"system 'S', m section 00.*{said}"):
        fuse(*tables(), systems(S={"weights": {"x": 1.0}, "guards": [{"name": "fixed", "how": how}]}), PLUGINS)


@pytest.mark.parametrize("guard", ["batch_quantile", "other_branch", "stash"])
def test_a_guard_by_other_test_clips_is_refused_naming_the_clip(guard):
    system = systems(S={"weights": {"x": 1.0}, "guards": [{"name": guard}]})
    with pytest.raises(PluginError, match=rf"system 'S', m section 00: guard '{guard}' gives m/test/\d+.wav the value"):
        fuse(*tables(), system, PLUGINS)


def test_a_fusion_by_other_test_clips_is_refused_naming_the_clip(monkeypatch):
    monkeypatch.setitem(fusion.FUSIONS, "zscored", lambda normals: lambda phi: phi["x"] - phi["x"].mean())
    with pytest.raises(PluginError, match=r"system 'S', m section 00: fusion 'zscored' gives m/test/\d+.wav the value"):
        fuse(*tables(), systems(S={"weights": {"x": 1.0}, "fusion": "zscored"}), PLUGINS)


def test_a_transform_by_other_test_clips_is_refused_naming_the_clip(monkeypatch):
    monkeypatch.setitem(transforms.TRANSFORMS, "ranks", lambda normals: lambda z: np.argsort(np.argsort(z)) * 1.0)
    with pytest.raises(PluginError, match=r"system 'S', m section 00: transform 'ranks' gives m/test/\d+.wav"):
        fuse(*tables(), systems(S={"weights": {"x": 1.0}, "transform": "ranks"}), PLUGINS)


def test_a_transform_that_overflows_is_named():
    calibrated, clips = tables()
    steep = {"weights": {"x": 1.0}, "transform": {"name": "power", "gamma": 5000.0}}
    with (
        pytest.raises(DataError, match="system 'S'.*transform 'power' of branch 'x': .* not finite"),
        np.errstate(all="ignore"),
    ):
        fuse(calibrated, clips, systems(S=steep), PLUGINS)


def test_each_test_clip_is_fused_alone():
    calibrated, clips = tables()
    guard = {"name": "tail", "support": "y", "quantile": 0.8}
    system = systems(S={"weights": {"x": 0.5, "y": 0.5}, "transform": "normal_score", "guards": [guard]})
    every = fuse(calibrated, clips, system, PLUGINS).filter(pl.col("role") == "test")
    for clip in every["clip"]:
        some = calibrated.filter((pl.col("role") == "oof") | (pl.col("clip") == clip))
        alone = fuse(some, clips, system, PLUGINS).filter(pl.col("clip") == clip)
        assert alone.row(0) == every.filter(pl.col("clip") == clip).row(0)


FUSIONS = [
    *({"name": name} for name in ("stouffer", "fisher", "cauchy", "harmonic", "copula", "inverse_correlation")),
    *({"name": name} for name in ("zmin", "max", "median")),
    {"name": "gate", "weights": {"y": 1.0}},
    {"name": "low_correlation", "auxiliary": ["y"]},
]


@pytest.mark.parametrize("fusion", FUSIONS, ids=lambda fusion: fusion["name"])
def test_every_fusion_is_fitted_on_train_normals_and_fuses_each_clip_alone(fusion):
    calibrated, clips = tables()
    target = pl.col("clip").is_in(clips["clip"][:8].to_list())
    clips = clips.with_columns(domain=pl.when(target).then(pl.lit("target")).otherwise("domain"))
    calibrated = calibrated.with_columns(z=pl.col("z") + 2.0 * target)
    weights = {"x": 1.0} if fusion["name"] in ("gate", "low_correlation") else {"x": 1.0, "y": 1.0}
    weights |= {"y": 0.25} if fusion["name"] == "inverse_correlation" else {}
    system = systems(S={"weights": weights, "fusion": fusion, "guards": [{"name": "tail", "support": "y"}]})
    every = fuse(calibrated, clips, system, PLUGINS)
    plain = fuse(calibrated, clips, systems(S={"weights": weights}), PLUGINS)
    assert not every["base"].equals(plain["base"])
    for clip in every.filter(pl.col("role") == "test")["clip"]:
        some = calibrated.filter((pl.col("role") == "oof") | (pl.col("clip") == clip))
        alone = fuse(some, clips, system, PLUGINS)
        same = (pl.col("role") == "oof") | (pl.col("clip") == clip)
        assert alone.sort("clip").equals(every.filter(same).sort("clip"))


def test_stouffer_in_a_system_is_the_sum_of_normal_scores_over_its_root():
    calibrated, clips = tables()
    found = fuse(calibrated, clips, systems(S={"weights": {"x": 1.0, "y": 1.0}, "fusion": "stouffer"}), PLUGINS)
    by_sum = systems(S={"weights": {"x": 1.0, "y": 1.0}, "transform": "normal_score"})
    expected = fuse(calibrated, clips, by_sum, PLUGINS)["base"] / np.sqrt(2)
    np.testing.assert_allclose(found["base"], expected, rtol=2 * HALF_A_STEP)  # both are rounded


def test_a_fusion_that_cannot_be_fitted_is_named_with_its_cell():
    calibrated, clips = tables()
    flat = calibrated.with_columns(z=pl.when(pl.col("branch") == "y").then(0.0).otherwise("z"))
    system = systems(S={"weights": {"x": 1.0, "y": 1.0}, "fusion": "fisher"})
    with pytest.raises(
        DataError, match="system 'S', m section 00: fusion 'fisher': branch 'y': .* at least 2 different"
    ):
        fuse(flat, clips, system, PLUGINS)


def test_no_test_clips_is_fine():
    calibrated, clips = tables(test=0)
    assert set(fuse(calibrated, clips, systems(S={"weights": {"x": 1.0}}), PLUGINS)["role"]) == {"oof"}


def test_a_mirror_is_the_mean_over_its_models_guards_included():
    calibrated, clips = tables()
    rng = np.random.default_rng(5)
    train, test = (calibrated.filter(pl.col("role") == role) for role in ("oof", "test"))
    train = train.with_columns(fold=pl.lit(1, pl.Int32), z=pl.Series(rng.standard_normal(len(train)) * 2))
    models = [
        test.with_columns(fold=pl.lit(k, pl.Int32), z=pl.Series(rng.standard_normal(len(test)) * 4)) for k in range(3)
    ]
    guard = {"name": "tail", "support": "y", "quantile": 0.8, "strength": 0.5}
    wanted = systems(
        S={"weights": {"x": 0.6, "y": 0.4}, "transform": "ecdf_smooth", "guards": [guard]},
        M={"out_of_fold_mirror_of": "S"},
    )
    out = fuse(calibrated, clips, wanted, PLUGINS, pl.concat([train, *models]))
    straight = {"S": wanted["S"]}
    assert out.filter(pl.col("system") == "S").equals(fuse(calibrated, clips, straight, PLUGINS))
    alone = [fuse(pl.concat([train, one]).drop("fold"), clips, straight, PLUGINS) for one in models]
    mirror = out.filter(pl.col("system") == "M")
    assert (mirror["penalty"] > 0).any()
    for role, frames in (("oof", alone[:1]), ("test", alone)):
        parts = [frame.filter(pl.col("role") == role).sort("clip") for frame in frames]
        found = mirror.filter(pl.col("role") == role).sort("clip")
        for column in ("base", "penalty"):
            mean = np.mean([part[column] for part in parts], axis=0)
            np.testing.assert_array_equal(found[column], grid_of(mirror).rounded(mean))
        np.testing.assert_array_equal(found["score"], grid_of(mirror).rounded(found["base"] - found["penalty"]))


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-9, 1.0, 1e9]))
@settings(max_examples=20)
def test_base_penalty_and_score_lie_on_the_grid_of_the_train_normals_base(seed, scale):
    calibrated, clips = tables(seed)
    calibrated = calibrated.with_columns(pl.col("z") * scale)
    guard = {"name": "tail", "support": "y", "quantile": 0.8, "strength": 0.7}
    out = fuse(calibrated, clips, systems(S={"weights": {"x": 0.7, "y": 0.3}, "guards": [guard]}), PLUGINS)
    assert (out["penalty"] > 0).any()
    for column in ("base", "penalty", "score"):
        np.testing.assert_array_equal(grid_of(out).rounded(out[column]), out[column])
    np.testing.assert_array_equal(out["score"], grid_of(out).rounded(out["base"] - out["penalty"]))


def test_last_bits_of_z_do_not_reach_a_system():
    calibrated, clips = tables()
    noise = np.random.default_rng(1).uniform(-1e-15, 1e-15, len(calibrated))
    guard = {"name": "tail", "support": "y", "quantile": 0.8, "strength": 0.7}
    wanted = systems(S={"weights": {"x": 0.7, "y": 0.3}, "transform": "log1p", "guards": [guard]})
    nearly = calibrated.with_columns(pl.col("z") * (1 + noise))
    assert not nearly.equals(calibrated)
    assert fuse(nearly, clips, wanted, PLUGINS).equals(fuse(calibrated, clips, wanted, PLUGINS))
