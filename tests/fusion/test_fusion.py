"""Fusion strategies: each against its formula or scipy, fitted on train normals, clip by clip, never falling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import combine_pvalues, norm, rankdata, spearmanr, trim_mean

from asdcore.errors import DataError, PortfolioError
from asdcore.fusion import FUSIONS, Normals, branches_named, check_fusion, fit_fusion
from asdcore.fusion.smooth_ecdf import SmoothEcdf

NAMES = ("x", "y", "w")
PARAMETERS = {
    "gate": {"weights": {"y": 1.0, "w": 0.5}},
    "low_correlation": {"auxiliary": ["w", "y"]},
    "trimmed_mean": {"share": 1 / 3},
}
EQUAL, UNEQUAL = dict.fromkeys(NAMES, 1.0), {"x": 0.5, "y": 0.2, "w": 0.3}


def columns(n, seed=0, shift=0.0):
    """Three branches, the first two of which agree."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal(n)
    found = {
        "x": common + 0.3 * rng.standard_normal(n),
        "y": common + 0.5 * rng.standard_normal(n),
        "w": rng.gamma(2.0, size=n),
    }
    return {name: values + shift for name, values in found.items()}


def domains(n, target=10):
    return np.where(np.arange(n) < n - target, "source", "target")


def fitted(name, branches=EQUAL, phi=None, domain=None, **parameters):
    phi = columns(200) if phi is None else phi
    n = len(next(iter(phi.values())))
    chosen = parameters or PARAMETERS.get(name, {})
    return fit_fusion(name, chosen, Normals(phi, domains(n) if domain is None else domain, branches))


def p_values(phi):
    return np.array([SmoothEcdf(columns(200)[name]).survival(phi[name]) for name in NAMES])


CLIPS = columns(50, seed=1, shift=0.7)


def test_sum():
    expected = 0.5 * CLIPS["x"] + 0.2 * CLIPS["y"] + 0.3 * CLIPS["w"]
    assert np.allclose(fitted("sum", UNEQUAL)(CLIPS), expected, rtol=1e-14)


@pytest.mark.parametrize("weights", [EQUAL, UNEQUAL])
def test_stouffer_is_scipys(weights):
    order = [weights[name] for name in NAMES]
    expected = [combine_pvalues(p, "stouffer", weights=order).statistic for p in p_values(CLIPS).T]
    assert np.allclose(fitted("stouffer", weights)(CLIPS), expected, rtol=1e-9)


def test_fisher_is_scipys_and_its_weights_count():
    expected = [combine_pvalues(p, "fisher").statistic for p in p_values(CLIPS).T]
    assert np.allclose(fitted("fisher")(CLIPS), expected, rtol=1e-12)
    weighted = -2 * np.array([0.5, 0.2, 0.3]) @ np.log(p_values(CLIPS))
    assert np.allclose(fitted("fisher", UNEQUAL)(CLIPS), weighted, rtol=1e-12)


def test_cauchy_is_the_tail_of_the_mean_of_cauchy_variables():
    statistic = np.array([0.5, 0.2, 0.3]) @ np.tan((0.5 - p_values(CLIPS)) * np.pi)
    assert np.allclose(fitted("cauchy", UNEQUAL)(CLIPS), -np.log(0.5 - np.arctan(statistic) / np.pi), rtol=1e-9)


def test_cauchy_stays_precise_far_out():
    far = {name: np.array([1e6, 1e9, 1e12]) for name in NAMES}
    # cot(pi p) is 1 / (pi p) for small p: the combined p is then the harmonic mean.
    assert np.allclose(fitted("cauchy")(far), fitted("harmonic")(far), rtol=1e-9)
    assert (np.diff(fitted("cauchy")(far)) > 0).all()


def test_harmonic_is_the_harmonic_mean_of_the_p_values():
    expected = -np.log(1.0 / (np.array([0.5, 0.2, 0.3]) @ (1 / p_values(CLIPS))))
    assert np.allclose(fitted("harmonic", UNEQUAL)(CLIPS), expected, rtol=1e-12)


