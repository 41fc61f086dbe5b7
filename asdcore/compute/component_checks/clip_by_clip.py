"""Applies normalizers, transforms, fusions and guards to each test clip alone, and checks that others have no effect.

first look     every clip alone, from a copy that leads to no other clip: this gives its value.
second look    after the first looks of all clips of a stage: the part is fitted anew on the same train normals and gets
               all clips in one call, the last one first. A value that depends on other clips, on earlier calls or on
               chance differs now.

Both must agree, up to the rounding of elementwise float64 arithmetic. A call takes 2 to 50 microseconds with most
parts: for a million clips and eight branches up to seven minutes. So with more than :data:`MANY` clips in one cell,
parts that come with asdcore get all clips in one call, then a few alone. Of the first such cell they get slices, too,
newly fitted: the clips lie in a cube, and each slice of it is a call. Every clip is in three slices, and for any two
clips there is a slice with the one and without the other. All must agree to the bit, or each clip goes alone. Parts
that others wrote always get each clip alone.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.errors import PluginError, blamed, located

Floats = NDArray[np.float64]
Names = Sequence[str] | pl.Series
Columns = Mapping[str, Floats]
Call = Callable[[dict[str, Floats]], Floats]
"""Columns (n,) by name -> values (n,)."""

MANY = 64
"""With more clips, asdcore's own parts are checked by slices instead of every clip alone."""

ALONE = 32
"""How many of those clips are also scored alone."""

ROUNDING = 1e-12
"""Relative difference allowed between one clip and many, since vector units round differently."""


@dataclass(frozen=True)
class Step:
    """A part of a portfolio that is fitted on train normals: ``fit`` fits it anew, on copies, whenever it is called."""

    kind: str
    name: str
    fit: Callable[[], Call]
    ours: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"


@dataclass
class Looks:
    """The looks at test clips of one stage."""

    _waiting: list[tuple[str, Callable[[], None]]] = field(default_factory=list)
    _sliced: set[tuple[str, ...]] = field(default_factory=set)
    """Kind, name and columns of asdcore's own parts that have been given slices of a cell."""

    def first(self, step: Step, call: Call, columns: Columns, clips: Names, where: str) -> Floats:
        """Return the value (n,) of every clip, by ``call``, the ``step`` fitted; :meth:`second` looks again.

        clips : their names, in the order of the columns. where : what messages begin with.
        """
        n = len(clips)
        if step.ours and n > MANY:
            part = (step.kind, step.name, *columns)
            if (values := _together(step, call, columns, clips, slices=part not in self._sliced)) is not None:
                self._sliced.add(part)
                return values
        values = _one_by_one(call, columns, n)
        self._waiting.append((where, lambda: _look_again(step, columns, values, clips)))
        return values

    def second(self) -> None:
        """Look at all clips again; raises PluginError, naming part and clip, if one has another value now."""
        for where, look in self._waiting:
            # The user saw any warnings when the part was fitted first.
            with located(where), warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                look()
        self._waiting.clear()


def _one_by_one(call: Call, columns: Columns, n: int) -> Floats:
    return np.array([call(_taken(columns, slice(i, i + 1))).item() for i in range(n)], dtype=np.float64)


def _look_again(step: Step, columns: Columns, values: Floats, clips: Names) -> None:
    with blamed(step.kind, step.name):
        together = step.fit()(_taken(columns, slice(None, None, -1)))[::-1]
    _compare(step, columns, values, together, clips)


def _together(step: Step, call: Call, columns: Columns, clips: Names, *, slices: bool) -> Floats | None:
    """Score all clips in one call, some of them alone, and, newly fitted, slices of all.

    Returns None if rounding differs, so that each clip has to go alone.
    """
    n, rounded = len(clips), False
    values, again = call(_taken(columns, slice(None))), step.fit() if slices else call
    for rows in itertools.chain(_few(n), _slices(n) if slices else ()):
        fewer = again(_taken(columns, rows))
        if not np.array_equal(fewer, values[rows]):
            rounded = True
            together = values.copy()
            together[rows] = fewer
            _compare(step, columns, values, together, clips)
    return None if rounded else values


def _few(n: int) -> NDArray[np.intp]:
    """Return some places, each alone."""
    return np.arange(0, n, max(1, n // ALONE))[:, None]


def _slices(n: int) -> Iterator[NDArray[np.intp]]:
    """Yield slices of a cube of all places along each of its edges, which separate any two places."""
    places = np.arange(n)
    edge = next(edge for edge in itertools.count(1) if edge**3 >= n)
    for digit in (places // edge**2, places // edge % edge, places % edge):
        # Stable, so that one sort finds the slices; the last clip of each comes first.
        ordered = np.argsort(digit, kind="stable")
        bounds = np.searchsorted(digit[ordered], np.arange(edge + 1))
        yield from (ordered[start:stop][::-1] for start, stop in itertools.pairwise(bounds.tolist()) if stop > start)


def _taken(columns: Columns, rows: slice | NDArray[np.intp]) -> dict[str, Floats]:
    """Return copies of some rows."""
    return {name: np.array(values[rows]) for name, values in columns.items()}


def _compare(step: Step, columns: Columns, values: Floats, others: Floats, clips: Names) -> None:
    """Raise PluginError for the first clip whose values are apart by more than rounding."""
    size = np.maximum(np.maximum(np.abs(values), np.abs(others)), np.median(np.abs(values)) if len(values) else 0.0)
    apart = np.flatnonzero(~((values == others) | (np.abs(values - others) <= ROUNDING * size)))
    if not len(apart):
        return
    i = int(apart[0])
    with blamed(step.kind, step.name):
        alone = step.fit()(_taken(columns, slice(i, i + 1))).item()
    value, other = values[i].item(), others[i].item()
    if alone == value:
        how = f"alone, and {other!r} beside other test clips"
    elif alone == other:
        how = f"newly fitted, and {value!r} after other clips"
        value = alone
    else:
        how = f"once, and {alone!r} another time, newly fitted on the same train normals"
    shown = f" 'asdcore check-plugin {step.name}' may show more." if step.kind in ("normalizer", "guard") else ""
    raise PluginError(
        f"{step} gives {clips[i]} the value {value!r} {how}; of {len(clips)} test clips {len(apart)} differ. A test "
        f"clip must be scored alone: learn from the train normals in fit, keep nothing of what comes later.{shown}"
    )
