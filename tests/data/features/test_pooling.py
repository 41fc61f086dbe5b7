"""Tokens -> features: each pooling by hand, and what holds of it for any tokens."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from asdcore import DataError, PortfolioError
from asdcore.data.features.exact_features import to_16_bits
from asdcore.data.features.pooling import POOLINGS, complete, deviation_weights
from asdcore.data.features.pooling import pool as pool_tokens

# Two frames, three bands, two dimensions; two special tokens.
PATCHES = np.array([[[1, 2], [3, 4], [5, 6]], [[3, 8], [5, 0], [5, -6]]], np.float32)
SPECIAL = np.array([[1, 5], [2, 9]], np.float32)

NAMES = sorted(POOLINGS)
OVER_TIME = [name for name in NAMES if name not in ("cls", "frames")]


def pool(name, patches, **parameters):
    """Pool patches; cls gets the patches of all bands as its special tokens."""
    return pool_tokens(name, patches, patches.reshape(-1, patches.shape[-1]) if name == "cls" else None, **parameters)


def tokens(low=-100, high=100):
    shapes = array_shapes(min_dims=3, max_dims=3, max_side=6)
    return arrays(np.float32, shapes, elements=st.floats(low, high, width=32))


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("mean", {}, [2, 5, 4, 2, 5, 0]),
        ("mean_all", {}, [22 / 6, 14 / 6]),
        ("max", {}, [3, 8, 5, 4, 5, 6]),
        ("mean_std", {}, [2, 5, 4, 2, 5, 0, 1, 3, 1, 2, 0, 6]),
        # Means of bands are 11 / 3 and 7 / 3; three quarters of them go.
        ("mean_std_level", {}, [-0.75, 3.25, 1.25, 0.25, 2.25, -1.75, 1, 3, 1, 2, 0, 6]),
        ("mean_std_level", {"level": 1}, [2, 5, 4, 2, 5, 0, 1, 3, 1, 2, 0, 6]),
        ("frames", {}, PATCHES),
        # The larger of the two has the weight 1, the other r = 1/4.
        ("gwrp", {"r": 0.25}, [2.6, 6.8, 4.6, 3.2, 5, 3.6]),
        # sqrt((1 + 9) / 2), ...; what is negative counts as 0.
        ("gem", {"p": 2}, np.sqrt([5, 34, 17, 8, 25, 18])),
        # Two frames lie equally far from their mean.
        ("rdp", {"gamma": 3}, [2, 5, 4, 2, 5, 0]),
        ("rdp_gem", {"gamma": 3, "p": 2}, np.sqrt([5, 34, 17, 8, 25, 18])),
    ],
)
def test_by_hand(name, parameters, expected):
    features = pool(name, PATCHES, **parameters)
    assert features.dtype == np.float32
    assert features.shape == np.shape(expected)
    np.testing.assert_allclose(features, np.asarray(expected), rtol=1e-6)


def test_special_tokens_by_hand():
    assert pool_tokens("cls", PATCHES, SPECIAL).tolist() == [1.5, 7.0]


def test_deviation_weights_by_hand():
    # One band, the mean is (1, 0): distances 1, 1, 1, 3.
    frames = np.array([[[0.0, 0.0]], [[0.0, 0.0]], [[0.0, 0.0]], [[4.0, 0.0]]])
    weights = deviation_weights(frames, 2.0)
    np.testing.assert_allclose(weights[:, 0], [4 / 9, 4 / 9, 4 / 9, 1])
    np.testing.assert_allclose(pool("rdp", frames.astype(np.float32), gamma=2), [4 / (1 + 12 / 9), 0], rtol=1e-6)
    expected = (64 / (1 + 12 / 9)) ** (1 / 3)
    np.testing.assert_allclose(pool("rdp_gem", frames.astype(np.float32), gamma=2, p=3), [expected, 0], rtol=1e-6)


def test_a_band_has_weights_of_its_own():
    still, eventful = np.zeros((4, 1, 2), np.float32), np.zeros((4, 1, 2), np.float32)
    eventful[2] = 1.0
    together = pool("rdp", np.concatenate([still, eventful], axis=1))
    assert together.tolist() == [*pool("rdp", still), *pool("rdp", eventful)]


def test_every_pooling_is_there():
    means = ["mean", "mean_all", "mean_std", "mean_std_level"]
    assert ["cls", "frames", "gem", "gwrp", "max", *means, "rdp", "rdp_gem"] == NAMES


def test_defaults_are_the_published_ones():
    own = {name: {**complete(name)} for name in NAMES}
    assert not any(parameters.pop("clean_up") for parameters in own.values())
    assert {name: parameters for name, parameters in own.items() if parameters} == {
        "gem": {"p": 3.0},
        "gwrp": {"r": 0.7},
        "mean_std_level": {"level": 0.25},
        "rdp": {"gamma": 10.0},
        "rdp_gem": {"gamma": 9.0, "p": 3.0},
    }


def test_the_last_given_parameter_counts():
    assert complete("rdp", {"gamma": 16}, {"gamma": 4})["gamma"] == 4.0
    assert complete("rdp_gem", {"gamma": 16}, {"p": 5}) == {"gamma": 16.0, "p": 5.0, "clean_up": False}


def test_clean_up_by_hand():
    patches = np.array([-3.0, 0.0, 0.1, 0.3, 0.5, 1.0, 1000.0], np.float32).reshape(-1, 1, 1)
    cleaned = pool("frames", patches, clean_up=True).ravel()
    np.testing.assert_allclose(cleaned, [0.1, 0.1, 0.1, 0.3, 0.5, 0.5 + np.tanh(0.5), 1.5], rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_clean_up_comes_before_any_pooling(name):
    cleaned = pool("frames", PATCHES, clean_up=True)
    np.testing.assert_allclose(pool(name, PATCHES, clean_up=True), pool(name, cleaned), rtol=1e-6, atol=1e-6)


@settings(deadline=None)
@given(tokens(), st.sampled_from([name for name in NAMES if not name.startswith("mean_std")]))
def test_clean_up_bounds_what_comes_out(patches, name):
    features = pool(name, patches, clean_up=True)
    assert features.min() >= np.float32(0.1) * (1 - 1e-6)
    assert features.max() <= 1.5 * (1 + 1e-6)


@settings(deadline=None)
@given(tokens(), st.data())
def test_the_order_of_time_does_not_matter(patches, data):
    order = data.draw(st.permutations(range(len(patches))))
    for name in ["cls", *OVER_TIME]:
        np.testing.assert_allclose(pool(name, patches[order]), pool(name, patches), rtol=1e-5, atol=1e-4)


@settings(deadline=None)
@given(tokens(), st.floats(0.25, 100))
def test_poolings_become_the_mean(patches, p):
    mean = pool("mean", patches)
    np.testing.assert_array_equal(pool("rdp", patches, gamma=0), mean)
    np.testing.assert_allclose(pool("gwrp", patches, r=1), mean, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(pool("gem", abs(patches), p=1), pool("mean", abs(patches)), rtol=1e-5, atol=1e-30)
    np.testing.assert_array_equal(pool("rdp_gem", patches, gamma=0, p=p), pool("gem", patches, p=p))


@settings(deadline=None)
@given(tokens(), st.floats(-100, 100), st.floats(0, 1))
def test_a_gain_moves_all_clips_by_the_same(patches, gain_db, level):
    """So a Euclidean distance between them stays, and at level 0 the features themselves do."""
    louder = pool_tokens("mean_std_level", patches.astype(float) + gain_db, level=level)
    moved, half = louder - pool("mean_std_level", patches, level=level), len(louder) // 2
    np.testing.assert_allclose(moved, np.repeat([level * gain_db, 0.0], half), atol=1e-4)


@settings(deadline=None)
@given(tokens())
def test_poolings_become_the_maximum(patches):
    np.testing.assert_array_equal(pool("gwrp", patches, r=0), pool("max", patches))
    np.testing.assert_allclose(pool("gem", abs(patches), p=1000), pool("max", abs(patches)), rtol=0.01)


@settings(deadline=None)
@given(tokens(low=0), st.floats(1, 20), st.floats(1, 20))
def test_a_larger_power_pulls_towards_the_maximum(patches, p, more):
    smaller, larger = pool("gem", patches, p=p), pool("gem", patches, p=p + more)
    assert (smaller <= larger * (1 + 1e-5)).all()
    assert (larger <= pool("max", patches) * (1 + 1e-5)).all()


@settings(deadline=None)
@given(st.integers(1, 9), arrays(np.float32, (2, 3), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_tokens_that_stay_the_same_are_their_own_mean(time, token):
    patches = np.repeat(token[None], time, axis=0)
    for name in ("mean", "max", "gwrp", "rdp"):
        np.testing.assert_allclose(pool(name, patches), token.ravel(), rtol=1e-6)
    for name in ("gem", "rdp_gem"):
        np.testing.assert_allclose(pool(name, patches), np.maximum(token, 0).ravel(), rtol=1e-6)
    np.testing.assert_allclose(pool("mean_std", patches)[6:] / max(1, abs(token).max()), 0, atol=1e-6)


@settings(deadline=None)
@given(tokens(), st.floats(2.0**-40, 2.0**40, width=32))
@example(np.float32([[[1e-30]], [[3e-30]]]), 1.0)
@example(np.float32([[[4.8e-29]], [[0]]]), 2.0**-40)
def test_features_scale_with_the_tokens(patches, factor):
    for name in ["cls", *OVER_TIME]:
        scaled, size = pool(name, patches * np.float32(factor)), max(1e-30, abs(patches).max()) * factor
        size = max(size, np.finfo(np.float32).tiny)  # smaller numbers have fewer bits
        np.testing.assert_allclose(scaled / size, pool(name, patches) * factor / size, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fill", [0.0, 3e38, -3e38, 1e-45])
@pytest.mark.parametrize("parameters", [{}, {"gamma": 1000, "p": 1000, "r": 1e-9}, {"gamma": 0, "p": 1e-3, "r": 0.999}])
@pytest.mark.parametrize("name", NAMES)
def test_extreme_tokens_and_parameters_stay_finite(name, parameters, fill):
    own = {key: value for key, value in parameters.items() if key in complete(name)}
    patches = np.zeros((50, 2, 8), np.float32)
    patches[::7] = fill
    assert np.isfinite(pool(name, patches, **own)).all()
    assert np.isfinite(pool(name, np.full((3, 1, 2), fill, np.float32), **own)).all()


@pytest.mark.parametrize("name", OVER_TIME)
def test_one_frame_is_its_own_mean(name):
    frame = np.array([[[1.0, 0.25], [3.0, 7.0]]], np.float32)
    still = {"mean_std": [1, 0.25, 3, 7, 0, 0, 0, 0], "mean_std_level": [-0.5, -2.46875, 1.5, 4.28125, 0, 0, 0, 0]}
    expected = {"mean_all": [2, 3.625], **still}.get(name, [1, 0.25, 3, 7])
    np.testing.assert_allclose(pool(name, frame), expected, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_same_bits_on_any_number_of_threads(name, threads):
    patches = np.random.default_rng(0).standard_normal((300, 8, 96)).astype(np.float32)
    features = []
    for n in (1, 2):
        with threads(n):
            features.append(pool(name, patches).tobytes())
    assert features[0] == features[1]


@pytest.mark.parametrize("name", ["mean", "mean_all", "mean_std"])
def test_sums_are_float64(name):
    # 2**24 + 1 is not a float32: added up one after the other, the ones would be lost.
    patches = np.ones((5000, 1, 1), np.float32)
    patches[0] = 2.0**24
    assert pool(name, patches)[0] == np.float32((2.0**24 + 4999) / 5000)
    assert pool(name, patches)[0] != np.float32(2.0**24 / 5000)


def test_deviation_is_float64():
    # Steps of 1 on an offset of 2**23: their mean square is lost to float32 twice over.
    patches = (2.0**23 + np.arange(1000) % 2).astype(np.float32).reshape(-1, 1, 1)
    assert pool("mean_std", patches)[1] == 0.5


@pytest.mark.parametrize("name", NAMES)
def test_input_is_left_alone_and_output_is_not_a_window_onto_it(name):
    patches = PATCHES.copy()
    pool(name, patches)[...] = 99.0
    assert np.array_equal(patches, PATCHES)


@pytest.mark.parametrize("name", NAMES)
def test_same_bits_in_any_memory_layout(name):
    # Over many magnitudes, and with sums that end close to 0: the order in which they are made shows.
    rng = np.random.default_rng(0)
    patches = (rng.standard_normal((100, 8, 64)) * 10 ** rng.uniform(-8, 8, (100, 8, 64))).astype(np.float32)
    patches[-1] = -patches[:-1].sum(axis=0, dtype=np.float64)
    batch = np.stack([patches, patches], axis=-1)
    assert np.array_equal(pool(name, patches), pool(name, np.asfortranarray(patches)))
    assert np.array_equal(pool(name, patches), pool(name, batch[..., 1]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", NAMES)
def test_tokens_that_are_not_finite_are_refused(name, value):
    patches = PATCHES.copy()
    patches[0, 1, 0] = patches[1, 2, 1] = value
    with pytest.raises(
        DataError, match=rf"tokens hold 2 values that are not finite, so there are no features \({name}\)"
    ):
        pool(name, patches)


@pytest.mark.parametrize("shape", [(0, 3, 2), (2, 0, 2), (2, 3, 0), (3, 2), (1, 2, 3, 2)])
@pytest.mark.parametrize("name", ["frames", *OVER_TIME])
def test_other_shapes_are_refused(name, shape):
    with pytest.raises(DataError, match=r"patches of shape .*\(time, band, dim\), none of them 0, is needed"):
        pool(name, np.ones(shape, np.float32))


def test_unknown_pooling_is_refused_with_a_suggestion():
    with pytest.raises(
        PortfolioError, match=r"no pooling is named 'men'\. Did you mean 'mean'\? Known: cls, frames, gem, gwrp, max"
    ):
        pool("men", PATCHES)


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        (
            "rdp",
            {"gama": 3},
            r"pooling 'rdp' takes no parameter 'gama'\. Did you mean 'gamma'\? Known: clean_up, gamma",
        ),
        ("mean", {"gamma": 3}, r"pooling 'mean' takes no parameter 'gamma'\. Known: clean_up\."),
        ("rdp", {"gamma": -1}, r"pooling 'rdp': gamma must be a number from 0 to 1000, got -1\."),
        ("rdp", {"gamma": "16"}, r"gamma must be a number from 0 to 1000, got '16'\."),
        ("rdp", {"gamma": True}, r"gamma must be .* got True"),
        ("rdp", {"gamma": float("nan")}, r"gamma must be .* got nan"),
        ("rdp", {"gamma": 10**400}, r"gamma must be .* got 1000"),
        ("gem", {"p": 0}, r"pooling 'gem': p must be a number above 0, at most 1000, got 0\."),
        ("gwrp", {"r": 1.01}, r"pooling 'gwrp': r must be a number from 0 to 1, got 1.01\."),
        ("mean", {"clean_up": 1}, r"pooling 'mean': clean_up must be true or false, got 1\."),
    ],
)
def test_a_wrong_parameter_is_refused_with_what_is_allowed(name, parameters, said):
    with pytest.raises(PortfolioError, match=said):
        pool(name, PATCHES, **parameters)


@pytest.mark.parametrize("special", [None, np.empty((0, 2), np.float32)])
def test_special_tokens_that_are_not_there_are_named(special):
    with pytest.raises(
        PortfolioError, match=r"'cls' needs special tokens, and there are none\. Choose one of frames, gem"
    ):
        pool_tokens("cls", PATCHES, special)


def test_unfit_patches_do_not_hinder_special_tokens():
    assert pool_tokens("cls", np.full((1, 1, 1), np.nan, np.float32), SPECIAL).tolist() == [1.5, 7.0]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 4))
def test_sizes(time, band, dim):
    patches = np.random.default_rng(0).standard_normal((time, band, dim)).astype(np.float32)
    sizes = {name: pool(name, patches).shape for name in POOLINGS}
    flat = band * dim
    others = {
        "cls": (dim,),
        "frames": patches.shape,
        "mean_all": (dim,),
        "mean_std": (2 * flat,),
        "mean_std_level": (2 * flat,),
    }
    assert sizes == dict.fromkeys(NAMES, (flat,)) | others


@pytest.mark.parametrize("name", POOLINGS)
def test_exact_features_are_pooled_in_float64_and_rounded_once(name):
    wide = 1.0 + 1e-9 * np.random.default_rng(0).standard_normal((6, 2, 3))  # all alike in float32
    special = wide.reshape(-1, 3)
    expected = POOLINGS[name].function(special[:, None] if name == "cls" else wide, **POOLINGS[name].defaults)
    exact = pool_tokens(name, wide, special, exact=True)
    assert exact.dtype == np.float32
    assert np.array_equal(exact, to_16_bits(expected))
    shifted = pool_tokens("mean_std", wide - 1.0, exact=True)
    assert np.ptp(shifted) > 0  # what float32 would have lost is there
