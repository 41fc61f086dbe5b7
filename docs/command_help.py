"""A Sphinx extension: the directive ``commands`` shows the help of every command of ``asdcore``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from docutils import nodes
from docutils.parsers.rst import Directive

from asdcore.cli import app

WIDTH = 100


def helps() -> Iterator[tuple[str, str]]:
    """Yield every command, such as ``asdcore data synth``, with its help."""
    group = typer.main.get_command(app)
    context = group.make_context("asdcore", ["--help"], resilient_parsing=True, max_content_width=WIDTH)
    yield from _helps(group, context)


def _helps(group: Any, context: Any) -> Iterator[tuple[str, str]]:
    for name, command in group.commands.items():
        inner = type(context)(command, info_name=name, parent=context, max_content_width=WIDTH)
        if hasattr(command, "commands"):
            yield from _helps(command, inner)
        else:
            yield inner.command_path, command.get_help(inner)


class Commands(Directive):
    """One section for each command."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        sections: list[nodes.Node] = []
        for name, text in helps():
            section = nodes.section(ids=[nodes.make_id(name)])
            section += nodes.title(text=name)
            section += nodes.literal_block(text, text, language="text")
            sections.append(section)
        return sections


def setup(sphinx: Any) -> dict[str, bool]:
    """Register the directive."""
    sphinx.add_directive("commands", Commands)
    return {"parallel_read_safe": True}
