"""The kinds of value that ``fit`` may learn: how each is laid out in a state, and checked when it comes back.

A kind is one of these:

* ``float``, ``int``, ``bool`` or ``str``: one value of that type;
* ``Array("n d")``: an array of a shape and type;
* a class with ``state`` and ``restored``, such as a :class:`~asdcore_plugins.fitted.learned.Learned`: a part;
* ``Fields(Line, centre=float, scale=float)``: an object of a class that is built from these fields;
* ``Each(kind)``: values by name; ``Listed(int)``: a tuple; ``Maybe(kind)``: a value or None;
* ``OneOf(Line, Curve)``: a part of one of these classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from asdcore import DataError

Sizes = dict[str, int]
"""The size of each axis that a shape names by a letter."""


class MisfitError(DataError):
    """A value of another kind than declared.

    Parameters
    ----------
    what
        What is wrong with it, as the end of a sentence.
    path
        The keys that lead to it.
    """

    def __init__(self, what: str, path: tuple[str, ...] = ()) -> None:
        super().__init__(f"{'/'.join(path)!r} {what}" if path else f"it {what}")
        self.what, self.path = what, path


class Part(Protocol):
    """A class whose objects can be laid out and made again from what was laid out."""

    def state(self) -> Mapping[str, Any]:
        """Return what the object holds."""
        ...

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Self:
        """Return an object that holds it."""
        ...


class Kind(Protocol):
    """A kind of value that takes more than its type to describe."""

    def laid_out(self, value: Any) -> Any:
        """Return a value as a state holds it, with a copy of what could change later."""
        ...

    def read(self, value: Any, sizes: Sizes) -> Any:
        """Return the value that a state holds; raise DataError if it is of another kind."""
        ...


AnyKind = Kind | type[Part] | type[float] | type[int] | type[bool] | type[str]


def laid_out(kind: AnyKind, value: Any) -> Any:
    """Return a value as a state holds it."""
    if not isinstance(kind, type):
        return kind.laid_out(value)
    return kind(value) if kind in (float, int, bool, str) else value.state()


def read(kind: AnyKind, value: Any, sizes: Sizes) -> Any:
    """Return the value that a state holds; raise DataError if it is of another kind."""
    if not isinstance(kind, type):
        return kind.read(value, sizes)
    if kind in (float, int, bool, str):
        if type(value) is not kind:
            raise _other(value, kind.__name__)
        return value
    return kind.restored(_mapping(value))  # type: ignore[union-attr]


def read_fields(kinds: Mapping[str, AnyKind], state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a state by name; raise DataError if it has others than these, or of another kind.

    Examples
    --------
    >>> import numpy as np
    >>> read_fields({"mean": Array("d")}, {"mean": np.zeros((3, 3))})
    Traceback (most recent call last):
        ...
    asdcore_plugins.fitted.kinds.MisfitError: 'mean' is an array (3, 3) of float64 instead of an array (d) of float64
    """
    for names, what in ((kinds.keys() - state.keys(), "lacks"), (state.keys() - kinds.keys(), "has an unknown")):
        if names:
            raise MisfitError(f"{what} {', '.join(map(repr, sorted(names)))}")
    values, sizes = {}, Sizes()
    for name, kind in kinds.items():
        values[name] = _named(name, kind, state[name], sizes)
    return values


@dataclass(frozen=True)
class Array:
    """An array of a shape: "n d" has two axes, "n ..." one or more. Axes with one letter must be of one size.

    Parameters
    ----------
    shape
        The letters of the axes, with blanks between them; "" for any shape.
    dtype
        The type of its values.

    Examples
    --------
    >>> import numpy as np
    >>> Array("n n").read(np.eye(2), {}).flags.writeable
    False
    """

    shape: str
    dtype: str = "float64"

    def laid_out(self, value: Any) -> Any:
        """Return a copy, in C order and read-only."""
        if value.dtype != self.dtype:
            raise TypeError(f"an array of {value.dtype} was learned where {self.dtype} is declared")
        return _locked(np.array(value, order="C"))

    def read(self, value: Any, sizes: Sizes) -> Any:
        """Return the array; a copy if anyone could change it."""
        axes, more = self.shape.removesuffix("...").split(), self.shape.endswith("...") or not self.shape
        if not isinstance(value, np.ndarray):
            raise _other(value, self._wanted(sizes))
        right = value.dtype == self.dtype and (value.ndim >= len(axes) if more else value.ndim == len(axes))
        if not right or any(sizes.setdefault(axis, n) != n for axis, n in zip(axes, value.shape, strict=False)):
            raise _other(value, self._wanted(sizes))
        return value if _is_locked(value) else _locked(np.array(value, order="C"))

    def _wanted(self, sizes: Sizes) -> str:
        axes = (f"{axis}={sizes[axis]}" if axis in sizes else axis for axis in self.shape.split())
        return f"an array ({', '.join(axes)}) of {self.dtype}"


