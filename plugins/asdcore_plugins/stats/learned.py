"""What a fit learned, as plain arrays and values: given out, and taken back with every shape checked.

A class says in the annotations of its attributes which of them its fit learns, and of which shape they are::

    mean: Annotated[Floats, "D"]                         # D values
    basis: Annotated[Floats, "K D"]                      # as many columns as the mean has values
    members: Annotated[Mapping[str, Indices], "*", "n"]  # for each reference some places, from 0 to n - 1
    models: Annotated[Mapping[str, Subspace], LEARNED]   # for each reference another such object
    n: Count                                             # gives the length that shapes call n
    gamma: Number

In a shape, a name that comes twice is the same length, a number is that length, ``*`` any length, ``+`` any but none,
and ``...`` any further axes. Everything else that a class keeps is a parameter, or follows from what it learned. In a
state an attribute has its name without the underscore before it.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, Self, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError, PluginError

LEARNED = ""
"""Marks an attribute that a fit learns and that is not an array."""

Number = Annotated[float, LEARNED]
Count = Annotated[int, LEARNED]

State = dict[str, Any]


@functools.cache
def learned_by(learner: Any) -> dict[str, tuple[Any, ...]]:
    """Return the kind and the shape of each attribute that a class learns, as its annotations say them."""
    hints = get_type_hints(learner, include_extras=True)
    return {
        name: (hint.__origin__, *hint.__metadata__) for name, hint in hints.items() if get_origin(hint) is Annotated
    }


def state_of(learner: Any) -> State:
    """Return what an object learned. Its arrays are read-only views, so nobody changes the object through them."""
    return {name.lstrip("_"): _plain(name, getattr(learner, name)) for name in learned_by(learner.__class__)}


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        if not value.flags.c_contiguous:
            raise PluginError(
                f"{name} is not laid out row after row, as a restored array is: sums over it could differ in their "
                "last bits. Let fit keep np.ascontiguousarray of it."
            )
        return read_only(value)
    if isinstance(value, Mapping):
        return {key: _plain(f"{name}.{key}", item) for key, item in value.items()}
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, np.generic):
        return value.item()
    return value.state() if hasattr(value, "state") else value


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view of an array that refuses changes."""
    view = array.view()
    view.flags.writeable = False
    return view


class Learned:
    """Base of a dataclass that holds what a fit learned.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Subspace(Learned):
    ...     mean: Annotated[NDArray[np.float64], "D"]
    ...     basis: Annotated[NDArray[np.float64], "K D"]
    >>> state = Subspace(np.zeros(3), np.eye(2, 3)).state()
    >>> Subspace.from_state(Stored("pca", state)).basis.shape
    (2, 3)
    """

    def state(self) -> State:
        """Return what was learned, as plain arrays and values."""
        return state_of(self)

    @classmethod
    def from_state(cls, stored: Stored) -> Self:
        """Return the object that gave this state. Its other fields are the parameters of those names."""
        learned = stored.attributes(cls)
        stored.done()
        others = [each.name for each in fields(cls) if each.name not in learned]  # type: ignore[arg-type]
        return cls(**learned, **{name: stored.parameters[name] for name in others})


