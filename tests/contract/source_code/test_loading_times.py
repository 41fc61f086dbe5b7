"""When plugins are loaded, whatever lies in ``sys.modules`` is looked at without harm."""

from __future__ import annotations

import sys
from types import ModuleType

from asdcore.contract.source_code.loading_times import begin_loading


class SaysItIsAModule:
    """As the libraries of cffi, which cryptography loads."""

    __slots__ = ()
    __class__ = ModuleType


def test_what_only_says_that_it_is_a_module_is_passed_over(monkeypatch):
    pretender = SaysItIsAModule()
    assert isinstance(pretender, ModuleType)
    monkeypatch.setitem(sys.modules, "pretender", pretender)
    assert begin_loading() > 0
