"""What each train normal is scored without, and the folds: the rules of the module, held to."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore.errors import DataError
from asdcore.held_out.plan import HeldOut, in_a_row, largest_gap
from asdcore.held_out.recording_order import Places


def digests(n):
    return tuple(hashlib.sha256(str(i).encode()).hexdigest() for i in range(n))


def neighbours(source, target=0, *, ranges=None, said=None):
    """Clips in order, source before target."""
    domain = ("source",) * source + ("target",) * target
    known = Places(domain, (*range(source), *range(target)), None, "neighbours", said)
    return HeldOut(known, ranges)


def grouped(groups, target=0, *, order=True):
    """Clips of groups (numbers), the last ``target`` of them of the target domain."""
    source = len(groups) - target
    domain = ("source",) * source + ("target",) * target
    return HeldOut(Places(domain, (*range(source), *range(target)) if order else None, tuple(groups), "recording"))


def as_before(audio, domain, folds, seed):
    """Folds as they were dealt before anything but single clips was left out."""
    order = sorted(range(len(audio)), key=lambda i: hashlib.sha256(f"{seed}|{audio[i]}".encode()).digest())
    fold = np.empty(len(audio), dtype=int)
    for name in np.unique(domain):
        members = [i for i in order if domain[i] == name]
        fold[members] = np.arange(len(members)) % folds
    return [(np.flatnonzero(fold == k), np.flatnonzero(fold != k)) for k in np.unique(fold)]


SIZES = st.tuples(st.integers(1, 60), st.integers(0, 14)).filter(lambda sizes: sum(sizes) >= 2)


@given(SIZES.filter(lambda sizes: sizes != (1, 1)), st.integers(2, 7), st.integers(0, 5))
def test_without_dependence_nothing_but_the_clip_is_left_out_and_folds_are_the_old_ones(sizes, folds, seed):
    held, n = neighbours(*sizes, ranges={}), sum(sizes)
    assert held.without is None
    expected = as_before(digests(n), np.array(held.places.domain), min(folds, n), seed)
    for (rows, rest), (before, others) in zip(held.folds(digests(n), folds, seed), expected, strict=True):
        assert rows.tolist() == before.tolist()
        assert rest.tolist() == others.tolist()


@given(SIZES, st.integers(1, 80))
def test_neighbours_are_left_out_on_both_sides_and_enough_remain(sizes, reach):
    held = neighbours(*sizes, ranges=dict.fromkeys(("source", "target"), reach))
    if held.without is None:
        return
    domain = np.array(held.places.domain)
    for i, rows in enumerate(held.without):
        assert i in rows
        assert rows.tolist() == sorted(set(rows.tolist()))
        assert set(domain[rows]) == {domain[i]}
        gap = held.gaps[str(domain[i])]
        assert gap <= reach
        assert np.abs(rows - i).max() <= gap + in_a_row(gap) - 1
        own = np.flatnonzero(domain == domain[i])
        assert set(own[np.abs(own - i) <= gap]) <= set(rows)
        size = int((domain == domain[i]).sum())
        assert size - len(rows) >= max(-(-size // 2), 5) or len(rows) == 1


@pytest.mark.parametrize(
    ("clips", "gap"), [(1, 0), (5, 0), (7, 0), (8, 1), (9, 1), (10, 2), (30, 2), (50, 4), (198, 17), (990, 87)]
)
def test_the_largest_gap_leaves_four_fifths_of_many_clips_and_half_of_few(clips, gap):
    assert largest_gap(clips) == gap


def test_a_domain_of_twelve_ranges_is_treated_as_the_range_says():
    held = neighbours(360, 10, ranges={"source": 29, "target": 29})
    assert held.gaps == {"source": 29, "target": 2}
    # Eight clips in a row share one set: 29 // 4 and one.
    assert held.without[100].tolist() == list(range(96 - 29, 104 + 29))
    assert held.without[103] is held.without[96]
    assert held.without[0].tolist() == list(range(8 + 29))
    assert held.without[365].tolist() == list(range(363, 368))


def test_a_range_that_the_portfolio_says_counts_for_both_domains():
    assert neighbours(60, 10, ranges={"source": 9}, said=3).gaps == {"source": 3, "target": 2}


@pytest.mark.parametrize(
    ("clips", "reach", "gap"),
    [(360, 29, 18), (220, 29, 11), (219, 29, 10), (100, 3, 3), (20, 9, 1), (12, 5, 1), (6, 5, 0)],
)
def test_a_gap_beside_a_fold_is_the_range_or_a_tenth_of_the_clips_on_both_sides_together(clips, reach, gap):
    assert neighbours(clips, ranges={"source": reach}).fold_gap("source", 5) == gap


@given(SIZES, st.integers(1, 80), st.integers(2, 7))
def test_folds_are_stretches_with_a_gap_and_enough_remain(sizes, reach, count):
    held, n = neighbours(*sizes, ranges={"source": reach}), sum(sizes)
    folds = held.folds(digests(n), count, 0)
    assert sorted(np.concatenate([rows for rows, _ in folds]).tolist()) == list(range(n))
    source = np.arange(sizes[0])
    gap = held.fold_gap("source", min(count, n))
    for rows, rest in folds:
        assert not set(rows) & set(rest)
        assert len(rest)
        own = np.intersect1d(rows, source)
        if held.gaps["source"] and len(own):
            assert np.ptp(own) == len(own) - 1
            assert all(np.abs(own - one).min() > gap for one in np.intersect1d(rest, source))
            left = len(np.intersect1d(rest, source))
            assert left >= min(max(sizes[0] // 2, 5), sizes[0] - -(-sizes[0] // min(count, n)))


@given(st.lists(st.integers(0, 6), min_size=2, max_size=60), st.integers(0, 20), st.booleans())
def test_groups_are_left_out_whole_or_are_too_large(groups, target, order):
    target = min(target, len(groups) - 1)
    held = grouped(groups, target, order=order)
    group, domain = np.array(groups), np.array(held.places.domain)
    without = held.without or tuple(np.array([i]) for i in range(len(groups)))
    for i, rows in enumerate(without):
        assert i in rows
        assert set(group[rows]) == {group[i]}
        for one in set(domain):
            members = domain == one
            mates = np.flatnonzero(members & (group == group[i]))
            if group[i] not in held.too_large.get(one, []):
                assert set(mates) <= set(rows)
            elif one != domain[i]:
                assert not set(mates) & set(rows)
            size = int(members.sum())
            assert size - np.isin(rows, np.flatnonzero(members)).sum() >= min(5, size // 2)


@given(st.lists(st.integers(0, 6), min_size=2, max_size=60), st.integers(0, 20), st.integers(2, 6))
def test_folds_of_groups_hold_whole_groups(groups, target, count):
    held = grouped(groups, min(target, len(groups) - 1))
    folds = held.folds(digests(len(groups)), count, 3)
    assert sorted(np.concatenate([rows for rows, _ in folds]).tolist()) == list(range(len(groups)))
    assert 2 <= len(folds) <= count
    group, domain = np.array(groups), np.array(held.places.domain)
    for rows, rest in folds:
        assert sorted([*rows, *rest]) == list(range(len(groups)))
        if held.without is None:
            continue
        for one in set(domain):
            whole = {g for g in group[rows[domain[rows] == one]] if g not in held.too_large.get(one, [])}
            assert not whole & set(group[rest[domain[rest] == one]])


def test_folds_of_groups_are_even():
    held = grouped([i // 10 for i in range(100)] + [10 + i // 2 for i in range(10)], 10)
    sizes = [len(rows) for rows, _ in held.folds(digests(110), 5, 0)]
    assert sizes == [22] * 5


def test_a_group_with_all_clips_of_a_domain_is_left_out_by_neighbours():
    held = grouped([*(i // 10 for i in range(50)), *[9] * 10], 10)
    assert held.too_large == {"target": [9]}
    assert held.without[55].tolist() == [53, 54, 55, 56, 57]
    assert held.without[12].tolist() == list(range(10, 20))


def test_and_alone_where_no_order_is_known():
    held = grouped([*(i // 10 for i in range(50)), *[9] * 10], 10, order=False)
    assert held.without[55].tolist() == [55]


def test_a_recording_of_both_domains_is_left_out_of_both():
    held = grouped([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 0, 1, 2, 3, 4, 5], 6)
    assert held.without[0].tolist() == [0, 1, 12]
    assert held.without[12].tolist() == [0, 1, 12]


def test_one_clip_of_each_group_is_leave_one_out():
    held = grouped(range(20))
    assert held.without is None
    expected = as_before(digests(20), np.array(held.places.domain), 5, 0)
    assert [rows.tolist() for rows, _ in held.folds(digests(20), 5, 0)] == [rows.tolist() for rows, _ in expected]


def test_groups_are_stretches_of_the_range_and_are_apart_by_domain():
    held = neighbours(100, 10, ranges={"source": 9, "target": 9})
    assert len(np.unique(held.groups[:100])) == 10
    assert len(np.unique(held.groups[100:])) == 1
    assert not set(held.groups[:100]) & set(held.groups[100:])
    assert neighbours(5, 3, ranges={}).groups.tolist() == list(range(8))


def test_one_clip_of_each_domain_can_be_held_out():
    folds = neighbours(1, 1, ranges={}).folds(digests(2), 5, 0)
    assert [(rows.tolist(), rest.tolist()) for rows, rest in folds] == [([0], [1]), ([1], [0])]


def test_a_single_clip_cannot_be_held_out():
    with pytest.raises(DataError, match="1 train normal cannot be scored out of fold; at least 2"):
        neighbours(1, ranges={}).folds(digests(1), 5, 0)
