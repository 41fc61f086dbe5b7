"""Finds plugins, and builds components by name.

pluggy is used once, at start-up, to fill a table of name -> factory; afterwards everything is plain objects. Three of
its traps are closed here: a misspelt hook is an error (``check_pending``), two distributions that give one name to a
plugin are an error (pluggy keeps the first and drops the other silently), and nothing depends on the order of hooks.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from asdcore.contract import hookspecs
from asdcore.contract.blame import not_built
from asdcore.contract.bundled import BUNDLED_PLUGINS
from asdcore.contract.interfaces import KINDS, PROTOCOLS
from asdcore.contract.sources import BUNDLED_PACKAGE, Source, module_file, source_of
from asdcore.errors import AsdcoreError, PluginError, did_you_mean


@dataclass(frozen=True, eq=False)
class Component:
    """One thing a plugin offers, and where it came from."""

    kind: str
    name: str
    factory: Callable[..., Any]
    plugin: str
    distribution: str
    version: str
    source: Path | None
    module: str = ""

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
        return source_of(self.source, self.module) if self.source else None

    @property
    def bundled(self) -> bool:
        """Whether it comes with asdcore."""
        return self.distribution == "asdcore" and self.plugin.startswith(f"{BUNDLED_PACKAGE}.")


class Plugins:
    """The loaded plugins: a table of components for each kind, frozen once built."""

    def __init__(self, modules: Iterable[tuple[str, object, str, str]]) -> None:
        """Register ``(plugin name, module or object, distribution, version)`` and collect what they offer."""
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._origin: dict[str, tuple[object, str, str]] = {}
        offered = list(modules)
        _check_names([(name, distribution) for name, _, distribution, _ in offered])
        for name, module, distribution, version in offered:
            self._origin[name] = (module, distribution, version)
            self._register(name, module)
        self._tables = {kind: self._collect(kind) for kind in KINDS}
        self.since = 0
        """When they began to be loaded from their files, in ns; 0 where that is not known."""

    def _register(self, name: str, module: object) -> None:
        try:
            self._manager.register(module, name)
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            hooks = [hook for hook in dir(hookspecs) if hook.startswith("register_")]
            raise PluginError(f"Plugin {name!r} does not fit the hooks: {error}. {did_you_mean('', hooks)}") from error

    def _collect(self, kind: str) -> dict[str, Component]:
        table: dict[str, Component] = {}
        hook = getattr(self._manager.hook, f"register_{kind}s")
        for implementation in sorted(hook.get_hookimpls(), key=lambda one: one.plugin_name):
            plugin = implementation.plugin_name

            def register(name: str, factory: Callable[..., Any], *, plugin: str = plugin) -> None:
                if not (isinstance(name, str) and name and callable(factory)):
                    raise PluginError(
                        f"Plugin {plugin!r} registers a {kind} with register({name!r}, {factory!r}); needed are a name "
                        "and something that builds the component."
                    )
                if name in table:
                    raise PluginError(
                        f"Two plugins register a {kind} {name!r}: {table[name].plugin} and {plugin}. "
                        "Rename one, or uninstall its distribution."
                    )
                module, distribution, version = self._origin[plugin]
                table[name] = Component(kind, name, factory, plugin, distribution, version, *_place(plugin, module))

            try:
                implementation.function(*(register for _ in implementation.argnames))
            except AsdcoreError:
                raise
            except Exception as error:
                raise PluginError(
                    f"Plugin {plugin!r} of distribution {self._origin[plugin][1]!r} fails in register_{kind}s: "
                    f"{type(error).__name__}: {error}. Repair it, or uninstall the distribution."
                ) from error
        return dict(sorted(table.items()))

    @property
    def hooks(self) -> dict[str, list[str]]:
        """Return {plugin name: the hooks it implements}."""
        return {
            name: sorted(caller.name for caller in self._manager.get_hookcallers(module) or ())
            for name, (module, _, _) in sorted(self._origin.items())
        }

    def components(self, kind: str) -> dict[str, Component]:
        """Return {name: component} of one kind, sorted by name."""
        return dict(self._tables[kind])

    def component(self, kind: str, name: str) -> Component:
        """Return one component; raises PluginError with the closest known name."""
        table = self._tables[kind]
        if name not in table:
            raise PluginError(
                f"No {kind} is named {name!r}. {did_you_mean(name, table)} "
                f"'asdcore plugins' lists what is installed, 'asdcore new-plugin {kind} {name}' starts a new one."
            )
        return table[name]

    def build(self, kind: str, name: str, parameters: dict[str, Any]) -> Any:
        """Build a component; raises PluginError for unknown or refused parameters, or an object off its contract."""
        component = self.component(kind, name)
        self.check_parameters(component, parameters)
        try:
            built = component.factory(**parameters)
        except AsdcoreError:
            raise
        except Exception as error:
            raise not_built(f"{kind} {name!r}", component.factory, component.source, parameters, error) from error
        if not isinstance(built, PROTOCOLS[kind]):
            raise PluginError(f"{kind} {name!r} built a {type(built).__name__}, which lacks {_missing(kind, built)}.")
        return built

    @staticmethod
    def needed(component: Component) -> list[str]:
        """Return the parameters that a component cannot be built without."""
        accepted = inspect.signature(component.factory).parameters.values()
        return [one.name for one in accepted if one.default is one.empty and one.kind not in _OPEN]

    @staticmethod
    def check_parameters(component: Component, parameters: dict[str, Any]) -> None:
        """Refuse a parameter that the component does not take, before anything is built."""
        accepted = inspect.signature(component.factory).parameters
        if missing := [name for name in Plugins.needed(component) if name not in parameters]:
            raise PluginError(f"{component.kind} {component.name!r} needs the parameter {missing[0]!r}.")
        if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in accepted.values()):
            return
        for name in parameters:
            if name not in accepted:
                raise PluginError(
                    f"{component.kind} {component.name!r} takes no parameter {name!r}. {did_you_mean(name, accepted)}"
                )


_OPEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _place(plugin: str, module: object) -> tuple[Path | None, str]:
    """Return the file that holds a plugin, None where there is none, and the full name of its module."""
    if isinstance(module, ModuleType):
        file = getattr(module, "__file__", None)
        return (Path(file) if file else None), module.__name__
    # An entry point may name an object in a module.
    found = origin(plugin)
    return (found.source, found.module) if found else (None, "")


def _missing(kind: str, built: object) -> str:
    protocol = PROTOCOLS[kind]
    wanted = [name for name in (*vars(protocol), *protocol.__annotations__) if not name.startswith("_")] or ["__call__"]
    return ", ".join(name for name in dict.fromkeys(wanted) if not hasattr(built, name))


def _check_names(named: Iterable[tuple[str, str]]) -> None:
    """Raise PluginError where two of these (plugin name, distribution) have one name."""
    seen: dict[str, str] = {}
    for name, distribution in named:
        if name in seen:
            raise PluginError(
                f"Two installed distributions both name a plugin {name!r}: {seen[name]} and {distribution}. "
                "Uninstall one of them."
            )
        seen[name] = distribution


def _installed(only: Iterable[str] | None) -> list[tuple[str, object, str, str]]:
    from asdcore.version import __version__

    bundled = [f"{BUNDLED_PACKAGE}.{name}" for name in BUNDLED_PLUGINS]
    entries = sorted(entry_points(group=hookspecs.PROJECT), key=lambda one: (one.name, _distribution(one)[0]))
    if only is not None:
        wanted = set(only)
        bundled = [name for name in bundled if name in wanted]
        entries = [entry for entry in entries if entry.name in wanted]
        if lost := sorted(wanted.difference(bundled, (entry.name for entry in entries))):
            raise PluginError(f"The plugin {lost[0]!r} is not installed. 'asdcore plugins' lists what is.")
    # Before anything is imported: of two plugins with one name, who knows which is the one that was meant.
    _check_names([*((name, "asdcore") for name in bundled), *((one.name, _distribution(one)[0]) for one in entries)])
    return [
        *((name, importlib.import_module(name), "asdcore", __version__) for name in bundled),
        *((entry.name, _load(entry), *_distribution(entry)) for entry in entries),
    ]


def _distribution(entry: EntryPoint) -> tuple[str, str]:
    return (entry.dist.name, entry.dist.version) if entry.dist else ("unknown", "unknown")


def _load(entry: EntryPoint) -> object:
    try:
        return entry.load()
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"Plugin {entry.name!r} of distribution {_distribution(entry)[0]!r} does not import: "
            f"{type(error).__name__}: {error}. Repair it, or uninstall the distribution."
        ) from error


_restriction: tuple[str, ...] | None = None


@functools.cache
def installed() -> Plugins:
    """Return every installed plugin, loaded once; inside :func:`restricted`, those named there."""
    since = time.time_ns()
    plugins = Plugins(_installed(_restriction))
    plugins.since = since
    return plugins


def restrict(names: Iterable[str] | None) -> None:
    """Let :func:`installed` know only the plugins named from now on (None: all), in this process.

    No other is imported: a frozen run must not execute code that its manifest does not pin.
    """
    global _restriction
    _restriction = None if names is None else tuple(sorted(names))
    installed.cache_clear()


@contextmanager
def restricted(names: Iterable[str]) -> Iterator[Plugins]:
    """Let :func:`installed` know, inside, only the plugins named."""
    before = _restriction
    restrict(names)
    try:
        yield installed()
    finally:
        restrict(before)


@dataclass(frozen=True)
class Origin:
    """Where an installed plugin comes from, found out without importing it."""

    distribution: str
    version: str
    source: Path | None
    module: str

    @property
    def files(self) -> Mapping[str, Path]:
        """{name: file} of the plugin's source as it is now."""
        return source_of(self.source, self.module).files if self.source else {}


def origin(name: str) -> Origin | None:
    """Return where the plugin of this name comes from, or None where it is not installed. Nothing of it is run."""
    from asdcore.version import __version__

    bundled = {f"{BUNDLED_PACKAGE}.{one}" for one in BUNDLED_PLUGINS}
    if name in bundled:
        return Origin("asdcore", __version__, module_file(name), name)
    for entry in entry_points(group=hookspecs.PROJECT, name=name):
        return Origin(*_distribution(entry), module_file(entry.module), entry.module)
    return None
