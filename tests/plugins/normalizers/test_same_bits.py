"""What a normalizer says of a clip is the same to the bit, whichever clips are normalized with it."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore

RNG = np.random.default_rng(0)
N = 1003
DOMAIN = np.array(["source"] * 190 + ["target"] * 10)
TRAIN = {name: RNG.gamma(4.0, size=200) for name in ("pooled", "source", "target")}
CLIPS = {name: RNG.gamma(4.0, size=N) * np.where(np.arange(N) % 7 == 0, 30.0, 1.0) for name in TRAIN}

CASES = [
    *(
        (name, {"scope": scope})
        for name in ("median_iqr", "mean_std", "mad", "qn")
        for scope in ("domain_min", "domain_soft")
    ),
    ("domain_z", {}),
    ("median_ratio", {}),
    *(("ecdf", {"scope": "domain_min", "output": output}) for output in ("probability", "normal", "surprise")),
    *(
        ("conformal", {"scope": "domain_min", "output": output, "shrinkage": 5})
        for output in ("probability", "surprise")
    ),
    *(("gamma", {"output": output}) for output in ("probability", "surprise")),
    *(("gpd", {"scope": "domain_min", "output": output}) for output in ("probability", "normal", "surprise")),
]


ALONE = [
    (name, {"scope": scope})
    for name in ("median_ratio", "ecdf", "conformal", "gamma", "gpd")
    for scope in ("source", "pooled")
]


@pytest.mark.parametrize(("name", "parameters"), CASES + ALONE, ids=str)
def test_same_bits_from_a_state(name, parameters):
    fitted = asdcore.load_normalizer(name, **parameters).fit(TRAIN, DOMAIN)
    other = {reference: scores + 1.0 for reference, scores in TRAIN.items()}
    restored = asdcore.load_normalizer(name, **parameters).fit(other, DOMAIN).restore(fitted.state())
    assert restored.transform(CLIPS).tobytes() == fitted.transform(CLIPS).tobytes()


@pytest.mark.parametrize(("name", "parameters"), CASES, ids=str)
def test_same_bits_in_any_company(name, parameters):
    normalizer = asdcore.load_normalizer(name, **parameters).fit(TRAIN, DOMAIN)
    whole = normalizer.transform(CLIPS)
    # Single clips, odd starts and odd lengths: vectorized loops treat the ends of an array by themselves.
    for start, stop, step in ((0, 1, 1), (1, 2, 1), (3, 10, 1), (5, 1000, 3), (N - 1, N, 1), (7, N, 1)):
        part = {reference: scores[start:stop:step] for reference, scores in CLIPS.items()}
        assert normalizer.transform(part).tobytes() == whole[start:stop:step].tobytes()
    mixed = RNG.permutation(N)
    shuffled = normalizer.transform({reference: scores[mixed] for reference, scores in CLIPS.items()})
    assert shuffled.tobytes() == whole[mixed].tobytes()
