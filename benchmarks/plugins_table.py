"""The table of everything a portfolio can name, in plugins/README.md: made from docstrings and signatures.

Run it with ``make plugins``. A summary is the first line of the component's docstring, or of its file's. Parameters are
those of the factory, with its defaults. Sources are the first two that the docstring names, shortened to authors and
year; the file says the rest.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from asdcore.contract.interfaces import KINDS
from asdcore.contract.plugins import Component, installed
from asdcore.contract.source_code.files import BUNDLED_PACKAGE
from asdcore.data.features.pooling import POOLINGS
from asdcore.fusion import FUSIONS
from asdcore.fusion.transforms import TRANSFORMS
from asdcore.store.disk.atomic import write_text

PAGE = Path(__file__).parents[1] / "plugins" / "README.md"
BEGIN, END = "<!-- 'make plugins' writes from here -->", "<!-- to here -->"

NAME, YEAR = r"[A-Z][^\W\d]+", r"(?:19\d|20[0-3])\d\b(?!-)"
AUTHORS = rf"(?:{NAME}(?:, {NAME})*,? and {NAME}|{NAME}(?:, {NAME})* et al\.)"
SOURCE = re.compile(
    rf'(?<![,d.] )(?<![-.\w])(?:[A-Z]\. )+(?P<author>{NAME}), "[^"]*".{{0,100}}?\b(?P<in>{YEAR})|'
    rf"(?P<authors>{AUTHORS})(?:(?!{AUTHORS}).){{0,200}}?\b(?P<year>{YEAR})"
    rf"|\b(?P<venue>{NAME}) (?P<when>{YEAR})"
    r"|arXiv:? ?(?P<arxiv>\d{4}\.\d{5})"
)
"""A sole author before a title in quotation marks, or authors, and the year that follows; else a name right before a
year, such as "Interspeech 2026"; or arXiv."""

MOST_SOURCES = 2

SECTION = re.compile(r"^(Parameters|Returns|References|Examples)\n-+$", re.MULTILINE)
"""The heading of a numpydoc section."""

Row = tuple[str, str, str, str]
HEAD: Row = ("name", "what", "parameters", "source")


def main() -> None:
    """Write the table into the page."""
    write_text(PAGE, page(PAGE.read_text()))


def page(text: str) -> str:
    """Return the page with the table made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n{END}{after}"


def table() -> str:
    """Return one Markdown table for each kind of thing a portfolio names."""
    parts = []
    for kind, rows in sections():
        lines = [HEAD, ("---",) * len(HEAD), *rows]
        parts.append("\n".join([f"### {kind}", "", *(f"| {' | '.join(row)} |" for row in lines), ""]))
    return "\n".join(parts)


def sections() -> Iterator[tuple[str, list[Row]]]:
    """Yield (heading, rows): components by kind, then what the framework itself offers."""
    known = installed()
    for kind in KINDS:
        yield f"{kind.capitalize()}s", components(known.components(kind))
    yield "Poolings", [_pooling(name) for name in sorted(POOLINGS)]
    for heading, functions in (("Transforms", TRANSFORMS), ("Fusions", FUSIONS)):
        yield heading, [_function(name, functions[name]) for name in sorted(functions)]


def components(found: Mapping[str, Component]) -> list[Row]:
    """Return the rows of one kind's bundled components; those that differ only in their name share a row."""
    bundled = [component for component in found.values() if component.plugin.startswith(BUNDLED_PACKAGE + ".")]
    names: dict[tuple[str, str, str], list[str]] = {}
    for component in bundled:
        text = description(component, alone=[other.plugin for other in bundled].count(component.plugin) == 1)
        row = first_line(text), parameters(component.factory), sources(text)
        names.setdefault(row, []).append(f"`{component.name}`")
    return [(", ".join(called), *rest) for rest, called in names.items()]


def description(component: Component, alone: bool) -> str:
    """Return the docstring that describes a component, without its examples.

    That is its own if it has sections or stands in a file with others, else the file's.
    """
    factory = component.factory.func if isinstance(component.factory, functools.partial) else component.factory
    own = inspect.getdoc(factory) or ""
    text = own if SECTION.search(own) or not alone else importlib.import_module(component.plugin).__doc__ or ""
    return text.partition("\nExamples\n---")[0]


def first_line(docstring: str) -> str:
    """Return the first line of a docstring as Markdown."""
    line = inspect.cleandoc(docstring).partition("\n")[0]
    return line.replace(":class:", "").replace("``", "`").replace("|", r"\|")


def parameters(factory: Callable[..., Any], skip: int = 0) -> str:
    """Return a factory's parameters as a portfolio writes them; one that may be left out, but is None then, by name."""
    every = list(inspect.signature(factory).parameters.values())[skip:]
    named = [one for one in every if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    return ", ".join(_parameter(one.name, one.default) for one in named)


def _parameter(name: str, default: object) -> str:
    if default is inspect.Parameter.empty:
        return f"`{name}` (needed)"
    return f"`{name}`" if default is None else f"`{name} = {json.dumps(default, ensure_ascii=False)}`"


def sources(docstring: str) -> str:
    """Return the first sources that a docstring names, as authors and year, venue and year, or a number of arXiv."""
    found = []
    for match in SOURCE.finditer(" ".join(docstring.split())):
        said = match.groupdict()
        if said["author"]:
            found.append(f"{said['author']} {said['in']}")
        elif said["authors"]:
            found.append(f"{said['authors']} {said['year']}")
        else:
            found.append(f"arXiv {said['arxiv']}" if said["arxiv"] else f"{said['venue']} {said['when']}")
    return ", ".join(list(dict.fromkeys(found))[:MOST_SOURCES])


def _function(name: str, function: Callable[..., Any]) -> Row:
    """The row of a transform or fusion, whose first argument is what it is fitted on."""
    said = inspect.getdoc(function) or ""
    return f"`{name}`", first_line(said), parameters(function, skip=1), sources(said)


def _pooling(name: str) -> Row:
    pooling = POOLINGS[name]
    said = inspect.getdoc(pooling.function) or ""
    what = f"Of the special tokens alone, {first_line(said)}" if pooling.special else first_line(said)
    given = {"clean_up": False, **pooling.defaults}
    return f"`{name}`", what, ", ".join(_parameter(*item) for item in sorted(given.items())), sources(said)


if __name__ == "__main__":
    main()
