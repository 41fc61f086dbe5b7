"""How Sphinx builds these pages: ``make docs`` writes them as HTML into ``build/docs``."""

from __future__ import annotations

import pkgutil
import re
from typing import Any

import asdcore

project = "asdcore"
author = "the asdcore developers"
copyright = "the asdcore developers, MIT licence"  # noqa: A001  (Sphinx wants this name)
version = release = asdcore.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "docs.command_help"]
html_theme = "furo"
html_title = f"asdcore {version}"
html_static_path = ["static"]
html_css_files = ["print.css"]
html_show_sphinx = False
html_copy_source = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True  # attributes are no targets of links: two classes may have a path
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"

# A reference that leads nowhere is an error. Those of signatures name types of other libraries, and some docstrings
# name modules: these pages have no entry for either, and none is fetched from the network.
MODULES = "|".join(module.name for module in pkgutil.iter_modules(asdcore.__path__))
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!asdcore\.[A-Za-z_]+$).*"), ("py:mod", rf"asdcore\.({MODULES})")]


REFERENCE = re.compile(r"(?<=\.\. )\[([0-9]+)\]|\[([0-9]+)\](?=_)")


def link_files(_app: Any, _page: str, source: list[str]) -> None:
    """Let a link to a file of the repository, which is no page here, lead to a copy of that file."""
    source[0] = re.sub(r"\]\(\.\./", "](path:../", source[0])


def number_references(_app: Any, _what: str, name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """Let references of a docstring, ``.. [1]``, be counted over the whole page: each docstring counts from 1."""
    label = name.replace(".", "-")
    lines[:] = [REFERENCE.sub(lambda match: f"[#{label}-{match[1] or match[2]}]", line) for line in lines]


def setup(app: Any) -> None:
    """Tell Sphinx what to do with pages and docstrings before it reads them."""
    app.connect("source-read", link_files)
    app.connect("autodoc-process-docstring", number_references)
