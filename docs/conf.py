"""How Sphinx builds these pages: ``make docs`` writes them as HTML into ``build/docs``."""

from __future__ import annotations

import asdcore

project = "asdcore"
author = "the asdcore developers"
copyright = "the asdcore developers, MIT licence"  # noqa: A001  (Sphinx wants this name)
version = release = asdcore.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["README.md"]
html_theme = "furo"
html_title = f"asdcore {version}"
html_show_sphinx = False
html_copy_source = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"

# A reference that leads nowhere is an error. Those of signatures name types of other libraries, and of modules that are
# not public: these pages have no entry for either, and none is fetched from the network.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!asdcore\.[A-Za-z_]+$).*")]
