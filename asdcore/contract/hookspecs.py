"""Every hook of asdcore, in the order in which a clip meets them.

All have one form: asdcore calls ``register_<kind>s(register)`` once, and the plugin calls ``register(name, factory)``
for each component it offers. ``factory(**parameters)`` builds the component from the portfolio's parameters.
Registering must be cheap. So ``factory`` may be a path, ``"package.module:Name"``: asdcore imports the module when the
component is first built, and that module imports its libraries at the top as usual.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from pluggy import HookimplMarker, HookspecMarker

PROJECT = "asdcore"
"""The pluggy project name, and the entry-point group of third-party plugins."""

hookspec = HookspecMarker(PROJECT)

Hook = TypeVar("Hook", bound=Callable[..., Any])


@overload
def hookimpl(function: Hook, /) -> Hook: ...
@overload
def hookimpl(function: None = None, /, **options: Any) -> Callable[[Hook], Hook]: ...
def hookimpl(function: Any = None, /, **options: Any) -> Any:
    """Mark a function of a plugin as a hook that asdcore calls.

    The function is named ``register_<kind>s`` and takes ``register``. asdcore calls it once. It calls
    ``register(name, factory)`` for each component that it offers; ``factory`` is a class, a function, or the path of
    one. The entry-point group ``asdcore`` of a distribution names the module (``plugins/README.md`` shows how).

    Parameters
    ----------
    function : callable, optional
        The function to mark, if the decorator is written without brackets.
    **options : Any
        Options of :class:`pluggy.HookimplMarker`, such as ``specname``.

    Returns
    -------
    callable
        The function itself, marked.

    Examples
    --------
    A module that offers an encoder. Its own module is imported when a portfolio first asks for it:

    >>> @asdcore.hookimpl
    ... def register_encoders(register):
    ...     register("my_encoder", "asdcore_my_encoder.encoder:MyEncoder")
    """
    marker = HookimplMarker(PROJECT)
    return marker(function, **options) if function is not None else marker(**options)


Register = Callable[[str, Callable[..., Any] | str], None]


@hookspec
def register_datasets(register: Register) -> None:
    """Offer readers of folder layouts: ``register("dcase2026", factory)``."""


@hookspec
def register_views(register: Register) -> None:
    """Offer ways to make one waveform from a clip's channels: ``register("near", factory)``."""


@hookspec
def register_encoders(register: Register) -> None:
    """Offer encoders, which turn waveforms into tokens: ``register("logmel", factory)``."""


@hookspec
def register_scorers(register: Register) -> None:
    """Offer scorers, which give clips anomaly scores against train normals: ``register("knn", factory)``."""


@hookspec
def register_normalizers(register: Register) -> None:
    """Offer normalizers, which calibrate scores on train normals: ``register("median_iqr", factory)``."""


@hookspec
def register_guards(register: Register) -> None:
    """Offer guards, which penalize unsupported high scores: ``register("tail", factory)``."""
