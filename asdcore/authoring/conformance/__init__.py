"""The checks that a plugin must pass, by kind. :mod:`asdcore.testing` is the page to read first.

``bench.py`` drives a component, ``rows.py`` holds the checks of every kind whose rows are clips (no test-set
statistics, no memory, no randomness), ``fitted.py`` those of kinds with a ``fit``, ``channels.py`` the one of views and
encoders, and one file for each kind the rest.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asdcore.authoring.conformance import (
    dataset,
    encoder,
    guard,
    left_out,
    left_out_without,
    normalizer,
    scorer,
    shared_distances,
    view,
)
from asdcore.authoring.conformance.fitted import FITTED_CHECKS
from asdcore.authoring.conformance.folders import DatasetBench
from asdcore.authoring.conformance.rows import ROW_CHECKS
from asdcore.contract.interfaces import KINDS
from asdcore.contract.plugins import installed
from asdcore.errors import PluginError, did_you_mean

if TYPE_CHECKING:
    import pytest

Make = str | Callable[[], Any]
"""A class, a factory without arguments, or the registered name of a component."""

Root = Path | Callable[[], Path]
"""A folder that a dataset reader can read, of which a few clips are used; or a function that makes one."""

Check = Callable[..., None]
"""``check(make)``; the checks of datasets are ``check(make, root)``. Raises AssertionError where the check fails."""

_CHECKS: dict[str, tuple[type[Any], tuple[Callable[[Any], None], ...]]] = {
    "dataset": (DatasetBench, dataset.CHECKS),
    "view": (view.ViewBench, (*view.CHECKS, *ROW_CHECKS)),
    "encoder": (encoder.EncoderBench, (*encoder.CHECKS, *ROW_CHECKS)),
    "scorer": (
        scorer.ScorerBench,
        (
            *FITTED_CHECKS,
            *scorer.CHECKS,
            *left_out.CHECKS,
            *left_out_without.CHECKS,
            *shared_distances.CHECKS,
            *ROW_CHECKS,
        ),
    ),
    "normalizer": (normalizer.NormalizerBench, (*FITTED_CHECKS, *normalizer.CHECKS, *ROW_CHECKS)),
    "guard": (guard.GuardBench, (*FITTED_CHECKS, *guard.CHECKS, *ROW_CHECKS)),
}


@dataclass(frozen=True)
class Result:
    """What came of one check."""

    name: str
    passed: bool
    message: str


def checks(kind: str) -> dict[str, Check]:
    """Return {name: check} of one kind, in the order in which they are best read."""
    if kind not in _CHECKS:
        raise PluginError(f"There is no kind of plugin {kind!r}. {did_you_mean(kind, KINDS)}")
    bench, functions = _CHECKS[kind]
    return {function.__name__: _bound(kind, bench, function) for function in functions}


def run_checks(kind: str, make: Make, root: Root | None = None) -> list[Result]:
    """Run every check of a kind and return what came of each; whatever a component raises is a failed check.

    ``root`` is for datasets, which are checked on a folder that they can read.
    """
    if kind == "dataset" and root is None:
        raise PluginError(
            "A dataset reader is checked on a folder that it can read: pass root=FOLDER, or --data FOLDER."
        )
    given = (make,) if kind != "dataset" else (make, root)
    return [_result(name, check, given) for name, check in checks(kind).items()]


def kind_of(name: str, kind: str | None = None) -> str:
    """Return the kind of the installed component of this name; ``kind`` is needed where several kinds have it."""
    known = installed()
    kinds = [one for one in KINDS if name in known.components(one)]
    if kind is None and len(kinds) > 1:
        raise PluginError(f"Several kinds have a {name!r}: {', '.join(kinds)}. Say which, as kind or as --kind.")
    if kind is None and not kinds:
        everything = {one for each in KINDS for one in known.components(each)}
        raise PluginError(f"No component is named {name!r}. {did_you_mean(name, everything)}")
    kind = kind or kinds[0]
    if kind in KINDS:
        known.component(kind, name)
    return kind


def dataset_checks(make: Make, root: Root) -> pytest.MarkDecorator:
    """Parametrize a test with every check of datasets; ``root`` is a folder they can read, or makes one."""
    return _parametrized("dataset", make, root)


def view_checks(make: Make) -> pytest.MarkDecorator:
    """Parametrize a test with every check of views."""
    return _parametrized("view", make)


def encoder_checks(make: Make) -> pytest.MarkDecorator:
    """Parametrize a test with every check of encoders."""
    return _parametrized("encoder", make)


def scorer_checks(make: Make) -> pytest.MarkDecorator:
    """Parametrize a test with every check of scorers."""
    return _parametrized("scorer", make)


def normalizer_checks(make: Make) -> pytest.MarkDecorator:
    """Parametrize a test with every check of normalizers."""
    return _parametrized("normalizer", make)


def guard_checks(make: Make) -> pytest.MarkDecorator:
    """Parametrize a test with every check of guards."""
    return _parametrized("guard", make)


def _parametrized(kind: str, *given: Any) -> pytest.MarkDecorator:
    import pytest

    cases = [pytest.param(functools.partial(check, *given), id=name) for name, check in checks(kind).items()]
    return pytest.mark.parametrize("check", cases)


def _bound(kind: str, bench: type[Any], function: Callable[[Any], None]) -> Check:
    def check(make: Make, *root: Root) -> None:
        __tracebackhide__ = True
        with bench(_factory(kind, make), *root) as driver:
            function(driver)

    check.__name__, check.__doc__ = function.__name__, function.__doc__
    return check


def _factory(kind: str, make: Make) -> Callable[[], Any]:
    if not isinstance(make, str):
        return make
    return functools.partial(installed().build, kind, make, required(kind, make))


def required(kind: str, name: str) -> dict[str, Any]:
    """Return what a registered guard cannot be built without: the names of branches, of which the kit has any."""
    if kind != "guard":
        return {}
    accepted = inspect.signature(installed().component(kind, name).factory).parameters.values()
    named = [one for one in accepted if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    needed = [one for one in named if one.default is one.empty]
    return {one.name: list(guard.NAMED) if "list" in str(one.annotation) else guard.NAMED[0] for one in needed}


def _result(name: str, check: Check, given: tuple[Any, ...]) -> Result:
    try:
        check(*given)
    except AssertionError as error:
        return Result(name, False, str(error) or "AssertionError without a message")
    except Exception as error:
        return Result(name, False, f"The component raised {type(error).__name__}: {error}")
    return Result(name, True, "")
