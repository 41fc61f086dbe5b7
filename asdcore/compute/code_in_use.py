"""Checks that a process computes a result with the code that the result is named after.

A long-lived process, such as a worker of a cluster or a notebook, keeps the code it has loaded, even if the files
change. So a job records the code it was planned with, and the process that computes it compares this with the code it
has loaded, before the work and after.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping

from asdcore.compute.recipes import changed_sources, component_recipe, library_versions
from asdcore.contract.plugins import Component, Plugins
from asdcore.contract.source_code.loading_times import loaded_since
from asdcore.errors import PluginError
from asdcore.store.digests.digest import recipe_digest

Use = tuple[str, str, str]
"""The kind and name of a component, and its parameters as JSON."""

Code = tuple[tuple[str, str], ...]
"""(what, digest or version) of all code that a job was planned with."""

_LIBRARIES = library_versions()
"""Versions at the start of this process; others may have been installed since."""


def code_of(uses: Iterable[Use], framework: str, plugins: Plugins) -> Code:
    """Return the code that a job is planned with; ``framework`` is the digest of asdcore's part in it."""
    components = {
        f"{kind} {name!r} with {parameters}": _digest(plugins.component(kind, name), parameters)
        for kind, name, parameters in uses
    }
    return tuple(sorted({**components, **_around(framework)}.items()))


def check_loaded(code: Code, uses: Iterable[Use], framework: str, plugins: Plugins) -> None:
    """Raise PluginError unless this process has loaded the code of a job; a job without code passes."""
    there = loaded_code(uses, framework, plugins)
    _compare(dict(code), there if code else {})


def loaded_code(uses: Iterable[Use], framework: str, plugins: Plugins | None = None) -> dict[str, str]:
    """Return what :func:`code_of` would have given when this process loaded the components; needs plugins for any.

    Raises PluginError if a component is not installed, or its code has changed since it was loaded.
    """
    components = {
        f"{kind} {name!r} with {parameters}": _as_loaded(plugins.component(kind, name), parameters, plugins.since)
        for kind, name, parameters in uses
        if plugins is not None
    }
    return {**components, **_around(framework)}


def check_unchanged(uses: Iterable[Use], plugins: Plugins) -> None:
    """Raise PluginError if a component's code has changed on disk since this process loaded it.

    A plugin that imports late, inside a function, may then run either version.
    """
    for kind, name, parameters in uses:
        component = plugins.component(kind, name)
        same = _digest(component, parameters) == _as_loaded(component, parameters, plugins.since)
        if not same or changed_sources([(kind, name)], plugins):
            raise _refusal(f"{kind} {name!r}")


def _around(framework: str) -> dict[str, str]:
    return {"asdcore": framework, **_LIBRARIES}


def _compare(planned: Mapping[str, str], loaded: Mapping[str, str]) -> None:
    for what in sorted(planned.keys() | loaded.keys()):
        if planned.get(what) != loaded.get(what):
            raise _refusal(what.partition(" with ")[0])


def _refusal(what: str) -> PluginError:
    return PluginError(
        f"{what}: its code changed while this run, or a worker of it, was alive, so the result could be of one version "
        "under the name of another. Nothing of it was stored. Run again, with every process started anew."
    )


def _digest(component: Component, parameters: str) -> str:
    return recipe_digest(component_recipe(component, json.loads(parameters)))


@functools.lru_cache(maxsize=256)
def _as_loaded(component: Component, parameters: str, since: int) -> str:
    """Return the value of :func:`_digest` at this process's first use of the component with these parameters.

    Raises PluginError if its files changed between its loading, after ``since`` (ns), and that first use.
    """
    if since and component.files:
        # Modules outlive the plugins that were loaded from them.
        seen = loaded_since()
        for file in component.files.files.values():
            status = file.stat()
            if max(status.st_mtime_ns, status.st_ctime_ns) > min(since, seen.get(str(file), since)):
                raise _refusal(f"{component.kind} {component.name!r}")
    return _digest(component, parameters)
