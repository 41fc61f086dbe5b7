"""Finds plugins, and builds components by name.

pluggy is used once, at start-up, to fill a table of name -> factory; afterwards everything is plain objects. Three of
its traps are closed here: a misspelt hook is an error (``check_pending``), two distributions that give one name to a
plugin are an error (pluggy keeps the first and drops the other silently), and nothing depends on the order of hooks.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from asdcore.contract import hookspecs
from asdcore.contract.interfaces import KINDS, PROTOCOLS, Dataset, Encoder, Guard, Normalizer, Scorer, View
from asdcore.errors import AsdcoreError, PluginError, did_you_mean

BUNDLED_PACKAGE = "asdcore_plugins"
BUNDLED_PLUGINS = (
    "datasets.dcase",
    "views.channels",
    "views.w1",
    "encoders.logmel",
    "scorers.knn",
    "scorers.mahalanobis",
    "normalizers.median_iqr",
    "normalizers.ecdf",
    "guards.tail",
)
"""The bundled plugin modules: they enter through the same door as everyone else's."""


@dataclass(frozen=True)
class Component:
    """One thing a plugin offers, and where it came from."""

    kind: str
    name: str
    factory: Callable[..., Any]
    plugin: str
    distribution: str
    version: str
    source: Path | None

    @functools.cached_property
    def source_digest(self) -> str:
        """SHA-256 of the plugin's source: its file, or every .py file of its package in sorted order."""
        return source_digest(self.source) if self.source else "unknown"


def source_digest(source: Path) -> str:
    """SHA-256 over a module file, or over the relative names and contents of a package's .py files."""
    if source.name != "__init__.py":
        return hashlib.sha256(source.read_bytes()).hexdigest()
    digest = hashlib.sha256()
    for file in sorted(source.parent.rglob("*.py")):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(source.parent).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


class Plugins:
    """The loaded plugins: a table of components for each kind, frozen once built."""

    def __init__(self, modules: Iterable[tuple[str, object, str, str]]) -> None:
        """Register ``(plugin name, module or object, distribution, version)`` and collect what they offer."""
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._origin: dict[str, tuple[object, str, str]] = {}
        for name, module, distribution, version in modules:
            if name in self._origin:
                raise PluginError(
                    f"Two installed distributions both name a plugin {name!r}: {self._origin[name][1]} and "
                    f"{distribution}. Uninstall one of them."
                )
            self._origin[name] = (module, distribution, version)
            self._register(name, module)
        self._tables = {kind: self._collect(kind) for kind in KINDS}

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
                table[name] = Component(kind, name, factory, plugin, distribution, version, _source(module))

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
        except (TypeError, ValueError, OverflowError) as error:
            raise PluginError(f"{kind} {name!r} refuses its parameters {parameters}: {error}") from error
        except Exception as error:
            raise PluginError(f"{kind} {name!r} cannot be built: {type(error).__name__}: {error}") from error
        if not isinstance(built, PROTOCOLS[kind]):
            raise PluginError(f"{kind} {name!r} built a {type(built).__name__}, which lacks {_missing(kind, built)}.")
        return built

    @staticmethod
    def check_parameters(component: Component, parameters: dict[str, Any]) -> None:
        """Refuse a parameter that the component does not take, before anything is built."""
        accepted = inspect.signature(component.factory).parameters
        needed = [one.name for one in accepted.values() if one.default is one.empty and one.kind not in _OPEN]
        if missing := [name for name in needed if name not in parameters]:
            raise PluginError(f"{component.kind} {component.name!r} needs the parameter {missing[0]!r}.")
        if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in accepted.values()):
            return
        for name in parameters:
            if name not in accepted:
                raise PluginError(
                    f"{component.kind} {component.name!r} takes no parameter {name!r}. {did_you_mean(name, accepted)}"
                )


_OPEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _source(module: object) -> Path | None:
    file = module.__file__ if isinstance(module, ModuleType) else None
    return Path(file) if file else None


def _missing(kind: str, built: object) -> str:
    protocol = PROTOCOLS[kind]
    wanted = [name for name in (*vars(protocol), *protocol.__annotations__) if not name.startswith("_")] or ["__call__"]
    return ", ".join(name for name in dict.fromkeys(wanted) if not hasattr(built, name))


def _installed(only: Iterable[str] | None) -> list[tuple[str, object, str, str]]:
    from asdcore import __version__

    found: list[tuple[str, object, str, str]] = [
        (f"{BUNDLED_PACKAGE}.{name}", importlib.import_module(f"{BUNDLED_PACKAGE}.{name}"), "asdcore", __version__)
        for name in BUNDLED_PLUGINS
    ]
    wanted = None if only is None else set(only)
    if wanted is not None:
        found = [one for one in found if one[0] in wanted]
    for entry in sorted(entry_points(group=hookspecs.PROJECT), key=lambda one: (one.name, _distribution(one)[0])):
        if wanted is None or entry.name in wanted:
            found.append((entry.name, _load(entry), *_distribution(entry)))
    return found


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


@functools.cache
def installed() -> Plugins:
    """Return every installed plugin, loaded once."""
    return Plugins(_installed(None))


def pinned(only: Iterable[str]) -> Plugins:
    """Return only the plugins named, for a frozen run: nothing else is imported."""
    return Plugins(_installed(tuple(only)))


def load_dataset(name: str, **parameters: Any) -> Dataset:
    """Build a dataset reader by name."""
    dataset: Dataset = installed().build("dataset", name, parameters)
    return dataset


def load_view(name: str, **parameters: Any) -> View:
    """Build a view by name."""
    view: View = installed().build("view", name, parameters)
    return view


def load_encoder(name: str, **parameters: Any) -> Encoder:
    """Build an encoder by name."""
    encoder: Encoder = installed().build("encoder", name, parameters)
    return encoder


def load_scorer(name: str, **parameters: Any) -> Scorer:
    """Build a scorer by name."""
    scorer: Scorer = installed().build("scorer", name, parameters)
    return scorer


def load_normalizer(name: str, **parameters: Any) -> Normalizer:
    """Build a normalizer by name."""
    normalizer: Normalizer = installed().build("normalizer", name, parameters)
    return normalizer


def load_guard(name: str, **parameters: Any) -> Guard:
    """Build a guard by name."""
    guard: Guard = installed().build("guard", name, parameters)
    return guard
