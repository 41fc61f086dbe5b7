"""The pages leave nothing out: every public name, every command and every kind of plugin stands on one."""

from __future__ import annotations

import re

import asdcore
from asdcore import testing
from asdcore.contract.interfaces import KINDS
from docs.command_help import helps
from docs.examples import PAGES

API = (PAGES / "api.md").read_text()


def documented(module: str) -> list[str]:
    part = API.split(f".. currentmodule:: {module}\n")[1:]
    return [name for text in part for name in re.findall(r"^\.\. auto\w+:: (\w+)$", text.split("```")[0], re.MULTILINE)]


def test_every_public_name_stands_among_the_functions():
    assert sorted([*documented("asdcore"), "__version__"]) == sorted(asdcore.__all__)


def test_every_check_stands_among_the_functions():
    assert sorted(documented("asdcore.testing")) == sorted(testing.__all__)


def test_every_command_shows_its_help():
    shown = dict(helps())
    assert {"asdcore run", "asdcore data synth", "asdcore audit plan"} <= set(shown)
    for command, text in shown.items():
        assert text.startswith(f"Usage: {command} ")


def test_every_kind_of_plugin_has_a_section():
    page = (PAGES / "plugins.md").read_text()
    for kind in KINDS:
        assert re.search(rf"^## An? {kind}$", page, re.MULTILINE), kind
        assert f'check("{kind}"' in page, kind
