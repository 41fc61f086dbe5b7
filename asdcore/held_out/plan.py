"""Plans which clips each train normal is scored without, in closed form and in folds.

Leaving clips out has two effects: near-duplicates no longer count, and the bank gets thinner than the one that a new
clip will be scored by, which makes normals look anomalous. So the gaps have bounds. The rules, for one machine and
section, with each domain by itself:

* By neighbours, a clip is scored without the ``range`` clips of its domain on either side, as long as these are at most
  a fifth of the domain, the part that one of five folds takes. So a domain of twelve ranges or more gets the full gap,
  and a shorter one a smaller gap. A few clips in a row (a quarter of the gap) share one set of clips that they are
  scored without, which holds the neighbours of each: shared sets cost a scorer far less. A small domain (ten target
  clips) gets a gap of 2 if half of it and at least 5 clips remain, else a gap of 1 by the same condition, else none.
* By groups (recordings, attributes), a clip is scored without its whole group. A group is too large for a domain if it
  would leave fewer than 5 of its clips, or fewer than half of a domain that has fewer than 10. A clip of such a group
  is scored without its neighbours, in a gap as above, or without itself alone if no order is known.
* In folds by neighbours, a fold is a stretch of each domain, and the gap on either side of it takes no part in the
  fit: as large as above, but at most a twentieth of the domain, or 1 if half of it and at least 5 clips remain. In
  folds by groups, whole groups are dealt out, the largest first, each to the fold that has the fewest clips of its
  domain.
* If every clip is left out alone, folds are dealt by a hash of the audio, evenly within each domain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from asdcore.errors import DataError
from asdcore.held_out.recording_order import Places, as_domains

Rows = NDArray[np.intp]

LEFT = 5
"""Clips of a domain that must remain when others are left out: scorers of local density need as many."""

SHARE, FOLD_SHARE = 5, 10
"""A clip's neighbours may be one in SHARE clips of a domain; both gaps beside a fold may be one in FOLD_SHARE."""

IN_A_ROW = 4
"""A gap of so many clips lets one more clip in a row share the set of clips that it is scored without."""

FEW = 2
"""The gap in domains that are too small for those shares."""


