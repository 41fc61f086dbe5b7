"""What the documents say is so: their blocks run, and every hook and command stands in them."""

from __future__ import annotations

import inspect
import re
import signal
import subprocess
from pathlib import Path

import pytest

import asdcore
from asdcore.contract import hookspecs
from asdcore.portfolio import shipped_portfolios
from asdcore.testing import run_checks
from docs.blocks import blocks_of
from docs.examples import run_blocks

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
HOOKS = (ROOT / "plugins" / "README.md").read_text()


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def block_with(word, language):
    (found,) = [block for block in blocks(README, language) if word in block]
    return found


def test_the_readme_is_short():
    assert README.count("\n") <= 120


def test_every_block_of_the_readme_is_run_here():
    assert len(blocks(README, "sh")) == 3
    assert len(blocks(README, "python")) == 2


def test_the_two_commands_are_targets_and_ci_calls_the_second():
    for line in block_with("make demo", "sh").split("\n")[:-1]:
        done = subprocess.run([*line.split(), "-n"], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert "make test" in (ROOT / ".ci" / "run").read_text()


@pytest.fixture
def with_sound(tiny_sound, copied, tmp_path, monkeypatch):
    """Work in a folder where the sound, which takes longest, has been made already: the commands find it whole."""
    copied(tiny_sound, tmp_path / "sound")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)


def test_the_shell_blocks_run(with_sound, capsys):
    run_blocks([block for block in blocks_of(ROOT / "README.md") if block.text.startswith("asdcore ")])
    printed = capsys.readouterr().out
    assert "official score" in printed
    assert "are as they were frozen" in printed


def test_the_python_block_runs(with_sound, capsys):
    exec(block_with("asdcore.run(", "python"), {})
    assert 0.4 < float(capsys.readouterr().out.split()[-1]) < 1.0


def test_the_encoder_of_the_readme_is_short_and_passes_every_check():
    block = block_with("class Bands", "python")
    assert len([line for line in block.split("\n") if line.strip()]) <= 17
    names: dict = {}
    exec(block, names)
    assert [result for result in run_checks("encoder", names["Bands"]) if not result.passed] == []


def test_every_hook_and_its_arguments_stand_in_the_reference():
    for name, hook in vars(hookspecs).items():
        if name.startswith("register_"):
            arguments = ", ".join(inspect.signature(hook).parameters)
            assert f"### `{name}({arguments})`" in HOOKS
    assert HOOKS.count("### `") == len([name for name in vars(hookspecs) if name.startswith("register_")])


def test_public_names_are_there():
    for name in asdcore.__all__:
        assert getattr(asdcore, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        asdcore.nothing  # noqa: B018


def test_the_changelog_says_what_changes_results():
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in text
    assert "### Changes results" in text


def test_every_shipped_portfolio_says_what_it_is():
    for path in shipped_portfolios().values():
        assert path.read_text().startswith("# ")


def test_no_document_names_a_path_of_a_machine():
    for path in ROOT.rglob("*"):
        inside = path.relative_to(ROOT).parts
        if path.suffix in (".py", ".md", ".toml", ".template") and not inside[0].startswith("."):
            assert not re.search(r"(?<![\w.])/" + "(work|home|root)/", path.read_text()), path
