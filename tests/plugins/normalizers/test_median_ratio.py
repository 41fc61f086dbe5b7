"""Scores as multiples of the median train normal."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore
from asdcore import DataError

SOURCE, TARGET = np.array([1.0, 2.0, 4.0, 7.0]), np.array([8.0, 16.0, 32.0])
DOMAIN = np.array(["source"] * 4 + ["target"] * 3)
TRAIN = {
    "pooled": np.concatenate([SOURCE, TARGET]),
    "source": np.concatenate([SOURCE, np.full(3, 1e6)]),
    "target": np.concatenate([np.full(4, 1e6), TARGET]),
}
SCORES = {"pooled": np.array([14.0]), "source": np.array([9.0]), "target": np.array([40.0])}


def z(train=TRAIN, domain=DOMAIN, **parameters):
    return float(asdcore.load_normalizer("median_ratio", **parameters).fit(train, domain).transform(SCORES)[0])


def test_by_hand():
    # Medians: pooled 7, source 3, target 16.
    assert z(scope="pooled") == pytest.approx(2.0)
    assert z(scope="source") == pytest.approx(3.0)
    assert z(scope="target", shrinkage=0) == pytest.approx(2.5)
    assert z(shrinkage=0) == pytest.approx(2.5)
    # Drawn with 10 clips: log median_t* = (3 log 16 + 10 log 3) / 13.
    assert z() == pytest.approx(min(3.0, 40.0 / (16.0**3 * 3.0**10) ** (1 / 13)))


def test_without_a_domain_the_other_stands_for_both():
    assert z({name: scores[:4] for name, scores in TRAIN.items() if name != "target"}, DOMAIN[:4]) == pytest.approx(3.0)
    with pytest.raises(DataError, match="target needs at least 1 train normals of the target domain"):
        z({name: scores[:4] for name, scores in TRAIN.items()}, DOMAIN[:4], scope="target")


@pytest.mark.parametrize("values", [[-1.0, 2.0, 3.0], [0.0, 0.0, 1.0]])
def test_what_is_no_distance_is_refused(values):
    with pytest.raises(DataError, match=r"go down to .* a ratio needs scores of at least 0 .* Use median_iqr"):
        z({"pooled": np.array(values)}, np.full(3, "source"), scope="pooled")