def test_zmin_takes_the_smallest_z_by_train_statistics():
    train = columns(200)
    z = [(CLIPS[name] - train[name].mean()) / train[name].std() for name in NAMES]
    assert np.allclose(fitted("zmin")(CLIPS), np.min(z, axis=0), rtol=1e-13)


@pytest.mark.parametrize(("name", "reduce"), [("max", np.max), ("median", np.median)])
def test_order_statistics(name, reduce):
    assert np.allclose(fitted(name)(CLIPS), reduce([CLIPS[one] for one in NAMES], axis=0), rtol=1e-15)
    two = fitted(name, {"x": 1.0, "y": 1.0})
    assert np.allclose(two(CLIPS), reduce([CLIPS["x"], CLIPS["y"]], axis=0), rtol=1e-15)


@pytest.mark.parametrize(("n_branches", "share"), [(3, 1 / 3), (3, 0.49), (5, 0.2), (7, 0.3)])
def test_trimmed_mean_is_scipys(n_branches, share):
    clips = {f"b{i}": np.random.default_rng(i).standard_normal(30) for i in range(n_branches)}
    fuse = fitted("trimmed_mean", dict.fromkeys(clips, 1.0), clips, domains(30), share=share)
    assert np.allclose(fuse(clips), trim_mean(list(clips.values()), share), rtol=1e-14)


def test_one_branch_that_goes_astray_does_not_move_a_trimmed_mean():
    calm = {"x": np.array([1.0]), "y": np.array([2.0]), "w": np.array([9.0])}
    wild = calm | {"w": np.array([1e300])}
    assert fitted("trimmed_mean")(calm) == fitted("trimmed_mean")(wild) == [2.0]


@pytest.mark.parametrize(
    ("branches", "share", "said"),
    [
        (
            EQUAL,
            0.2,
            r"share = 0.2 of 3 branches leaves none out: give a share of at least 0.34, or take fusion 'sum'",
        ),
        ({"x": 1.0, "y": 1.0}, 0.4, "give 1.0 to 3 branches or more"),
        (EQUAL, 0.5, "share must lie between 0 and 1 / 2, not at 0.5"),
        (EQUAL, -0.1, "share must lie between 0 and 1 / 2"),
    ],
)
def test_a_trimmed_mean_that_trims_nothing_or_all_is_refused(branches, share, said):
    with pytest.raises(PortfolioError, match=said):
        check_fusion("trimmed_mean", {"share": share}, branches)


def test_copula_has_unit_variance_on_train_normals_where_stouffer_has_more():
    train = columns(2000)
    scores = [SmoothEcdf(train[name]).normal_score(train[name]) for name in NAMES]
    correlation = np.corrcoef(scores)
    weights = np.array([UNEQUAL[name] for name in NAMES])
    found = fitted("copula", UNEQUAL, train, shrinkage=0.0)(train)
    assert np.allclose(found, weights @ scores / np.sqrt(weights @ correlation @ weights), rtol=1e-9)
    assert found.std() == pytest.approx(1.0, abs=0.03)
    widened = np.sqrt(weights @ correlation @ weights / np.sum(weights**2))
    assert widened > 1.1
    assert fitted("stouffer", UNEQUAL, train)(train).std() == pytest.approx(widened * found.std(), rel=1e-9)


def test_inverse_correlation_lets_twins_share_their_weight():
    train = columns(500)
    correlation = 0.9 * spearmanr(np.array([train[name] for name in NAMES]).T).statistic + 0.1 * np.eye(3)
    drawn = np.linalg.solve(correlation, np.ones(3))
    expected = drawn / drawn.sum() * 3 @ [CLIPS[name] for name in NAMES]
    assert np.allclose(fitted("inverse_correlation", phi=train)(CLIPS), expected, rtol=1e-9)
    one = {name: np.full(1, float(name == "w")) for name in NAMES}
    assert fitted("inverse_correlation", phi=train)(one)[0] > 1.2


