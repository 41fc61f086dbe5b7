"""What every branch contributes adds up to the score, and is what a definition by hand says."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdcore.detector.contributions import ALL_ORDERS, contributions

FUSIONS = {
    "sum": lambda z: sum(z.values()),
    "max": lambda z: np.maximum.reduce(list(z.values())),
    "product": lambda z: np.prod(list(z.values()), axis=0),
    "gate": lambda z: np.where(z[min(z)] > 0, sum(z.values()), 0.0),
}
numbers = st.floats(-5, 5, allow_subnormal=False)


def by_hand(fuse, clip, usual):
    """Over all orders: branch after branch takes what it says of the clip."""
    total = dict.fromkeys(clip, 0.0)
    orders = list(permutations(clip))
    for order in orders:
        now = dict(usual)
        for branch in order:
            before = float(fuse({name: np.array([value]) for name, value in now.items()})[0])
            now[branch] = clip[branch]
            total[branch] += float(fuse({name: np.array([value]) for name, value in now.items()})[0]) - before
    return {branch: value / len(orders) for branch, value in total.items()}


@pytest.mark.parametrize("fusion", FUSIONS)
@settings(deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=4))
def test_it_is_the_mean_over_all_orders(fusion, values):
    clip = {f"b{i}": row[0] for i, row in enumerate(values)}
    usual = {f"b{i}": row[1] for i, row in enumerate(values)}
    _, parts = contributions(FUSIONS[fusion], clip, usual)
    assert parts == pytest.approx(by_hand(FUSIONS[fusion], clip, usual), abs=1e-9)


@pytest.mark.parametrize("fusion", FUSIONS)
@settings(deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=ALL_ORDERS + 4))
def test_the_parts_add_up_to_the_fused_value_for_any_number_of_branches(fusion, values):
    clip = {f"b{i:02d}": row[0] for i, row in enumerate(values)}
    usual = {f"b{i:02d}": row[1] for i, row in enumerate(values)}
    start, parts = contributions(FUSIONS[fusion], clip, usual)
    fused = FUSIONS[fusion]({name: np.array([value]) for name, value in clip.items()})[0]
    scale = 1 + max(abs(fused), 5.0 ** len(values) if fusion == "product" else 100.0)
    assert abs(start + sum(parts.values()) - fused) <= 1e-12 * scale


def test_a_branch_that_says_what_it_always_says_contributes_nothing():
    names = [f"b{i:02d}" for i in range(ALL_ORDERS + 2)]
    clip = dict.fromkeys(names, 1.0) | {"b03": 0.5}
    usual = dict.fromkeys(names, 0.5)
    assert contributions(FUSIONS["max"], clip, usual)[1]["b03"] == 0.0
