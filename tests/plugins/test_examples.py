"""Every bundled plugin shows an example in its docstring, and every example in the plugins runs."""

from __future__ import annotations

import doctest
import functools
import importlib
import inspect
import pkgutil

import pytest

import asdcore_plugins
from asdcore.contract.interfaces import KINDS
from asdcore.contract.plugins import installed

WITHOUT = ("scorer",)
"""Kinds whose examples are still to be written."""

BUNDLED = [
    pytest.param(component, id=f"{kind}-{name}")
    for kind in KINDS
    if kind not in WITHOUT
    for name, component in installed().components(kind).items()
    if component.bundled
]

MODULES = [
    module.name
    for module in pkgutil.walk_packages(asdcore_plugins.__path__, "asdcore_plugins.")
    if ">>> " in (importlib.util.find_spec(module.name).loader.get_source(module.name) or "")
]


@pytest.mark.parametrize("component", BUNDLED)
def test_every_bundled_plugin_shows_an_example(component):
    factory = component.factory
    factory = factory.func if isinstance(factory, functools.partial) else factory
    examples = doctest.DocTestParser().get_examples(vars(factory).get("__doc__") or inspect.getdoc(factory) or "")
    assert examples, f"{component.module}: give {factory.__name__} an 'Examples' section"
    assert any(f"load_{component.kind}(" in example.source for example in examples), "build it by its name"
    skipped = doctest.OPTIONFLAGS_BY_NAME["SKIP"]
    needs_checkpoint = "checkpoint" in inspect.signature(component.factory).parameters
    assert needs_checkpoint or not any(example.options.get(skipped) for example in examples)


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module):
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted
    assert not result.failed
