"""The base of what is fitted: a class names the attributes that ``fit`` learns, and has ``state`` and ``restore``.

A component says what is learned in one line::

    class TailGuard(ExcessGuard):
        learned = attributes(_evidence=SmoothEcdf)

A class adds its attributes to those of its bases, or declares one of theirs anew. In the state an attribute has its
name without the leading underscore. Parameters are not part of a state, since the component that it goes to is built
with the same ones; nor is what only ``score_left_out`` needs.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self

from asdcore import DataError
from asdcore_plugins.fitted.kinds import AnyKind, laid_out, read_fields

State = Mapping[str, Any]


def attributes(**kinds: AnyKind) -> Mapping[str, AnyKind]:
    """Return the kind of each attribute by name, for ``learned``.

    Examples
    --------
    >>> attributes(_centre=float)
    mappingproxy({'_centre': <class 'float'>})
    """
    return MappingProxyType(kinds)


class Learned:
    """A part of a component: an object that was made in ``fit``, with a state of its own.

    ``learned`` has the kind of each attribute (see :mod:`asdcore_plugins.fitted.kinds`).

    Examples
    --------
    >>> class Line(Learned):
    ...     learned = attributes(_centre=float)
    ...
    ...     def __init__(self, values):
    ...         self._centre = sum(values) / len(values)
    >>> line = Line([0.0, 1.0, 2.0])
    >>> line.state()
    {'centre': 1.0}
    >>> Line.restored(line.state())._centre
    1.0
    """

    learned: ClassVar[Mapping[str, AnyKind]] = attributes()

    def state(self) -> State:
        """Return what was learned: arrays, numbers, texts, and dicts of them.

        Returns
        -------
        dict of str to value
            Copies, so that it stays what it is.
        """
        return {_key(name): laid_out(kind, getattr(self, name)) for name, kind in self._kinds().items()}

    @classmethod
    def restored(cls, state: State) -> Self:
        """Return an object with what another one of this class has learned.

        Parameters
        ----------
        state : dict of str to value
            What :meth:`state` returned.

        Returns
        -------
        Self
            The object.

        Raises
        ------
        DataError
            If a key is missing or unknown, or a value is of another kind or shape.
        """
        part = cls.__new__(cls)
        part._set(state)
        return part

    def _set(self, state: State) -> None:
        names = {_key(name): name for name in self._kinds()}
        values = read_fields({_key(name): kind for name, kind in self._kinds().items()}, state)
        # Not by setattr: a part may be a frozen dataclass.
        vars(self).update({names[key]: value for key, value in values.items()})

    @classmethod
    def _kinds(cls) -> dict[str, AnyKind]:
        """Return what a class and its bases declare, a base first."""
        kinds: dict[str, AnyKind] = {}
        for owner in reversed(cls.__mro__):
            kinds |= vars(owner).get("learned", {})
        return kinds


class Fitted(Learned, ABC):
    """A component that learns from train normals. ``name`` is what messages call it.

    A subclass sets ``_is_fitted`` in its ``fit``: to False at the beginning, and to True at the end.
    """

    name: str
    fit_call: ClassVar[str] = "fit(features, domain)"
    _is_fitted = False

    def state(self) -> State:
        """Return what ``fit`` learned, to be kept.

        Returns
        -------
        dict of str to value
            Arrays, numbers, texts, and dicts of them: all that new clips are scored by, and nothing more. Copies, so
            that it stays what it is.

        Raises
        ------
        DataError
            Before ``fit``.
        """
        self._check_fitted()
        return super().state()

    def restore(self, state: State) -> Self:
        """Take over what another component with the same parameters has learned; an earlier fit is forgotten.

        Parameters
        ----------
        state : dict of str to value
            What :meth:`state` returned.

        Returns
        -------
        Self
            The component, which gives the same bits as the other one.

        Raises
        ------
        DataError
            If a key is missing or unknown, or a value is of another kind or shape.
        """
        self._is_fitted = False
        try:
            self._set(state)
        except DataError as error:
            raise DataError(
                f"this is no state of {self.name} with these parameters: {error}. Give restore what state() returned "
                "for a component with the same parameters, or fit it again."
            ) from None
        self._is_fitted = True
        return self

    def _check_fitted(self) -> None:
        if not self._is_fitted:
            raise DataError(f"this {self.name} has no train normals yet: call {self.fit_call} first")


def _key(name: str) -> str:
    return name.removeprefix("_")
