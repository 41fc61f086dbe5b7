"""A smooth CDF comes back from its state to the bit, and another state is refused."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore import DataError, SmoothEcdf

NORMALS = np.random.default_rng(0).gamma(3.0, size=50)
SCORES = np.append(np.linspace(-20.0, 20.0, 101), NORMALS)


@pytest.mark.parametrize("normals", [NORMALS, np.repeat([0.0, 1.0], [40, 10]), np.array([3, 5])])
def test_every_bit_comes_back(normals):
    curve = SmoothEcdf(normals)
    again = SmoothEcdf.restored(curve.state())
    for method in ("cdf", "survival", "normal_score"):
        assert getattr(again, method)(SCORES).tobytes() == getattr(curve, method)(SCORES).tobytes()


def test_nobody_changes_the_curve_through_its_state():
    curve = SmoothEcdf(NORMALS)
    before = curve.cdf(SCORES)
    state = curve.state()
    again = SmoothEcdf.restored(state)
    state["values"][:] = 0.0
    assert np.array_equal(curve.cdf(SCORES), before)
    assert np.array_equal(again.cdf(SCORES), before)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rank": ...}, "'rank' is missing or unknown"),
        ({"more": 1.0}, "'more' is missing or unknown"),
        ({"rank": np.zeros(3)}, "of one length"),
        ({"values": np.zeros(50, np.float32)}, "float64 arrays"),
        ({"values": [0.0]}, "float64 arrays"),
        ({"values": np.zeros(1), "rank": np.zeros(1)}, "at least 2"),
        ({"low_scale": "1"}, "are numbers"),
    ],
)
def test_another_state_is_refused(change, words):
    state = {key: value for key, value in {**SmoothEcdf(NORMALS).state(), **change}.items() if value is not ...}
    with pytest.raises(DataError, match=words):
        SmoothEcdf.restored(state)
