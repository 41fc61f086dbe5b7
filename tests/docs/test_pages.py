"""Every block of every page runs, and every page builds without a warning."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from docs.blocks import blocks_of
from docs.examples import FIRST, PAGES, begin_with, run_page

OTHERS = sorted(page for page in PAGES.glob("*.md") if page != FIRST)
BLOCKS = [block for page in (FIRST, *OTHERS) for block in blocks_of(page)]


@pytest.fixture(scope="session")
def first(made_once, tiny_sound, copied) -> Path:
    """The folder that the first page leaves. It is made once, whichever process asks for it first."""

    def make(folder: Path) -> None:
        copied(tiny_sound, folder / "page" / "sound")  # which the page's command finds whole
        run_page(FIRST, folder / "page", folder / "store")

    return made_once("docs-first", make) / "page"


@pytest.mark.parametrize("page", OTHERS, ids=lambda page: page.stem)
def test_every_block_of_the_page_runs(page, first, tmp_path):
    begin_with(first, tmp_path / "page")
    run_page(page, tmp_path / "page", first.parent / "store")


NOT_RUN = [block for block in BLOCKS if block.reason is not None]


@pytest.mark.parametrize("block", NOT_RUN, ids=lambda block: f"{block.page.stem}-{block.line}")
def test_a_block_that_is_not_run_has_a_reason(block):
    assert len(block.reason.split()) >= 3
    pytest.skip(f"{block.page.name}, line {block.line}: {block.reason}")


def test_the_pages_build_without_a_warning(tmp_path):
    """Nitpicky, so links and references that lead nowhere are warnings, too."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", "--keep-going", str(PAGES), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "index.html").exists()
