"""The clips that the out-of-fold score of each train normal leaves out: more than the clip itself.

Clips that were cut from one recording are near-duplicates of one another. A train normal that is scored beside its own
neighbours in time looks far more normal than a new clip will, so the framework tells a scorer which clips to leave out
for each (:class:`asdcore.contract.interfaces.Scorer`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.errors import DataError

Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]


class Without:
    """The fitted clips that each fitted clip's own score must not rest on; the clip itself is always among them.

    A scorer's ``score_left_out(without)`` reads its argument with this class.

    Parameters
    ----------
    rows : sequence of n arrays (m,) of int, or None
        For each clip, the indices of the clips to leave out. Several may be one array object. None leaves out each
        clip alone.
    n : int
        How many clips are fitted.

    Attributes
    ----------
    sets : list of (m,) int arrays
        The different sets of clips that are left out together, each sorted.
    of : (n,) int array
        For each clip, the place of its set in ``sets``.

    Raises
    ------
    ValueError
        If there are not n arrays, or an index lies outside 0 to n - 1.

    Examples
    --------
    Four clips, of which 0 and 1 were cut from one recording:

    >>> pair = np.array([0, 1])
    >>> without = asdcore.Without([pair, pair, [2], [3]], n=4)
    >>> without.of
    array([0, 0, 1, 2])
    >>> without.mask(np.array([0, 3]))
    array([[ True,  True, False, False],
           [False, False, False,  True]])
    """

    def __init__(self, rows: Sequence[Indices] | None, n: int) -> None:
        self.n = n
        if rows is None:
            self.sets, self.of = list(np.arange(n)[:, None]), np.arange(n)
            return
        if len(rows) != n:
            raise ValueError(f"without has {len(rows)} arrays for {n} fitted clips: give one for each clip, in order")
        rows = list(rows)  # kept, so that equal ids mean one object
        whole = {id(row): _sorted(row, n) for row in rows}
        places: dict[bytes, int] = {}
        self.sets, self.of = [], np.empty(n, np.intp)
        for row, given in enumerate(rows):
            members = whole[id(given)]
            place = int(np.searchsorted(members, row))
            if place == len(members) or members[place] != row:
                members = np.insert(members, place, row)
            self.of[row] = places.setdefault(members.tobytes(), len(self.sets))
            if self.of[row] == len(self.sets):
                self.sets.append(members)

    @classmethod
    def of_sets(cls, sets: Sequence[Indices], of: Indices, n: int) -> Without:
        """Make one from sets, each sorted, and the place of each clip's set (n,). A set may lack the clip itself."""
        made = cls(None, 0)
        made.n, made.sets, made.of = n, list(sets), of
        return made

    @property
    def alone(self) -> bool:
        """Whether every clip leaves out itself alone: plain leave-one-out."""
        return all(len(members) == 1 for members in self.sets)

    @property
    def most(self) -> int:
        """How many clips are left out together, at most."""
        return max((len(members) for members in self.sets), default=0)

    def mask(self, clips: Indices) -> Flags:
        """Return the clips to leave out for each of the clips (b,): (b, n), True for those left out."""
        return self.mask_of(self.of[clips])

    def mask_of(self, sets: Sequence[int] | Indices) -> Flags:
        """Return the members of sets (b,), given by their places: (b, n), True for a member."""
        gone = np.zeros((len(sets), self.n), bool)
        for i, place in enumerate(sets):
            gone[i, self.sets[place]] = True
        return gone

    def count(self, members: Indices) -> Indices:
        """Return how many of the clips ``members`` are in each of the s sets: (s,)."""
        counted = np.zeros(self.n, np.intp)
        counted[members] = 1
        return np.array([int(counted[group].sum()) for group in self.sets], np.intp)

    def fewest_left(self, members: Indices) -> int:
        """Return how many of the clips ``members`` remain at least, whichever clip is scored."""
        return len(members) - int(self.count(members).max(initial=0))

    def each(self) -> Iterator[tuple[Indices, Indices]]:
        """Yield (the clips that share a set, the clips that they may be scored by) for every set."""
        order = np.argsort(self.of, kind="stable")
        starts = np.searchsorted(self.of[order], np.arange(len(self.sets) + 1))
        for place, members in enumerate(self.sets):
            yield order[starts[place] : starts[place + 1]], np.setdiff1d(np.arange(self.n), members)

    def among(self, rest: Indices) -> list[Indices]:
        """Return the clips left out for each of the clips ``rest`` (m,): m ascending arrays of places among these."""
        place = np.full(self.n, -1)
        place[rest] = np.arange(len(rest))
        moved = {int(index): place[self.sets[index]] for index in np.unique(self.of[rest])}
        kept = {index: places[places >= 0] for index, places in moved.items()}
        return [kept[int(index)] for index in self.of[rest]]


