"""Leaving clips out in closed form, against the Gaussian of the others, on banks that are hard on digits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdcore.basics.rounding import BITS
from asdcore_plugins.stats.gaussians.downdate import DowndatedGaussian
from asdcore_plugins.stats.gaussians.gaussian import estimate
from asdcore_plugins.stats.gaussians.moments import Moments

KINDS = ("plain", "repeated", "constant", "far", "flat", "outlier")


@st.composite
def banks(draw):
    """Clips (n, dim) and the group of each (n,): more dimensions than clips or fewer, and what goes wrong in banks."""
    kind, sizes = draw(st.sampled_from(KINDS)), draw(st.sampled_from([(12,), (30,), (14, 6), (9, 7, 5)]))
    dim, rng = draw(st.sampled_from([1, 3, 12, 50])), np.random.default_rng(draw(st.integers(0, 10**6)))
    group = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    spread = np.geomspace(1.0, 1e-4 if kind == "flat" else 0.1, dim)
    clips = rng.normal(size=(len(group), dim)) * spread + 3.0 * group[:, None]
    if kind == "repeated":
        clips[1:7] = clips[0]
        group[1:7] = group[0]
        group[7 : 7 + 2 * len(sizes)] = np.tile(np.arange(len(sizes)), 2)
    clips[:, ::2] = 0.1 if kind == "constant" and dim > 1 else clips[:, ::2]
    clips += 1e3 if kind == "far" else 0.0
    clips[-1] *= 30.0 if kind == "outlier" else 1.0
    return clips.astype(np.float32).astype(np.float64), group


def close(found, expected):
    """Whether the values are the same up to a small share of a table's 24 bits."""
    assert np.allclose(found, expected, rtol=2.0**-BITS / 20, atol=1e-11)


@settings(max_examples=60, deadline=None)
@given(banks(), st.sampled_from([0.3, "oas", "ledoit_wolf"]))
def test_one_clip_left_out_is_scored_by_the_others(refitted, bank, how):
    clips, group = bank
    found, lost = estimate(clips, group, how).distances_left_out()
    kept = np.flatnonzero(~lost)
    assert len(kept) >= len(clips) - 2
    close(found[kept], np.concatenate([refitted(*bank, how, [i], clips[[i]]) for i in kept]))


@settings(max_examples=60, deadline=None)
@given(banks(), st.sampled_from([0.3, "oas", "ledoit_wolf"]), st.integers(1, 9))
def test_sets_left_out_are_scored_by_the_others_be_they_larger_than_the_clips_are_wide_or_not(
    refitted, bank, how, parts
):
    clips, group = bank
    sets = [np.sort(part) for part in np.array_split(np.random.default_rng(0).permutation(len(clips)), parts + 1)]
    found, lost = DowndatedGaussian(estimate(clips, group, how), clips).distances(sets, sets)
    for gone in (part for part, is_lost in zip(sets, lost, strict=True) if not is_lost):
        close(found[gone], refitted(clips, group, how, gone, clips[gone]))


@pytest.mark.parametrize("sizes", [(9,), (6, 4)])
def test_fourth_powers_add_up_without_a_look_at_the_clips(sizes):
    rng, group = np.random.default_rng(0), np.repeat(np.arange(len(sizes)), sizes)
    _, singular, basis = np.linalg.svd(rng.normal(size=(len(group), 5)), full_matrices=False)
    clips, by = (rng.normal(size=(len(group), 5)) @ basis.T for _ in range(2))
    if len(sizes) == 1:
        clips = np.linalg.svd(clips, full_matrices=False)[0] * singular
    moments = Moments.of(clips, group, np.square(clips).sum(axis=0))
    for g in range(len(sizes)):
        expected = [np.square(np.square(clips[group == g] + v).sum(axis=1)).sum() for v in by]
        assert np.allclose(moments.shifted(g, by), expected, rtol=1e-12)
