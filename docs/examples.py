"""Runs the code blocks of a documentation page, one after another, in a folder of their own.

    python -m docs.examples docs/compare.md             # in a new temporary folder
    python -m docs.examples docs/compare.md --in DIR    # in DIR, which is kept

Every page begins where ``index.md`` ends: with the made-up sound in ``sound`` and a run of it in ``runs/first``.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docs.blocks import Block, blocks_of

PAGES = Path(__file__).parent
FIRST = PAGES / "index.md"
"""The page whose folder the others begin with."""


class ExampleError(Exception):
    """A block of a page does not do what the page says."""


def run_page(page: Path, folder: Path, store: Path) -> None:
    """Run all blocks of a page in a folder, in a process of its own; raises ExampleError for the first that fails."""
    command = [sys.executable, "-m", "docs.examples", str(page), "--in", str(folder)]
    done = subprocess.run(command, cwd=PAGES.parent, env=_environment(folder, store), capture_output=True, text=True)
    if done.returncode:
        raise ExampleError(done.stdout + done.stderr)


def begin_with(first: Path, folder: Path) -> None:
    """Give a page's folder what the first page has left: sound by a second name, all else as a copy."""
    shutil.copytree(first, folder, copy_function=_copied)


def _copied(old: str, new: str) -> None:
    if old.endswith(".wav"):
        os.link(old, new)
    else:
        shutil.copy2(old, new)


def _environment(folder: Path, store: Path) -> dict[str, str]:
    """Return variables for a page's processes: commands of this Python, and plugins installed beside the page."""
    site = folder.parent / f"{folder.name}-site"
    path = [str(Path(sys.executable).parent), os.environ["PATH"]]
    pip = {"PIP_TARGET": str(site), "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_QUIET": "1"}
    return {
        **os.environ,
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": str(site),
        "COLUMNS": "100",
        "ASDCORE_STORE": str(store),
        **pip,
    }


def run_blocks(blocks: list[Block]) -> None:
    """Run blocks in the current folder; raises ExampleError for the first that fails."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks:
        if block.reason is not None or block.language == "text":
            continue
        with _told(block):
            if block.caption is not None:
                path = Path(block.caption)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text)
            elif block.language == "python":
                exec(compile(block.text, f"{block.page.name}:{block.line}", "exec"), names)
            elif block.language == "sh":
                _shell(block.text)
            elif block.language == "console":
                _console(block.text)
            elif block.language == "toml":
                tomllib.loads(block.text)
            else:
                raise ExampleError(f"no caption, and nothing runs {block.language!r}: give it one, or 'text'")


@contextlib.contextmanager
def _told(block: Block) -> Iterator[None]:
    """Say which block failed."""
    try:
        yield
    except Exception as error:
        why = str(error) if isinstance(error, ExampleError) else traceback.format_exc()
        raise ExampleError(f"{block.page.name}, line {block.line}:\n{block.text}\n{why}") from None


TOGETHER = re.compile(r"^\s|<<|^(cd|export|for|if|while|case)\b|^[A-Za-z_]+=", re.MULTILINE)
"""What makes the lines of a script depend on one another: a loop, a variable, another folder."""


def _shell(script: str) -> str:
    """Run a script; returns what a terminal would show."""
    script = script.replace("\\\n", " ").strip()
    return "".join(map(_line, [script] if TOGETHER.search(script) else script.splitlines()))


def _line(line: str) -> str:
    """Run a line: in this process if it is no more than a command of asdcore, since to start another takes longer."""
    plain = line.startswith("asdcore ") and not any(character in line for character in "\n|&;<>()$`*?[]{}~#!'")
    return _asdcore(shlex.split(line)) if plain else _bash(line)


def _asdcore(words: list[str]) -> str:
    """Run a command of asdcore in this process."""
    from asdcore.cli import main as asdcore
    from asdcore.contract.plugins import restrict

    importlib.invalidate_caches()  # a block before may have installed a plugin
    restrict(None)
    printed, code, before = io.StringIO(), 0, sys.argv
    sys.argv = words
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            asdcore()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.argv = before
    print(printed.getvalue(), end="")
    if code:
        raise ExampleError(f"exit code {code}\n{printed.getvalue()}")
    return printed.getvalue()


def _bash(script: str) -> str:
    """Run a script in bash."""
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout, end="")
    if done.returncode:
        raise ExampleError(f"exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def _console(text: str) -> None:
    """Run the commands of a console block, and hold what each prints against what the page shows."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, *expected = part.rstrip("\n").split("\n")
        printed = _shell(command)
        lines = [" ".join(line.split()) for line in printed.splitlines()]
        missing = [line for line in expected if line.strip() and not _stands_in(line, lines)]
        if missing:
            listed = "\n".join(missing)
            raise ExampleError(f"'{command}' does not print\n{listed}\nbut\n{printed}")


def _stands_in(line: str, lines: list[str]) -> bool:
    pattern = re.escape(" ".join(line.split())).replace(r"\.\.\.", ".*")
    return any(re.fullmatch(pattern, other) for other in lines)


def main() -> None:
    """Run the page that the command line names."""
    parser = argparse.ArgumentParser(description="Run the code blocks of a documentation page.")
    parser.add_argument("page", type=Path)
    parser.add_argument("--in", dest="folder", type=Path, help="folder to work in; made if it is absent, and kept")
    told = parser.parse_args()
    if told.folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            folder, store = Path(temporary) / "page", Path(temporary) / "store"
            for page in dict.fromkeys([FIRST, told.page.resolve()]):
                run_page(page, folder, store)
        return
    page = told.page.resolve()
    told.folder.mkdir(parents=True, exist_ok=True)
    os.chdir(told.folder)
    try:
        run_blocks(blocks_of(page))
    except ExampleError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    sys.stdout = io.TextIOWrapper(sys.stdout.buffer, write_through=True)
    main()
