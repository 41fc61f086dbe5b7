"""Reads the code blocks of a page, and says what each of them is for.

A block is fenced by three backticks and names its language:

``python``      is executed; the blocks of a page share their variables
``sh``          is executed by bash, in the page's folder
``console``     shows commands behind ``$`` and what they print; ``...`` stands for anything
``toml``        is a part of a portfolio; it is parsed
``text``        is shown only

A directive ``{code-block}`` with a ``:caption:`` is a file of that name, which the page's later blocks use. A comment
``<!-- not run: REASON -->`` on the line above keeps a block from being run, and says why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(?P<info>.*)$")
NOT_RUN = re.compile(r"^<!-- not run: (?P<reason>.+) -->$")
OPTION = re.compile(r"^:(?P<name>[a-z]+): *(?P<value>.*)$")
DIRECTIVES = ("{code-block}",)


@dataclass(frozen=True)
class Block:
    """One fenced block of a page.

    line : of its first fence, from 1. caption : the file that it shows, or None. reason : why it is not run, or None.
    """

    page: Path
    line: int
    language: str
    text: str
    caption: str | None = None
    reason: str | None = None


def blocks_of(page: Path) -> list[Block]:
    """Return the code blocks of a page, in order; other directives are left out."""
    blocks: list[Block] = []
    lines = page.read_text().splitlines()
    number = 0
    while number < len(lines):
        opened = FENCE.match(lines[number])
        if opened is None:
            number += 1
            continue
        end = lines.index("```", number + 1)
        if block := _block(page, number, opened["info"], lines[number + 1 : end], lines[number - 1]):
            blocks.append(block)
        number = end + 1
    return blocks


def _block(page: Path, number: int, info: str, body: list[str], above: str) -> Block | None:
    """Return the block that begins at a line, counted from 0; None for a directive that shows no code."""
    name, _, language = info.partition(" ")
    caption = None
    if name in DIRECTIVES:
        while body and (option := OPTION.match(body[0])):
            caption = option["value"] if option["name"] == "caption" else caption
            body = body[1:]
        body = body[1:] if body and not body[0] else body
    elif name.startswith("{"):
        return None
    else:
        language = name
    told = NOT_RUN.match(above)
    return Block(page, number + 1, language, "\n".join(body) + "\n", caption, told["reason"] if told else None)
