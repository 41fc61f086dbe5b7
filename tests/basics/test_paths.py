"""An empty path is a slip, never the working folder: for every command and every function."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

import asdcore
from asdcore.basics.paths import check_utf8, files_below, given_path, path_of_variable, path_or, walked
from asdcore.cli import app
from asdcore.errors import AsdcoreError
from asdcore.resources.registry import open_registry, resource_folder
from asdcore.store.cache import default_store


def test_folders_are_walked_by_links_too_but_not_round_in_circles(tmp_path):
    for folder in ("data/fan", "other/day", "data/.trash"):
        (tmp_path / folder).mkdir(parents=True)
    links = {"data/pump": "other", "other/day/back": "data", "data/fan/up": "data", "other/round": "other"}
    for link, leads_to in links.items():
        (tmp_path / link).symlink_to(tmp_path / leads_to)
    (tmp_path / "other" / "a.wav").touch()
    (tmp_path / "data" / "fan" / ".b.wav").touch()
    folders = {Path(folder).relative_to(tmp_path).as_posix(): names for folder, names in walked(tmp_path / "data")}
    assert folders == {"data": [], "data/fan": [], "data/pump": ["a.wav"], "data/pump/day": []}
    assert files_below(tmp_path / "data") == [tmp_path / "data" / "pump" / "a.wav"]


def test_a_path_that_was_given_is_that_path(tmp_path):
    assert given_path(str(tmp_path), "out") == given_path(tmp_path, "out") == tmp_path
    assert given_path(".", "out") == Path()
    assert path_or(None, "out", tmp_path) == tmp_path
    assert path_or("a", "out", tmp_path) == Path("a")


@pytest.mark.parametrize("empty", ["", "\0", "a\0b"])
def test_what_names_nothing_is_refused(empty, tmp_path):
    for ask in (lambda: given_path(empty, "out"), lambda: path_or(empty, "out", tmp_path)):
        with pytest.raises(AsdcoreError, match="out is .* Name a file or folder"):
            ask()


def test_what_no_library_could_take_is_refused(tmp_path):
    (tmp_path / "round").symlink_to(tmp_path / "round")
    refused = {
        tmp_path / "round": "a link that leads round in circles",
        tmp_path / "round" / "deeper": "a link that leads round in circles",
        tmp_path / ("n" * 300): "which is longer than a name may be here",
        Path("a/" * 2000): r"which lies 2,\d+ folders deep; 255 are allowed",
    }
    for path, why in refused.items():
        with pytest.raises(AsdcoreError, match=f"out is '.*', {why}. Name another file or folder") as error:
            given_path(path, "out")
        assert len(str(error.value)) < 600
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for path in ("nowhere", "gone/deeper", "n" * 200, "x\udcff"):
        assert given_path(tmp_path / path, "out") == tmp_path / path


def test_what_is_written_down_is_text(tmp_path):
    assert check_utf8(tmp_path / "Halle süd", "out") == tmp_path / "Halle süd"
    with pytest.raises(AsdcoreError, match=r"out is '.*x\\udcff', whose name is not text in UTF-8. Rename the folder"):
        check_utf8(tmp_path / "x\udcff", "out")


@pytest.mark.parametrize(
    "call",
    [
        lambda: asdcore.run("demo", "", "x"),
        lambda: asdcore.load_run(""),
        lambda: asdcore.evaluate(""),
        lambda: asdcore.evaluate_scores("", "t", 2024),
        lambda: asdcore.evaluate_scores("s", "", 2024),
        lambda: asdcore.report(""),
        lambda: asdcore.freeze("", "x"),
        lambda: asdcore.verify(""),
        lambda: asdcore.infer("m", "", "x"),
        lambda: asdcore.infer("m", "d", ""),
        lambda: asdcore.ledger(""),
        lambda: asdcore.synthesize(""),
    ],
)
def test_functions_take_no_empty_path(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AsdcoreError, match="is empty. Name a file or folder"):
        call()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["ASDCORE_STORE", "ASDCORE_REGISTRY", "ASDCORE_RESOURCES"])
def test_a_variable_that_is_set_and_empty_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ask = {
        "ASDCORE_STORE": default_store,
        "ASDCORE_REGISTRY": open_registry,
        "ASDCORE_RESOURCES": lambda: resource_folder("a"),
    }[name]
    monkeypatch.setenv(name, "")
    with pytest.raises(AsdcoreError, match=rf"\${name} is empty. Name a folder with it, or type 'unset {name}'"):
        ask()
    monkeypatch.setenv(name, str(tmp_path))
    assert path_of_variable(name) == tmp_path
    ask()
    monkeypatch.delenv(name)
    assert path_of_variable(name) is None
    ask()


def commands(group, names=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*names, name))
        else:
            yield (*names, name), command


PATHS = (
    "--data",
    "--out",
    "--store",
    "--registry",
    "--truth",
    "--run",
    "--csv",
    "--latex",
    "--scores",
    "--frozen-data",
)


def paths():
    """Return (command, option) of every option that is a path."""
    for names, command in commands(typer.main.get_command(app)):
        for one in command.params:
            named = one.opts[0]
            if named in PATHS:
                yield [*names, named]


@pytest.mark.parametrize("words", list(paths()), ids=" ".join)
def test_commands_take_no_empty_path(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for typed in ([*words, ""], [*words[:-1], f"{words[-1]}="]):
        with pytest.raises(AsdcoreError, match=f"{words[-1]} is empty. Name a file or folder"):
            CliRunner().invoke(app, typed, catch_exceptions=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [words for words in paths() if words[-1] != "--registry"], ids=" ".join)
def test_commands_take_no_path_that_names_nothing(words, tmp_path, monkeypatch):
    """Whatever else is missing: what a path says is looked at as soon as it is parsed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "round").symlink_to(tmp_path / "round")
    group = typer.main.get_command(app)
    command = next(command for names, command in commands(group) if list(names) == words[:-1])
    for param in command.params:  # nothing else may be missed first
        param.required = False
    for path in ("round", "a/" * 2000, "n" * 300):
        with pytest.raises(AsdcoreError, match=f"{words[-1]} is .* Name another file or folder"):
            command.make_context("command", [words[-1], path])
    assert list(tmp_path.iterdir()) == [tmp_path / "round"]


def test_text_may_be_empty(tmp_path):
    done = CliRunner().invoke(app, ["evaluate", str(tmp_path), "--hypothesis", ""])
    assert "is empty" not in str(done.exception)
