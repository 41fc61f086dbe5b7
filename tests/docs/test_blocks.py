"""Blocks are read off pages, and a block that does not do what its page says is told."""

from __future__ import annotations

import pytest

from docs.blocks import blocks_of
from docs.examples import ExampleError, run_blocks

FENCE = "`" * 3


def page(folder, *parts: str):
    path = folder / "page.md"
    path.write_text("\n".join(parts).replace("FENCE", FENCE) + "\n")
    return path


def run(path):
    run_blocks(blocks_of(path))


def test_blocks_come_in_order_with_language_line_and_text(tmp_path):
    found = blocks_of(page(tmp_path, "# A", "FENCEpython", "a = 1", "FENCE", "", "FENCEsh", "ls", "pwd", "FENCE"))
    assert [(block.language, block.line, block.text) for block in found] == [
        ("python", 2, "a = 1\n"),
        ("sh", 6, "ls\npwd\n"),
    ]


def test_a_caption_names_a_file_that_later_blocks_use(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = ("FENCE{code-block} python", ":caption: parts/tool.py", "", "answer = 42", "FENCE")
    run(page(tmp_path, *file, "FENCEsh", 'python -c "from parts.tool import answer; assert answer == 42"', "FENCE"))
    assert (tmp_path / "parts" / "tool.py").read_text() == "answer = 42\n"


def test_a_block_that_is_not_run_says_why(tmp_path):
    path = page(tmp_path, "<!-- not run: it needs the network -->", "FENCEsh", "exit 1", "FENCE")
    assert blocks_of(path)[0].reason == "it needs the network"
    run(path)


def test_other_directives_are_no_code(tmp_path):
    assert blocks_of(page(tmp_path, "FENCE{toctree}", ":hidden:", "", "a", "FENCE")) == []


def test_python_blocks_share_their_variables(tmp_path):
    run(page(tmp_path, "FENCEpython", "a = 1", "FENCE", "FENCEpython", "assert a == 1", "FENCE"))


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (("FENCEpython", "assert 1 == 2", "FENCE"), "AssertionError"),
        (("FENCEsh", "echo well; false", "FENCE"), "exit code 1"),
        (("FENCEsh", "false | cat", "FENCE"), "exit code 1"),
        (("FENCEconsole", "$ echo 12 clips", "... sections", "FENCE"), "does not print"),
        (("FENCEyaml", "a: 1", "FENCE"), "no caption"),
        (("FENCEtoml", "a = ", "FENCE"), "TOMLDecodeError"),
    ],
)
def test_a_block_that_fails_is_told_with_its_page_and_line(tmp_path, block, said):
    with pytest.raises(ExampleError, match=r"page\.md, line 2") as error:
        run(page(tmp_path, "# A", *block))
    assert said in str(error.value)


def test_dots_stand_for_anything_a_command_prints(tmp_path):
    run(page(tmp_path, "FENCEconsole", "$ echo 'a   12 b'", "a ... b", "$ echo done", "done", "FENCE"))