@dataclass
class Stored:
    """A state that came back. Each read checks what is there.

    Parameters
    ----------
    owner
        Name of the component, for messages.
    values
        The state.
    names
        The references that a table may have, in order. All tables side by side have the same.
    parameters
        What an object in the state needs of the component's parameters.
    sizes
        The lengths that the names in shapes stand for; those read so far.
    path
        What lies above these values in the state, for messages.
    """

    owner: str
    values: Mapping[str, Any]
    names: Sequence[str] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    path: str = ""
    _keys: set[str] = field(default_factory=set)
    _table: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.values, Mapping):
            place = self.path.rstrip(".") or "it"
            raise self._refusal(f"{place} is {_described(self.values)}, and a table is expected")

    def attributes(self, learner: type) -> State:
        """Return {attribute: value} of all that a class learns."""
        return {name: self.read(name.lstrip("_"), *kind) for name, kind in learned_by(learner).items()}

    def read(self, key: str, kind: Any, shape: str = LEARNED, below: str | None = None) -> Any:
        """Return one value.

        Parameters
        ----------
        key
            Its key.
        kind
            Its type: an array, float, int, bool, str, a tuple of whole numbers or of references, a class with
            ``from_state`` or a public one with ``restored``, a mapping of these by reference, or one of these or None.
        shape
            Shape of an array; of a tuple of whole numbers, the names of the lengths that it says; of one of
            references, how many there are.
        below
            The length that all values of an array of places lie below.

        Raises
        ------
        DataError
            If it is missing, or of another kind or shape.
        """
        self._keys.add(key)
        if key not in self.values:
            raise self.refused(key, "missing", "a value")
        return self._checked(key, self.values[key], kind, shape, below)

    def part(self, key: str) -> Stored:
        """Return the state below a key; it knows the lengths that are known here."""
        self._keys.add(key)
        return self._below(key, self.values.get(key))

    def done(self) -> None:
        """Raise DataError if the state has a key that nobody read."""
        if unread := sorted(map(str, self.values.keys() - self._keys)):
            raise self.refused(unread[0], "there", f"no key but {', '.join(sorted(self._keys))}")

    def refused(self, key: str, actual: str, expected: str) -> DataError:
        """Return the error that one value is not what it has to be."""
        return self._refusal(f"{self.path}{key} is {actual}, and {expected} is expected")

    def _refusal(self, why: str) -> DataError:
        return DataError(
            f"this is not the state of a {self.owner} with these parameters: {why}. Give restore what state() of such "
            f"a {self.owner} returned."
        )

    def _below(self, key: str, values: Any) -> Stored:
        return replace(self, values=values, sizes=dict(self.sizes), path=f"{self.path}{key}.", _keys=set(), _table=None)

    def _checked(self, key: str, value: Any, kind: Any, shape: str, below: str | None) -> Any:
        options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
        if value is None and types.NoneType in options:
            return None
        kinds = [option for option in options if option is not types.NoneType]
        if not kinds:
            raise self.refused(key, _described(value), "None")
        first, origin = kinds[0], get_origin(kinds[0])
        if origin is np.ndarray:
            return self._array(key, value, [_dtype(option) for option in kinds], shape, below)
        if origin is Mapping:
            return self._by_reference(key, value, get_args(first)[1], shape, below)
        if origin is tuple:
            return self._row(key, value, get_args(first)[0], shape)
        if hasattr(first, "from_state"):
            return first.from_state(self._below(key, value))
        if hasattr(first, "restored"):
            return self._public(key, self._below(key, value).values, first)
        return self._single(key, value, first)

    def _array(self, key: str, value: Any, dtypes: list[np.dtype[Any]], shape: str, below: str | None) -> NDArray[Any]:
        if not isinstance(value, np.ndarray) or value.dtype not in dtypes or not self._fits(value.shape, shape):
            kinds = " or ".join(dtype.name for dtype in dtypes)
            raise self.refused(key, _described(value), f"{kinds} ({', '.join(map(self._length, shape.split()))})")
        if below is not None and value.size and not 0 <= value.min() <= value.max() < self.sizes[below]:
            raise self.refused(key, f"from {value.min()} to {value.max()}", f"0 to {self.sizes[below] - 1}")
        # What may still change is copied; what a file gave need not be.
        return read_only(np.array(value, order="C") if value.flags.writeable else np.ascontiguousarray(value))

    def _fits(self, shape: tuple[int, ...], wanted: str) -> bool:
        """Whether a shape is the one wanted, given the lengths that are known; learns those that are not."""
        names = wanted.split()
        if names[-1:] == ["..."]:
            names, shape = names[:-1], shape[: len(names) - 1]
        if len(shape) != len(names):
            return False
        sizes = dict(self.sizes)
        for name, length in zip(names, shape, strict=True):
            if name in ("*", "+"):
                fits = length > 0 or name == "*"
            else:
                fits = length == (int(name) if name.isdigit() else sizes.setdefault(name, length))
            if not fits:
                return False
        self.sizes.update(sizes)
        return True

    def _length(self, name: str) -> str:
        return f"{name} = {self.sizes[name]}" if name in self.sizes else name

    def _by_reference(self, key: str, value: Any, kind: Any, shape: str, below: str | None) -> State:
        if not isinstance(value, Mapping) or not value or not value.keys() <= set(self.names):
            raise self.refused(key, _described(value), f"a table of some of {', '.join(self.names)}")
        there = [name for name in self.names if name in value]
        if there != (self._table or there):
            raise self.refused(key, _described(value), f"a table of {', '.join(self._table or there)}, as beside it,")
        self._table = there
        return {name: self._checked(f"{key}.{name}", value[name], kind, shape, below) for name in there}

    def _row(self, key: str, value: Any, kind: type, shape: str) -> tuple[Any, ...]:
        """Read whole numbers, which are the lengths that ``shape`` names, or references, as many as it says."""
        row = tuple(value) if isinstance(value, list | tuple) else None
        if kind is int and (row is None or any(type(n) is not int or n < 0 for n in row) or not self._fits(row, shape)):
            expected = f"a row of lengths ({', '.join(map(self._length, shape.split()))})"
            raise self.refused(key, _described(value), expected)
        if kind is str and (row is None or not set(row) <= set(self.names) or not self._fits((len(row),), shape)):
            raise self.refused(key, _described(value), f"some of {', '.join(self.names)}")
        return row or ()

    def _public(self, key: str, value: Mapping[str, Any], kind: Any) -> Any:
        """Read an object of a class of asdcore, which checks its state itself."""
        try:
            return kind.restored(value)
        except DataError as error:
            raise self._refusal(f"{self.path}{key} does not fit: {error}") from None

    def _single(self, key: str, value: Any, kind: Any) -> Any:
        if type(value) is not kind or (kind is int and value < 0):
            expected = {int: "a whole number of at least 0", float: "a float"}.get(kind, f"a {kind.__name__}")
            raise self.refused(key, _described(value), expected)
        if kind is int:
            self.sizes[key] = value
        return value


def _dtype(kind: Any) -> np.dtype[Any]:
    """Return the dtype of an array type."""
    dtype: np.dtype[Any] = np.dtype(get_args(get_args(kind)[1])[0])
    return dtype


def _described(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    if isinstance(value, Mapping):
        return f"a table of {', '.join(map(str, value)) or 'nothing'}"
    text = repr(value)
    return text if len(text) <= 60 else f"a {type(value).__name__}"
