"""Puts back what a component keeps outside itself: class attributes and module variables.

A component that remembers a test batch in a class attribute would make two "new" objects agree with each other. With
its statics put back after every use, each new object starts as the first one in a process does, and the memory shows.
"""

from __future__ import annotations

import contextlib
import copy
import sys
from collections.abc import Callable, Iterator
from types import FunctionType, SimpleNamespace
from typing import Any, Self

import numpy as np

Make = Callable[[], Any]
"""Makes one component."""

_Held = dict[str, tuple[Any, Any]]


@contextlib.contextmanager
def statics_restored(component: Any) -> Iterator[None]:
    """On leaving, undo changes to the component's classes and its module (shallow: containers get their items back)."""
    held = [(owner, _hold(owner)) for owner in _owners(component)]
    try:
        yield
    finally:
        for owner, before in held:
            _put_back(owner, before)


class Builder:
    """Builds components, and undoes on leaving what they left in class attributes and module variables.

    Parameters
    ----------
    make : callable
        Makes one component.
    """

    def __init__(self, make: Make) -> None:
        self.make = make
        self._leaving = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.close()

    def build(self) -> Any:
        """Build a new component."""
        component = self.make()
        self._leaving.enter_context(statics_restored(component))
        return component


def _owners(component: Any) -> list[Any]:
    """Return the module the component comes from and its classes there; a plain function may hold attributes too."""
    home = str(getattr(component, "__module__", "builtins"))
    if home.partition(".")[0] in sys.stdlib_module_names or home not in sys.modules:
        return []
    classes = [base for base in type(component).__mro__ if base.__module__ == home]
    return [sys.modules[home], *classes, *([component] if isinstance(component, FunctionType) else [])]


def _hold(owner: Any) -> _Held:
    return {name: (value, _copy(value)) for name, value in vars(owner).items() if not name.startswith("__")}


def _copy(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy()
    holder = isinstance(value, dict | list | set) or type(value) is SimpleNamespace
    try:
        return copy.deepcopy(value) if holder else None
    except Exception:  # a container of modules, locks or the like, which do not copy
        return None


def _put_back(owner: Any, before: _Held) -> None:
    for name in [name for name in vars(owner) if not name.startswith("__") and name not in before]:
        delattr(owner, name)
    for name, (value, items) in before.items():
        if vars(owner).get(name) is not value:
            setattr(owner, name, value)
        if items is not None:
            _refill(value, items)


def _refill(value: Any, items: Any) -> None:
    if isinstance(value, np.ndarray):
        if value.flags.writeable and not np.array_equal(value, items):
            value[...] = items
    elif isinstance(value, list):
        value[:] = items
    elif isinstance(value, SimpleNamespace):
        vars(value).clear()
        vars(value).update(vars(items))
    else:
        value.clear()
        value.update(items)