@dataclass(frozen=True)
class Each:
    """Values of one kind, by name. What an axis is called in one of them need not be of one size in the others."""

    kind: AnyKind

    def laid_out(self, value: Any) -> Any:
        """Return a dict."""
        return {name: laid_out(self.kind, each) for name, each in value.items()}

    def read(self, value: Any, sizes: Sizes) -> Any:
        """Return a dict."""
        return {name: _named(name, self.kind, each, dict(sizes)) for name, each in _mapping(value).items()}


@dataclass(frozen=True)
class Listed:
    """A tuple of int or str."""

    kind: type[int] | type[str]

    def laid_out(self, value: Any) -> Any:
        """Return a list."""
        return [self.kind(each) for each in value]

    def read(self, value: Any, sizes: Sizes) -> Any:
        """Return a tuple."""
        if not isinstance(value, list | tuple):
            raise _other(value, f"a list of {self.kind.__name__}")
        return tuple(read(self.kind, each, sizes) for each in value)


@dataclass(frozen=True)
class Maybe:
    """A value of a kind, or None."""

    kind: AnyKind

    def laid_out(self, value: Any) -> Any:
        """Return the value as its kind does."""
        return None if value is None else laid_out(self.kind, value)

    def read(self, value: Any, sizes: Sizes) -> Any:
        """Return the value as its kind does."""
        return None if value is None else read(self.kind, value, sizes)


class Fields:
    """An object of a class that is built from fields, as a dataclass is.

    Parameters
    ----------
    made
        The class.
    kinds
        The kind of each field.
    """

    def __init__(self, made: type[Any], **kinds: AnyKind) -> None:
        self.made, self._kinds = made, kinds

    def laid_out(self, value: Any) -> Any:
        """Return a dict of the fields."""
        return {name: laid_out(kind, getattr(value, name)) for name, kind in self._kinds.items()}

    def read(self, value: Any, sizes: Sizes) -> Any:
        """Return the object."""
        return self.made(**read_fields(self._kinds, _mapping(value)))


class OneOf:
    """An object of one of several classes, laid out under the name of its class."""

    def __init__(self, *kinds: Fields | type[Part]) -> None:
        self._kinds = {(kind.made if isinstance(kind, Fields) else kind).__name__: kind for kind in kinds}

    def laid_out(self, value: Any) -> Any:
        """Return a dict of one item: the name of the class, and the object."""
        name = type(value).__name__
        return {name: laid_out(self._kinds[name], value)}

    def read(self, value: Any, sizes: Sizes) -> Any:
        """Return the object."""
        if len(_mapping(value)) != 1 or not value.keys() <= self._kinds.keys():
            raise MisfitError(f"has {', '.join(map(repr, value)) or 'nothing'} instead of {' or '.join(self._kinds)}")
        ((name, state),) = value.items()
        return _named(name, self._kinds[name], state, sizes)


def _named(name: str, kind: AnyKind, value: Any, sizes: Sizes) -> Any:
    """Read a value; an error says where it stands."""
    try:
        return read(kind, value, sizes)
    except MisfitError as error:
        raise MisfitError(error.what, (name, *error.path)) from None
    except DataError as error:  # of a part that checks its state itself
        raise MisfitError(f"does not fit: {error}", (name,)) from None


def _mapping(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise _other(value, "a dict")
    return value


def _other(value: Any, wanted: str) -> MisfitError:
    what = f"array {value.shape} of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
    return MisfitError(f"is {'an' if what[0] in 'aeiou' else 'a'} {what} instead of {wanted}")


def _locked(array: Any) -> Any:
    array.setflags(write=False)
    return array


def _is_locked(array: Any) -> bool:
    """Whether an array is in C order and nobody can write to it, neither by its name nor by what it is a view of."""
    if not array.flags.c_contiguous:
        return False
    while isinstance(array, np.ndarray):
        if array.flags.writeable:
            return False
        array = array.base
    return array is None or isinstance(array, bytes)