def test_low_correlation_takes_the_branch_that_agrees_least_and_raises_to_the_level_of_high_alone():
    train = columns(200)
    base, aux = SmoothEcdf(train["x"]), SmoothEcdf(train["w"])
    assert abs(spearmanr(train["x"], train["w"]).statistic) < 0.5 < spearmanr(train["x"], train["y"]).statistic
    fuse = fitted("low_correlation", {"x": 1.0}, auxiliary=["y", "w"])
    middle, far = np.quantile(train["x"], [0.8, 0.999])
    low = np.quantile(train["x"], 0.3)
    quiet = train["w"].min()  # what the auxiliary branch calls normal is not raised
    clips = {
        "x": np.array([low, middle, middle, far, middle]),
        "w": np.array([1e3, 1e3, 3.0, 1e3, quiet]),
        "y": np.full(5, 99.0),
    }
    p_b, p_a = base.survival(clips["x"]), aux.survival(clips["w"])
    taper = (1 - p_b[2] - 0.5) / 0.49
    repaired = np.log(1 / p_b[2] + 0.5 * taper * max(1 / p_a[2] - 1 / p_b[2], 0))
    expected = [-np.log(p_b[0]), -np.log(0.01), max(-np.log(p_b[2]), repaired), *-np.log(p_b[3:])]
    assert np.allclose(fuse(clips), expected, rtol=1e-12)


def test_low_correlation_repairs_nothing_where_all_branches_agree():
    fuse = fitted("low_correlation", {"x": 1.0}, auxiliary=["y"])
    assert np.allclose(fuse(CLIPS), -np.log(SmoothEcdf(columns(200)["x"]).survival(CLIPS["x"])), rtol=1e-14)


@pytest.mark.parametrize(("above", "trust"), [(0, 1.0), (1, 0.5), (5, 0.1), (10, 0.05)])
def test_gate_trusts_the_first_weighting_less_where_target_normals_fill_the_tail(above, trust):
    # 400 clips, 20 of which lie above the 0.95 quantile; ``above`` of the 10 target clips are among them.
    first = np.arange(400.0)
    domain = np.full(400, "source", dtype="<U6")
    domain[400 - above :] = "target"
    domain[: 10 - above] = "target"
    phi = {"x": first, "y": np.zeros(400)}
    # i = (above / 10) / 0.05, so 1 of 10 is twice what belongs there.
    fuse = fitted("gate", {"x": 1.0}, phi, domain, weights={"y": 2.0})
    assert fuse({"x": np.array([1.0, 0.0]), "y": np.array([0.0, 1.0])}) == pytest.approx([trust, 2 * (1 - trust)])


def test_gate_without_target_clips_is_the_first_weighting():
    fuse = fitted("gate", {"x": 1.0}, domain=domains(200, 0), weights={"w": 1.0})
    assert np.array_equal(fuse(CLIPS), CLIPS["x"])


@pytest.mark.parametrize("name", list(FUSIONS))
@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(st.tuples(*3 * [st.floats(-1e3, 1e3)]), min_size=1, max_size=20),
    moved=st.integers(0, 2),
    rise=st.floats(0, 50),
    data=st.data(),
)
def test_never_falls_and_a_clips_score_is_its_own(name, values, moved, rise, data):
    fuse = fitted(name)
    low = {one: np.array([row[i] for row in values]) for i, one in enumerate(NAMES)}
    high = {one: column + rise * (i == moved) for i, (one, column) in enumerate(low.items())}
    found, raised = fuse(low), fuse(high)
    assert np.isfinite(found).all()
    assert (raised - found >= -1e-9 * np.abs(found).max()).all()
    index = data.draw(st.lists(st.integers(0, len(values) - 1), min_size=1, max_size=10))
    assert fuse({one: column[index] for one, column in low.items()}).tobytes() == found[index].tobytes()


@pytest.mark.parametrize("name", list(FUSIONS))
def test_same_bits_in_any_company_of_many(name):
    fuse, clips = fitted(name), columns(1003, seed=5, shift=0.5)
    whole = fuse(clips)
    # Vectorised loops treat the ends of an array by themselves.
    for start, stop, step in ((0, 1, 1), (1, 2, 1), (3, 10, 1), (5, 1000, 3), (7, 1003, 1)):
        part = {one: values[start:stop:step] for one, values in clips.items()}
        assert fuse(part).tobytes() == whole[start:stop:step].tobytes()


