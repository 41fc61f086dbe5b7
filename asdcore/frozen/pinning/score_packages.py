"""Which packages the scores of a detector need: those that the code which computes them imports, wherever it can.

The code is read, not run. It begins where a detector begins to score, and with the source of every view, encoder,
scorer, normalizer and guard of the portfolio, and of the modules that their parameters name. Every import counts that
a function of it may reach, at the top of a file or inside a function, of asdcore or of a plugin; so do the packages
that these packages need. What only runs, reads or reports a data set does not count: a detector does none of it. The
readers of loggers' files are compared when such a file is read (:mod:`asdcore.detector.readers`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from asdcore.components.named_files import module_source, modules_named
from asdcore.contract.plugins import Component, Plugins
from asdcore.contract.source_code.files import BUNDLED_PACKAGE, module_file
from asdcore.contract.source_code.imports import imported_at_run_time, mentions
from asdcore.frozen.pinning.packages import PACKAGE, packages_with, tops_of
from asdcore.portfolio import Portfolio

FRAMEWORK = PACKAGE.name
ENTRANCES = (f"{FRAMEWORK}.detector.detector", f"{FRAMEWORK}.detector.recording")
"""The modules that a detector scores by. They lie above this room: it reads them, and imports none."""

ELSEWHERE = ("as_onnx", "onnx", "progress")
"""Modules and rooms of asdcore and its plugins that no score goes through: ONNX forms of components, and bars."""


def score_packages(plan: Portfolio, plugins: Plugins) -> list[str]:
    """Return the distributions that a detector of a portfolio needs for its scores, sorted.

    Parameters
    ----------
    plan : Portfolio
        The portfolio.
    plugins : Plugins
        Where its components are looked up.

    Returns
    -------
    list of str
        Their names, as of ``pip``. Those of :data:`~asdcore.frozen.pinning.packages.SAME_BITS` are not among them.

    Examples
    --------
    >>> from asdcore.contract.plugins import installed
    >>> from asdcore.frozen.pinning.score_packages import score_packages
    >>> needed = score_packages(asdcore.load_portfolio("logmel-knn"), installed())
    >>> "numpy" in needed, "transformers" in needed
    (True, False)
    """
    components = [plugins.component(*named) for named in plan.components()]
    named = [name for choice in plan.choices() for _, name in modules_named(choice.named.parameters)]
    files = [file for component in components for file in _sources(component)]
    files += [file for name in named for file in module_source(name).files.values()]
    return sorted(packages_with({*_reached(files), *named}))


def _sources(component: Component) -> Iterable[Path]:
    return component.files.files.values() if component.files else ()


def _reached(sources: Iterable[Path]) -> set[str]:
    """Return the top-level modules beyond asdcore that some files, or a detector, may import."""
    waiting, seen, tops = [*sources, *_files_of(ENTRANCES)], set[Path](), set[str]()
    while waiting:
        file = waiting.pop()
        if file in seen or file.suffix != ".py":
            continue
        seen.add(file)
        names = _imports(file)
        tops |= tops_of(file, names)
        waiting += _files_of(name for name in names if name.partition(".")[0] == FRAMEWORK)
    return tops - {FRAMEWORK, BUNDLED_PACKAGE}


def _imports(file: Path) -> frozenset[str]:
    """Return the modules that a file imports; one of asdcore's own public names as the module that holds it."""
    inside = next((name for name in (FRAMEWORK, BUNDLED_PACKAGE) if name in file.parts), None)
    if inside is None:
        return frozenset(_places(mentions(file).imports))
    modules = file.with_suffix("").parts
    below = modules[len(modules) - modules[::-1].index(inside) :]
    return frozenset(_places(imported_at_run_time(file)) if set(ELSEWHERE).isdisjoint(below) else ())


def _places(names: Iterable[str]) -> Iterator[str]:
    public: dict[str, str] = vars(sys.modules[FRAMEWORK])["_LAZY"]
    for name in names:
        top, _, rest = name.partition(".")
        if name == FRAMEWORK:
            continue
        yield public.get(rest, name) if top == FRAMEWORK else name


def _files_of(names: Iterable[str]) -> Iterator[Path]:
    """Yield the files of modules, and of the packages that they lie in."""
    for name in names:
        parts = name.split(".")
        for depth in range(2, len(parts) + 1):
            if file := module_file(".".join(parts[:depth])):
                yield file