def takes_without(method: Callable[..., Any]) -> bool:
    """Whether a scorer's ``fit``, ``fit_distances`` or ``score_left_out`` can be told what to leave out."""
    return "without" in inspect.signature(method).parameters


def left_out_by_refit(
    fit: Callable[[Indices], Any],
    score: Callable[[Any, Indices, Indices], Mapping[str, NDArray[np.float64]]],
    without: Without,
) -> dict[str, NDArray[np.float64]]:
    """Score every fitted clip by a model that was fitted without the clips in its set.

    This is what ``score_left_out(without)`` must equal, at the price of one fit for each set. A scorer without a
    closed form can return it as it is.

    Parameters
    ----------
    fit : callable
        ``fit(clips)`` returns a model fitted to the clips of these indices (m,).
    score : callable
        ``score(model, fitted, clips)`` returns {reference: (b,) float64}, the scores of ``clips`` (b,) by a model that
        was fitted to the clips ``fitted`` (m,).
    without : Without
        The clips to leave out for each of n fitted clips.

    Returns
    -------
    dict of str to (n,) float64 array
        The scores by reference. A reference that is missing for any clip is left out.

    Raises
    ------
    DataError
        If no reference remains.

    Examples
    --------
    The model is a mean, and the score is the distance to it. Clips 0 and 1 were cut from one recording:

    >>> x = np.array([0.0, 1.0, 10.0, 20.0])
    >>> without = asdcore.Without([[0, 1], [0, 1], [2], [3]], n=4)
    >>> asdcore.left_out_by_refit(
    ...     fit=lambda clips: x[clips].mean(),
    ...     score=lambda mean, fitted, clips: {"pooled": abs(x[clips] - mean)},
    ...     without=without,
    ... )
    {'pooled': array([15.        , 14.        ,  3.        , 16.33333333])}
    """
    scores: dict[str, NDArray[np.float64]] = {}
    shared: set[str] | None = None
    for clips, rest in without.each():
        try:
            got = score(fit(rest), rest, clips)
        except DataError as error:
            raise DataError(
                f"with the clips left out that its score must not rest on, train normal {clips[0]} keeps {len(rest)} "
                f"of {without.n}: {error}"
            ) from error
        shared = set(got) if shared is None else shared & set(got)
        for name, values in got.items():
            scores.setdefault(name, np.empty(without.n))[clips] = values
    if not shared:
        raise DataError(
            "no reference keeps enough train normals for every clip, with those left out that its score must not rest "
            "on"
        )
    return {name: values for name, values in scores.items() if name in shared}


def _sorted(clips: Indices, n: int) -> Indices:
    """Return indices in order, each once. Raises ValueError if one is not a whole number from 0 to n - 1."""
    given = np.asarray(clips)
    if given.ndim != 1 or (given.size and not np.issubdtype(given.dtype, np.integer)):
        raise ValueError(f"without must hold arrays (m,) of whole numbers, got {given.shape} {given.dtype}")
    places = np.unique(given).astype(np.intp)
    if len(places) and (places[0] < 0 or places[-1] >= n):
        raise ValueError(f"without names the clips {places[0]} to {places[-1]}; {n} are fitted, 0 to {n - 1}")
    return places