@pytest.mark.parametrize("name", ["fisher", "harmonic", "cauchy", "stouffer", "copula"])
def test_one_clips_score_under_any_strictly_rising_map_of_a_branch_at_its_train_normals(name):
    """p-value strategies read ranks: at the values of train normals a monotone map of a branch changes nothing."""
    train = columns(200)
    curved = {one: np.exp(values) for one, values in train.items()}
    assert np.allclose(fitted(name, phi=train)(train), fitted(name, phi=curved)(curved), rtol=1e-9)


def test_two_branches_that_say_the_same_are_refused_without_shrinkage_and_share_with_it():
    x = columns(200)["x"]
    twins = {"x": x, "y": np.exp(x), "w": columns(200)["w"]}
    with pytest.raises(DataError, match="rank all train normals alike; give inverse_correlation a shrinkage above 0"):
        fitted("inverse_correlation", phi=twins, shrinkage=0.0)
    assert np.isfinite(fitted("inverse_correlation", phi=twins)(CLIPS)).all()


@pytest.mark.parametrize("name", ["zmin", "stouffer", "copula", "fisher", "inverse_correlation"])
def test_a_branch_without_spread_is_named(name):
    phi = {**columns(200), "y": np.ones(200)}
    with pytest.raises(DataError, match=r"branch 'y'"):
        fitted(name, phi=phi)


@pytest.mark.parametrize("name", ["max", "median", "trimmed_mean", "zmin"])
def test_what_does_not_weigh_refuses_weights(name):
    with pytest.raises(PortfolioError, match=f"Fusion '{name}' does not weigh .* give 1.0 to every branch that counts"):
        check_fusion(name, PARAMETERS.get(name, {}), UNEQUAL)
    check_fusion(name, PARAMETERS.get(name, {}), {"x": 2.0, "y": 2.0, "z": 2.0, "w": 0.0})


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("stoufer", {}, r"No fusion is named 'stoufer'. Did you mean 'stouffer'\?"),
        ("gate", {}, r"'gate' needs weights = .*, got nothing"),
        ("gate", {"weights": {"x": 0.0}}, "not all 0"),
        ("gate", {"weights": {"x": -1.0}}, "at least 0"),
        ("gate", {"weights": 3}, "weights of at least 0"),
        (
            "gate",
            {"weights": {"x": 1.0}, "quantile": 1.0},
            "fusion 'gate': quantile must lie between 0 and 1, not at 1",
        ),
        ("copula", {"shrinkage": 2}, "fusion 'copula': shrinkage must be between 0 and 1, not 2"),
        ("copula", {"shrinkage": "much"}, "needs shrinkage = a number, got 'much'"),
        ("copula", {"shrinkag": 0.1}, r"takes no parameter 'shrinkag'. Did you mean 'shrinkage'\?"),
        ("low_correlation", {"auxiliary": "y"}, "needs auxiliary = a list of branches, got 'y'"),
        ("low_correlation", {"auxiliary": []}, "a list of branches"),
        ("low_correlation", {"auxiliary": ["y"], "low": 0.9, "high": 0.5}, "low < high < 1 is needed"),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(name, parameters, said):
    with pytest.raises(PortfolioError, match=said):
        check_fusion(name, parameters, {"x": 1.0})


def test_branches_that_a_strategy_names_itself():
    assert branches_named({"weights": {"x": 1.0, "y": 0.0}}) == {"x"}
    assert branches_named({"auxiliary": ["y", "w"]}) == {"y", "w"}
    assert branches_named({"shrinkage": 0.5}) == set()


def test_stouffer_of_independent_normals_is_standard_normal():
    rng = np.random.default_rng(3)
    train = {name: rng.standard_normal(4000) for name in NAMES}
    fresh = {name: rng.standard_normal(4000) for name in NAMES}
    found = fitted("stouffer", UNEQUAL, train)(fresh)
    # 4000 values: the standard error of the mean is 0.016, that of an empirical quantile at 0.95 is 0.034.
    assert abs(found.mean()) < 0.08
    assert abs(np.quantile(found, 0.95) - norm.ppf(0.95)) < 0.17
    assert np.array_equal(rankdata(found), rankdata(fitted("stouffer", UNEQUAL, train)(fresh)))
