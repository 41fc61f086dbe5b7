"""The base of components that learn from train normals: whether they have, and their state.

What a component's fit learns is its state: the attributes that its class annotates, as
:mod:`asdcore_plugins.stats.learned` has it.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import Any, Self

from asdcore import REFERENCES, DataError
from asdcore_plugins.stats.learned import State, Stored, state_of


class Fitted(ABC):
    """A component that learns. A subclass sets ``name``, as messages say it, and ``fit_call``, how it is fitted.

    Its ``fit`` sets ``_is_fitted`` to False before it learns; afterwards it sets ``_is_fitted`` and ``_is_restored`` to
    True and False.
    """

    name: str
    fit_call = "fit(features, domain)"
    _is_fitted = _is_restored = False

    def state(self) -> Mapping[str, Any]:
        """Return what was learned, as plain values and read-only arrays.

        Returns
        -------
        Mapping[str, Any]
            All that new clips need besides the parameters, and nothing that train normals left out need.

        Raises
        ------
        DataError
            Before ``fit``.
        """
        self._check_fitted()
        return self._state()

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Take back what a component with the same parameters learned; an earlier fit is forgotten.

        Parameters
        ----------
        state
            What :meth:`state` returned, in this process or another.

        Returns
        -------
        Self
            The component, which gives the same bits. A scorer scores no train normals left out.

        Raises
        ------
        DataError
            If a value is missing, or of another kind or shape.
        """
        return self.restore_part(Stored(self.name, state, self._named(), self._parameters()))

    def restore_part(self, stored: Stored) -> Self:
        """Restore as :meth:`restore` from what is a part of another component's state."""
        self._is_fitted = False
        self._restore(stored)
        stored.done()
        self._is_fitted = self._is_restored = True
        return self

    def _state(self) -> State:
        """Return what ``fit`` learned: the annotated attributes, unless a component adds to them."""
        return state_of(self)

    def _restore(self, stored: Stored) -> None:
        """Set the attributes that ``fit`` sets and that new clips need."""
        for name, value in stored.attributes(type(self)).items():
            setattr(self, name, value)

    def _named(self) -> Sequence[str]:
        """Return the references of which something may be learned, in the order of their scores."""
        return REFERENCES

    def _parameters(self) -> Mapping[str, Any]:
        """Return the parameters that objects in the state have as fields."""
        return {}

    def _check_fitted(self) -> None:
        if not self._is_fitted:
            raise DataError(f"this {self.name} has no train normals yet: call {self.fit_call} first")
