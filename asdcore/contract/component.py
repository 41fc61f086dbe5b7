"""One thing that a plugin offers: its name, its source, and the factory that builds it.

A plugin gives the factory as an object, or as a path such as ``"package.module:Name"``. A path is imported when the
component is first built, so a list of plugins imports none of their libraries.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asdcore.contract.source_code.files import Source, source_of
from asdcore.errors import AsdcoreError, Interrupted, PluginError, did_you_mean

Place = tuple[Path | None, str]
"""The file of a module, None if there is none, and the full name of the module."""


@dataclass(frozen=True, eq=False)
class Component:
    """One thing a plugin offers, and where it came from.

    ``registered`` is what the plugin registered: a factory, or the path of one. ``source`` and ``module`` are the file
    and the name of the module that holds the factory. ``registrar`` is the module that registered it, if that is
    another one whose content counts.
    """

    kind: str
    name: str
    registered: Callable[..., Any] | str
    plugin: str
    distribution: str
    version: str
    source: Path | None
    module: str = ""
    registrar: Place | None = None

    @functools.cached_property
    def factory(self) -> Callable[..., Any]:
        """What builds the component. Raises PluginError if its path does not lead to a class or function."""
        return self._imported(self.registered) if isinstance(self.registered, str) else self.registered

    def imported(self) -> Callable[..., Any]:
        """Return the factory: a path that leads to none is told now, once, and not by every use of it."""
        return self.factory

    @functools.cached_property
    def files(self) -> Source | None:
        """The plugin's source as it was when it was first asked for: its files, and what it imports."""
        return self.files_now()

    @functools.cached_property
    def source_digest(self) -> str:
        """SHA-256 of the plugin's source: its file, or all files that belong to it."""
        return self.files.digest if self.files else "unknown"

    def files_now(self) -> Source | None:
        """Return the plugin's source as it is now."""
        return source_of_places((self.source, self.module), self.registrar)

    @property
    def bundled(self) -> bool:
        """Whether it comes with asdcore."""
        return self.distribution == "asdcore"

    def _imported(self, path: str) -> Callable[..., Any]:
        module_name, _, attribute = path.partition(":")
        try:
            module = importlib.import_module(module_name)
        except (AsdcoreError, Interrupted):
            raise
        except (Exception, SystemExit) as error:
            if isinstance(error, ModuleNotFoundError) and f"{module_name}.".startswith(f"{error.name}."):
                raise self._refusal(f"there is no module {error.name!r}") from error
            raise self._refusal(f"the module does not import: {type(error).__name__}: {error}") from error
        factory: Any = module
        for part in attribute.split("."):
            if not hasattr(factory, part):
                names = [name for name in vars(factory) if not name.startswith("_") and callable(vars(factory)[name])]
                raise self._refusal(f"the module has no {attribute!r}. {did_you_mean(part, names)}")
            factory = getattr(factory, part)
        if not callable(factory):
            raise self._refusal(f"that is of type {type(factory).__name__}, which is not callable")
        return factory  # type: ignore[no-any-return]

    def _refusal(self, why: str) -> PluginError:
        return PluginError(
            f"Plugin {self.plugin!r} of distribution {self.distribution!r} registers the {self.kind} {self.name!r} as "
            f"{self.registered!r}, but {why.removesuffix('.')}. Needed is 'module:attribute', the path of a class or "
            "function that builds the component. Repair the plugin, or uninstall the distribution."
        )


def source_of_places(*places: Place | None) -> Source | None:
    """Return the source of modules taken together; None if none of them has a file."""
    sources = [source_of(place[0], place[1]) for place in places if place and place[0]]
    if not sources:
        return None
    files = {name: file for source in sources for name, file in source.files.items()}
    libraries = {name: version for source in sources for name, version in source.libraries.items()}
    return Source(files, libraries)
