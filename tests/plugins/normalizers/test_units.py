"""The unit of scores does not count: z of clips is the same whether their scores are near 1e9 or near 1e-15."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore

RNG = np.random.default_rng(0)
DOMAIN = np.array(["source"] * 90 + ["target"] * 10)
NORMALS, CLIPS = RNG.gamma(5.0, size=100) + 1.0, np.linspace(0.5, 20.0, 15)


def z(name, unit, **parameters):
    normals, clips = (dict.fromkeys(("pooled", "source", "target"), unit * of) for of in (NORMALS, CLIPS))
    return asdcore.load_normalizer(name, **parameters).fit(normals, DOMAIN).transform(clips)


@pytest.mark.parametrize("unit", [2.0**-100, 2.0**-50, 2.0**-30, 2.0**30])
@pytest.mark.parametrize("scope", ["pooled", "domain_min"])
@pytest.mark.parametrize(
    "name", ["conformal", "ecdf", "gamma", "gpd", "mad", "mean_std", "median_iqr", "median_ratio", "qn"]
)
def test_z_is_the_same_in_every_unit(name, scope, unit):
    assert z(name, unit, scope=scope) == pytest.approx(z(name, 1.0, scope=scope), rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("unit", [2.0**-100, 2.0**-50, 2.0**30])
def test_z_of_two_domains_is_the_same_in_every_unit(unit):
    assert z("domain_z", unit) == pytest.approx(z("domain_z", 1.0), rel=1e-8)