class HeldOut:
    """How the train normals of one machine and section, by one feature set, are scored out of fold.

    Parameters
    ----------
    given : Places
        How the train normals lie, and by what they are left out.
    ranges : mapping of str to int, optional
        The range of each domain that is left out by neighbours (:func:`asdcore.held_out.dependence.reaches`).

    """

    def __init__(self, given: Places, ranges: Mapping[str, int] | None = None) -> None:
        self.places = given
        self._rows = as_domains(given)
        wanted = dict.fromkeys(self._rows, given.range) if given.range is not None else dict(ranges or {})
        by_neighbours = given.manner == "neighbours"
        self.ranges = {domain: int(wanted.get(domain) or 0) if by_neighbours else 0 for domain in self._rows}

    @cached_property
    def gaps(self) -> dict[str, int]:
        """The neighbours on either side that are left out, by domain."""
        return {domain: min(self.ranges[domain], largest_gap(len(rows))) for domain, rows in self._rows.items()}

    @cached_property
    def too_large(self) -> dict[str, list[int]]:
        """By domain, the groups that would leave too few of its clips."""
        if self.places.group is None:
            return {}
        group, by_domain = np.array(self.places.group), {}
        everywhere = set(_too_large(group))
        for domain, rows in self._rows.items():
            if large := sorted({*_too_large(group[rows]), *(everywhere & set(group[rows].tolist()))}):
                by_domain[domain] = large
        return by_domain

    @cached_property
    def without(self) -> tuple[Rows, ...] | None:
        """For each clip the rows it is scored without, sorted, its own among them; None if each is left out alone."""
        if self.places.group is None and not any(self.gaps.values()):
            return None
        alone = [np.array([i], dtype=np.intp) for i in range(len(self.places.domain))]
        if self.places.group is not None:
            self._by_group(alone)
        for domain, rows in self._rows.items():
            self._by_neighbours(alone, rows, self.gaps[domain])
        return tuple(alone) if any(len(rows) > 1 for rows in alone) else None

    @cached_property
    def groups(self) -> NDArray[np.intp]:
        """The number of the group (n_train,) that each clip belongs to, for rules that count groups instead of clips.

        By neighbours these are stretches of ``range + 1`` clips: clips of different stretches are about as unlike as
        any two clips. Clips of different domains share a group only if a recording or an attribute spans both.
        """
        if self.places.group is not None:
            return np.unique(np.array(self.places.group), return_inverse=True)[1]
        group, first = np.empty(len(self.places.domain), dtype=np.intp), 0
        for domain, rows in self._rows.items():
            group[rows] = first + np.arange(len(rows)) // (self.ranges[domain] + 1)
            first = int(group[rows].max()) + 1
        return group

    def folds(self, audio: tuple[str, ...], count: int, seed: int) -> list[tuple[Rows, Rows]]:
        """Return for each fold its rows, and the rows that a scorer of them is fitted on.

        Raises DataError if there are too few train normals to leave any out.
        """
        count = min(count, len(audio))
        if count < 2:
            raise DataError(f"{len(audio)} train normal cannot be scored out of fold; at least 2 are needed")
        fold = self._dealt(audio, count, seed)
        if len(np.unique(fold)) == 1:  # one clip of each domain
            fold = np.arange(len(audio)) % count
        parts = []
        for k in map(int, np.unique(fold)):
            held = fold == k
            parts.append((np.flatnonzero(held), np.flatnonzero(~held & ~self._beside(held, count))))
        return parts

    def fold_gap(self, domain: str, count: int) -> int:
        """Return how many neighbours on either side of a fold of a domain take no part in its fit."""
        n = len(self._rows[domain])
        held = -(-n // count)
        return min(self.gaps[domain], max(n // FOLD_SHARE // 2, min(1, _half(n, held))), _half(n, held))

    def gap_inside(self, domain: str) -> int:
        """Return how many neighbours on either side are left out inside a group that is too large for a domain."""
        return 0 if self.places.order is None else largest_gap(len(self._rows[domain]))

    def _beside(self, held: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
        """Return which clips lie within the gap of a fold."""
        beside = np.zeros_like(held)
        for domain, rows in self._rows.items():
            if gap := self.fold_gap(domain, count):
                beside[rows] = np.convolve(held[rows], np.ones(2 * gap + 1), "same") > 0.5
        return beside

    def _by_neighbours(self, without: list[Rows], rows: Rows, gap: int) -> None:
        """Leave out the clips of a domain up to ``gap`` places from a clip, or from those that share its set."""
        if not gap:
            return
        step = in_a_row(gap)
        for start in range(0, len(rows), step):
            shared = np.sort(rows[max(0, start - gap) : start + step + gap])
            for i in rows[start : start + step]:
                without[i] = shared

    def _by_group(self, without: list[Rows]) -> None:
        """Leave out the clips of the same group, in every domain that it is not too large for."""
        group, domain = np.array(self.places.group), np.array(self.places.domain)
        for number in np.unique(group):
            mates = np.flatnonzero(group == number)
            large = [name for name in self._rows if number in self.too_large.get(name, [])]
            fitting = mates[~np.isin(domain[mates], large)]
            for i in mates:
                own = self._near_mates(int(i), mates) if domain[i] in large else mates[:0]
                without[i] = np.unique(np.concatenate([fitting, own, [i]])).astype(np.intp)

    def _near_mates(self, i: int, mates: Rows) -> Rows:
        """Return the clips near clip ``i`` in a group too large for its domain; none if the order is unknown."""
        if self.places.order is None:
            return mates[:0]
        domain, order = np.array(self.places.domain), np.array(self.places.order)
        own = mates[domain[mates] == domain[i]]
        gap = self.gap_inside(self.places.domain[i])
        near: Rows = own[np.abs(order[own] - order[i]) <= gap]
        return near

    def _dealt(self, audio: tuple[str, ...], count: int, seed: int) -> NDArray[np.intp]:
        """Return the fold (n_train,) of every clip."""
        domain = np.array(self.places.domain, dtype=np.str_)
        fold = assign_folds(audio, domain, count, seed)
        if self.without is None:
            return fold
        if self.places.group is not None:
            return self._dealt_groups(audio, count, seed)
        for name, rows in self._rows.items():
            if self.gaps[name]:
                fold[rows] = np.arange(len(rows)) * count // len(rows)
        return fold

    def _dealt_groups(self, audio: tuple[str, ...], count: int, seed: int) -> NDArray[np.intp]:
        """Deal whole groups to folds, and stretches of the groups that are too large."""
        domain = np.array(self.places.domain, dtype=np.str_)
        sizes = {name: np.zeros(count, dtype=np.intp) for name in self._rows}
        fold = np.empty(len(audio), dtype=np.intp)
        units = self._units(count)
        for rows in sorted(units, key=lambda rows: (-len(rows), _hashed(seed, min(audio[i] for i in rows)))):
            names, counts = np.unique(domain[rows], return_counts=True)
            most = str(names[counts.argmax()])
            chosen = int(np.lexsort((np.sum(list(sizes.values()), axis=0), sizes[most]))[0])
            fold[rows] = chosen
            for name, n in zip(names, counts, strict=True):
                sizes[str(name)][chosen] += n
        return fold

    def _units(self, count: int) -> list[Rows]:
        """Return the units that are dealt out: whole groups, and stretches or single clips of groups too large."""
        group = np.array(self.places.group)
        whole = {int(number): np.flatnonzero(group == number) for number in np.unique(group)}
        units = []
        for domain, numbers in self.too_large.items():
            for number in numbers:
                large = self._rows[domain][group[self._rows[domain]] == number]
                whole[number] = np.setdiff1d(whole[number], large)
                pieces = len(large) if self.places.order is None else min(count, len(large))
                units += np.array_split(large, pieces)
        return [*(rows for rows in whole.values() if len(rows)), *units]


def largest_gap(clips: int) -> int:
    """Return how many neighbours on either side of a clip may be left out of a domain of ``clips``; see the rules."""
    allowed = clips // SHARE
    widest = max((gap for gap in range(allowed // 2 + 1) if 2 * gap + in_a_row(gap) <= allowed), default=0)
    return max(widest, min(FEW, _half(clips, 1)), 0)


def in_a_row(gap: int) -> int:
    """Return how many clips in a row share one set of clips that they are scored without."""
    return 1 + gap // IN_A_ROW


def _too_large(groups: Rows) -> list[int]:
    """Return the groups of two clips or more that leave fewer than LEFT, or than half of fewer than twice as many."""
    numbers, counts = np.unique(groups, return_counts=True)
    least = min(LEFT, len(groups) // 2)
    return [int(number) for number, n in zip(numbers, counts, strict=True) if n > 1 and len(groups) - n < least]


def _half(clips: int, held: int) -> int:
    """Return the gap beside ``held`` clips that leaves half of a domain, and at least LEFT clips."""
    return max(0, (clips - max(-(-clips // 2), LEFT) - held) // 2)


def assign_folds(audio: tuple[str, ...], domain: NDArray[np.str_], folds: int, seed: int) -> NDArray[np.intp]:
    """Return the fold (n_train,) of every train normal: by a hash of its audio, evenly within each domain."""
    order = sorted(range(len(audio)), key=lambda i: _hashed(seed, audio[i]))
    fold = np.empty(len(audio), dtype=np.intp)
    for name in np.unique(domain):
        members = [i for i in order if domain[i] == name]
        fold[members] = np.arange(len(members)) % folds
    return fold


def _hashed(seed: int, audio: str) -> bytes:
    return hashlib.sha256(f"{seed}|{audio}".encode()).digest()
