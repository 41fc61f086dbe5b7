"""Remembers since when this process may have loaded a file, so that a later change of the file is noticed.

Plugins are looked up anew when they are restricted, and Python then hands out the modules that it has: of a file that
was edited meanwhile, the old code. So a file counts from the first time that a module of it was there.
"""

from __future__ import annotations

import sys
import time
from types import ModuleType
from weakref import WeakKeyDictionary

_since: WeakKeyDictionary[ModuleType, int] = WeakKeyDictionary()
"""{module: when plugins began to be loaded, before the module was first seen, in ns}."""

_begun: list[int] = []


def begin_loading() -> int:
    """Note that plugins are about to be loaded; returns the time, in ns."""
    now = time.time_ns()
    # A module that is new since the last time was imported after it.
    before = _begun[-1] if _begun else now
    for module in list(sys.modules.values()):
        if issubclass(type(module), ModuleType):  # a library of cffi calls itself a module, and takes no weak reference
            _since.setdefault(module, before)
    _begun[:] = [now]
    return now


def loaded_since() -> dict[str, int]:
    """Return {file: since when its module may have been loaded, in ns} of the modules seen."""
    # vars: asked for an attribute, a lazy module may begin to import.
    return {str(vars(module).get("__file__")): since for module, since in _since.items()}
