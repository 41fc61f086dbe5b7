"""Which plugins are installed, by the entry points of distributions.

asdcore's own plugins stand in its entry points, as everyone else's do. An entry point names a plugin. If what it
registers is a path below its own name, each module is a plugin of its own: ``asdcore_plugins`` registers
``asdcore_plugins.scorers.knn:KNN``, and the plugin that a manifest pins is ``asdcore_plugins.scorers.knn``.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path

from asdcore.contract.component import Place, source_of_places
from asdcore.contract.hookspecs import PROJECT
from asdcore.contract.source_code.modules import module_file
from asdcore.errors import Interrupted, PluginError
from asdcore.version import __version__

Offered = tuple[str, object, str, str]
"""The name of a plugin, its module or object, its distribution, and the version of that."""


@dataclass(frozen=True)
class Origin:
    """Where an installed plugin comes from. Nothing of it was imported to learn that."""

    distribution: str
    version: str
    source: Path | None
    module: str
    registrar: Place | None = None

    @property
    def files(self) -> Mapping[str, Path]:
        """{name: file} of the plugin's source as it is now, and of the module that registers it."""
        source = source_of_places((self.source, self.module), self.registrar)
        return source.files if source else {}


def offered(only: Collection[str] | None = None) -> list[Offered]:
    """Import the installed plugins, or those named, and return them sorted by name.

    Raises PluginError if one is not installed, if one does not import, and if two distributions share a name.
    """
    entries = sorted(entry_points(group=PROJECT), key=lambda entry: (entry.name, distribution_of(entry)[0]))
    if only is None:
        _check_own(entries)
    else:
        entries = [entry for entry in entries if any(covers(entry.name, name) for name in only)]
        check_present(only, [name for name in only if any(covers(entry.name, name) for entry in entries)])
    # Before anything is imported: of two plugins of one name nobody knows which one was meant.
    check_names((entry.name, distribution_of(entry)[0]) for entry in entries)
    return [(entry.name, _load(entry), *distribution_of(entry)) for entry in entries]


def origin(name: str) -> Origin | None:
    """Return where the plugin of this name comes from, or None if it is not installed. Nothing of it is run."""
    return origins([name])[name]


def origins(names: Iterable[str]) -> dict[str, Origin | None]:
    """Return {name: where that plugin comes from, or None if it is not installed}. Nothing of them is run.

    The installed distributions are listed once, which takes longer than all the rest.
    """
    entries = sorted(entry_points(group=PROJECT), key=lambda entry: -len(entry.name))
    return {name: _origin(name, [entry for entry in entries if covers(entry.name, name)]) for name in names}


def _origin(name: str, entries: Iterable[EntryPoint]) -> Origin | None:
    for entry in entries:
        place = module_file(entry.module), entry.module
        if entry.name == name:
            return Origin(*distribution_of(entry), *place)
        if file := module_file(name):
            return Origin(*distribution_of(entry), file, name, place)
    return None


def covers(entry: str, plugin: str) -> bool:
    """Whether the entry point of one name may offer a plugin of another: the same, or one below it."""
    return plugin == entry or plugin.startswith(f"{entry}.")


def check_names(named: Iterable[tuple[str, str]]) -> None:
    """Raise PluginError if two of these (plugin name, distribution) claim one name."""
    seen: dict[str, str] = {}
    for name, distribution in named:
        for other, owner in seen.items():
            # Names below asdcore's own belong to its modules.
            below = owner == "asdcore" != distribution and covers(other, name)
            if name == other or below:
                raise PluginError(
                    f"Two installed distributions both name a plugin {name!r}: {owner} and {distribution}. "
                    "Uninstall one of them."
                )
        seen[name] = distribution


def check_present(wanted: Iterable[str], present: Collection[str]) -> None:
    """Raise PluginError if one of the plugins wanted is not among those present."""
    if missing := sorted(set(wanted).difference(present)):
        raise PluginError(f"The plugin {missing[0]!r} is not installed. 'asdcore plugins' lists what is.")


def distribution_of(entry: EntryPoint) -> tuple[str, str]:
    """Return the name and version of the distribution that has an entry point."""
    return ("unknown", "unknown") if entry.dist is None else _named(entry.dist)


@functools.lru_cache(maxsize=64)
def _named(distribution: Distribution) -> tuple[str, str]:
    """Return the name and version of a distribution. Each listing has its own objects, and their text is read once."""
    name = distribution.name
    # An editable install keeps the version that it had when it was made.
    return name, __version__ if name == "asdcore" else distribution.version


def _check_own(entries: Iterable[EntryPoint]) -> None:
    if not any(distribution_of(entry)[0] == "asdcore" for entry in entries):
        checkout = Path(__file__).parents[2]
        path = checkout if (checkout / "pyproject.toml").is_file() else "asdcore"
        raise PluginError(
            "asdcore's own plugins have no entry point here: it was installed before they had one, or not installed. "
            f"Install it anew: 'pip install --no-deps -e {path}'"
            + (", or 'make venv' in the checkout." if path == checkout else ".")
        )


def _load(entry: EntryPoint) -> object:
    try:
        return entry.load()
    except Interrupted:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"Plugin {entry.name!r} of distribution {distribution_of(entry)[0]!r} does not import: "
            f"{type(error).__name__}: {error}. Repair it, or uninstall the distribution."
        ) from error
