"""Every command's help says what goes in and what comes out, and shows one line to type."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from asdcore.cli import app


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path and the object of every command that is not a group."""
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from leaves(child, (*path, name))
    else:
        yield path, command


ROOT = typer.main.get_command(app)
COMMANDS = [pytest.param(path, command, id=" ".join(path)) for path, command in leaves(ROOT)]


def shown(path: tuple[str, ...], command: Any) -> str:
    """Return the help as a terminal of 80 columns shows it."""
    return command.get_help(typer.Context(command, info_name=" ".join(("asdcore", *path)), terminal_width=80))


def test_all_commands_are_looked_at():
    assert {("run",), ("audit", "plan"), ("data", "synth"), ("registry", "list")} <= {p.values[0] for p in COMMANDS}


@pytest.mark.parametrize(("path", "command"), COMMANDS)
def test_the_help_has_one_example_that_can_be_typed_as_it_is(path, command):
    lines = re.findall(r"^  Example: (.+)$", shown(path, command), re.MULTILINE)
    assert lines == re.findall(r"^Example: (.+)$", inspect.getdoc(command.callback), re.MULTILINE), (
        "it does not fit a line"
    )
    assert len(lines) == 1
    first, *words = shlex.split(lines[0])
    assert first == "asdcore"
    assert tuple(words[: len(path)]) == path
    # Refuses an option that does not exist, a missing argument, and a value of another type.
    command.make_context(path[-1], words[len(path) :])


@pytest.mark.parametrize(("path", "command"), COMMANDS)
def test_the_help_says_what_goes_in_and_what_comes_out(path, command):
    text = " ".join(shown(path, command).partition("Example:")[0].split())
    assert re.search(r"\b(Prints|Writes|appends)\b", text), "the help says neither what is printed nor what is written"
    assert [param.name for param in command.params if not param.help] == [], "an argument or option without help"


def test_a_wrong_option_in_an_example_would_be_found():
    path, command = next(param.values for param in COMMANDS if param.values[0] == ("run",))
    with pytest.raises(Exception, match="No such option"):
        command.make_context(path[-1], ["default", "--data", "data", "--out", "runs/first", "--worker-count", "2"])


@pytest.mark.parametrize(("path", "command"), COMMANDS)
def test_the_help_calls_a_value_by_the_type_of_one(path, command):
    assert not re.search(r"<list\[| range>|<Path>", shown(path, command))
