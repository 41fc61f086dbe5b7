"""Finds plugins, and builds components by name.

pluggy is used once, at start-up, to fill a table of name -> factory; afterwards everything is plain objects. Three of
its traps are closed here: a misspelt hook is an error (``check_pending``), two distributions that give one name to a
plugin are an error (pluggy keeps the first and drops the other silently), and nothing depends on the order of hooks.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from asdcore.contract import hookspecs
from asdcore.contract.build_errors import not_built
from asdcore.contract.component import Component, Place
from asdcore.contract.discovery import Offered, check_names, check_present, offered, origin
from asdcore.contract.interfaces import KINDS, PROTOCOLS
from asdcore.contract.source_code.imports import FACTORY_PATH
from asdcore.contract.source_code.loading_times import begin_loading
from asdcore.contract.source_code.modules import module_file
from asdcore.errors import AsdcoreError, PluginError, did_you_mean

__all__ = ["Component", "Plugins", "installed", "offered", "origin", "restrict", "restricted"]


class Plugins:
    """The loaded plugins: a table of components for each kind, frozen once built."""

    def __init__(self, modules: Iterable[Offered], only: Iterable[str] | None = None) -> None:
        """Register ``(plugin name, module or object, distribution, version)`` and collect what they offer.

        ``only`` names the plugins to keep (None: all). Raises PluginError if one of them is not offered.
        """
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._origin: dict[str, tuple[object, str, str]] = {}
        self._only = None if only is None else frozenset(only)
        plugins = list(modules)
        check_names((name, distribution) for name, _, distribution, _ in plugins)
        for name, module, distribution, version in plugins:
            self._origin[name] = (module, distribution, version)
            self._register(name, module)
        self._hooks: dict[str, set[str]] = {
            name: set() for name, (module, _, _) in self._origin.items() if not self._manager.get_hookcallers(module)
        }
        self._tables = {kind: self._collect(kind) for kind in KINDS}
        if self._only is not None:
            check_present(self._only, self._hooks)
        self.since = 0
        """When they began to be loaded from their files, in ns; 0 if nobody wrote it down."""

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
        for implementation in sorted(hook.get_hookimpls(), key=lambda each: each.plugin_name):
            plugin = implementation.plugin_name
            components: list[Component] = []

            def register(
                name: str,
                factory: Callable[..., Any] | str,
                *,
                plugin: str = plugin,
                components: list[Component] = components,
            ) -> None:
                components.append(self._component(kind, name, factory, plugin))

            try:
                implementation.function(*(register for _ in implementation.argnames))
            except AsdcoreError:
                raise
            except Exception as error:
                raise PluginError(
                    f"Plugin {plugin!r} of distribution {self._origin[plugin][1]!r} fails in register_{kind}s: "
                    f"{type(error).__name__}: {error}. Repair it, or uninstall the distribution."
                ) from error
            for owner in {component.plugin for component in components} or {plugin}:
                if self._only is None or owner in self._only:
                    self._hooks.setdefault(owner, set()).add(f"register_{kind}s")
            for component in components:
                if self._only is None or component.plugin in self._only:
                    _add(table, component)
        return dict(sorted(table.items()))

    def _component(self, kind: str, name: object, factory: object, plugin: str) -> Component:
        """Return what a plugin registers as a component. Raises PluginError if it is not a name and a factory."""
        is_path = isinstance(factory, str)
        if not (isinstance(name, str) and name and (callable(factory) or is_path)):
            raise PluginError(
                f"Plugin {plugin!r} registers a {kind} with register({name!r}, {factory!r}); needed are a name "
                "and something that builds the component: a class, a function, or the path 'module:attribute' of one."
            )
        module, distribution, version = self._origin[plugin]
        place = _place(plugin, module)
        if not isinstance(factory, str):
            assert callable(factory)
            return Component(kind, name, factory, plugin, distribution, version, *place)
        if not (path := FACTORY_PATH.fullmatch(factory)):
            raise PluginError(
                f"Plugin {plugin!r} registers the {kind} {name!r} as {factory!r}; a path is 'module:attribute', "
                "such as 'my_package.my_module:MyClass'."
            )
        owner = path["module"]
        if owner.startswith(f"{plugin}."):  # each module is a plugin of its own
            if self._origin.get(owner, self._origin[plugin])[1] != distribution:
                check_names([(owner, distribution), (owner, self._origin[owner][1])])
            return Component(kind, name, factory, owner, distribution, version, module_file(owner), owner)
        file = module_file(owner)
        own: Place = (file, owner) if file else place
        registrar = None if own == place else place
        return Component(kind, name, factory, plugin, distribution, version, *own, registrar=registrar)

    @property
    def hooks(self) -> dict[str, list[str]]:
        """Return {plugin name: the hooks it implements}."""
        return {name: sorted(hooks) for name, hooks in sorted(self._hooks.items())}

    def components(self, kind: str) -> dict[str, Component]:
        """Return {name: component} of one kind, sorted by name."""
        return dict(self._table(kind))

    def _table(self, kind: str) -> dict[str, Component]:
        if kind not in self._tables:
            raise PluginError(f"There is no kind of component {kind[:40]!r}. {did_you_mean(kind, KINDS)}")
        return self._tables[kind]

    def component(self, kind: str, name: str) -> Component:
        """Return one component; raises PluginError with the closest known name."""
        table = self._table(kind)
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
        """Return the parameters that a component needs: those without a default."""
        accepted = inspect.signature(component.factory).parameters.values()
        return [
            parameter.name
            for parameter in accepted
            if parameter.default is parameter.empty and parameter.kind not in _OPEN
        ]

    @staticmethod
    def check_parameters(component: Component, parameters: dict[str, Any]) -> None:
        """Refuse a parameter that the component does not take, before anything is built.

        If what is registered has ``not_parameters``, {name: sentence}, the sentence says why it lacks that parameter.
        """
        accepted = inspect.signature(component.factory).parameters
        if missing := [name for name in Plugins.needed(component) if name not in parameters]:
            kind, name = component.kind, component.name
            names = f" 'asdcore registry list' names those for {name}." if missing[0] == "checkpoint" else ""
            written = f"{kind} = {{ name = '{name}', {missing[0]} = ... }}"
            raise PluginError(f"{kind} {name!r} needs the parameter {missing[0]!r}: {written}.{names}")
        if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in accepted.values()):
            return
        for name in parameters:
            if name not in accepted:
                why = getattr(component.factory, "not_parameters", {}).get(name) or did_you_mean(name, accepted)
                raise PluginError(f"{component.kind} {component.name!r} takes no parameter {name!r}. {why}")


_OPEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _add(table: dict[str, Component], component: Component) -> None:
    if other := table.get(component.name):
        raise PluginError(
            f"Two plugins register a {component.kind} {component.name!r}: {other.plugin} and {component.plugin}. "
            "Rename one, or uninstall its distribution."
        )
    table[component.name] = component


def _place(plugin: str, module: object) -> Place:
    """Return the file that holds a plugin, None if there is none, and the full name of its module."""
    if isinstance(module, ModuleType):
        file = getattr(module, "__file__", None)
        return (Path(file) if file else None), module.__name__
    # An entry point may name an object in a module.
    place = origin(plugin)
    return (place.source, place.module) if place else (None, "")


def _missing(kind: str, built: object) -> str:
    protocol = PROTOCOLS[kind]
    wanted = [name for name in (*vars(protocol), *protocol.__annotations__) if not name.startswith("_")] or ["__call__"]
    return ", ".join(name for name in dict.fromkeys(wanted) if not hasattr(built, name))


_restriction: tuple[str, ...] | None = None
_current: Plugins | None = None
_chosen: ContextVar[Plugins | None] = ContextVar("plugins", default=None)


def installed() -> Plugins:
    """Return every installed plugin, loaded once; inside :func:`restricted` or :func:`chosen`, those named there."""
    global _current
    if (plugins := _chosen.get()) is not None:
        return plugins
    if _current is None:
        _current = loaded(_restriction)
    return _current


def loaded(names: Iterable[str] | None) -> Plugins:
    """Load the plugins named (None: all that are installed) and no others; :func:`chosen` lets them be used."""
    since, only = begin_loading(), None if names is None else tuple(sorted(names))
    plugins = Plugins(offered(only), only)
    plugins.since = since
    return plugins


def restrict(names: Iterable[str] | None) -> None:
    """Let :func:`installed` know only the plugins named from now on (None: all), in this process.

    No other is imported: a frozen run must not execute code that its manifest does not pin.
    """
    global _restriction, _current
    _restriction = None if names is None else tuple(sorted(names))
    _current = None


@contextmanager
def restricted(names: Iterable[str] | None, plugins: Plugins | None = None) -> Iterator[Plugins]:
    """Let :func:`installed` know, inside, only the plugins named (None: all); ``plugins`` if they are loaded.

    So it is in this thread and in threads that carry its context: another thread may score something else meanwhile.
    """
    allowed = plugins or loaded(names)
    with chosen(allowed):
        yield allowed


@contextmanager
def chosen(plugins: Plugins) -> Iterator[None]:
    """Let :func:`installed` return these plugins inside, in this thread, without loading any anew."""
    token = _chosen.set(plugins)
    try:
        yield
    finally:
        _chosen.reset(token)
