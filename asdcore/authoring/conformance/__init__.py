"""The checks that a plugin must pass, by kind. :mod:`asdcore.testing` is the page to read first.

bench/            what checks stand on: a bench for each kind, its sounds, and ways to fit

kinds/            the checks of each kind: dataset reader, view, encoder, scorer, normalizer, guard

one_clip_alone    checks of every kind whose rows are clips: no statistics of the test set, no memory, no randomness
fitted            checks of every kind with a ``fit``
blocks            checks of views and encoders that read long recordings in blocks
channels          the check of views and encoders: 1 or 2 channels
gain              the check of encoders that say what a recorder's gain does to their tokens
restoring/        checks of ``state`` and ``restore``
onnx_form         checks of ``to_onnx``
trained           checks of an encoder's training
left_out          checks of ``score_left_out``
left_out_without  checks of ``without``: the clips that the score of a train normal must not rest on
shared_distances  checks of scorers that take distances instead of features
additive          checks of what explains a score exactly

decorators        what a test file of a plugin's author uses
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asdcore.authoring.conformance import (
    additive,
    blocks,
    gain,
    left_out,
    left_out_without,
    onnx_form,
    shared_distances,
    trained,
)
from asdcore.authoring.conformance.bench.dataset_folders import DatasetBench
from asdcore.authoring.conformance.fitted import FITTED_CHECKS
from asdcore.authoring.conformance.kinds import dataset, encoder, guard, normalizer, scorer, view
from asdcore.authoring.conformance.one_clip_alone import ROW_CHECKS
from asdcore.authoring.conformance.restoring import restores
from asdcore.contract.interfaces import KINDS
from asdcore.contract.plugins import installed
from asdcore.errors import Interrupted, PluginError, did_you_mean
from asdcore.processes.under_way import under_way

Make = str | Callable[[], Any]
"""A class, a factory without arguments, or the registered name of a component."""

Root = Path | Callable[[], Path]
"""A folder that a dataset reader can read, of which a few clips are used; or a function that makes one."""

Check = Callable[..., None]
"""``check(make)``; the checks of datasets are ``check(make, root)``. Raises AssertionError if the check fails."""

_CHECKS: dict[str, tuple[type[Any], tuple[Callable[[Any], None], ...]]] = {
    "dataset": (DatasetBench, dataset.CHECKS),
    "view": (view.ViewBench, (*view.CHECKS, *blocks.VIEW_CHECKS, *onnx_form.CHECKS, *ROW_CHECKS)),
    "encoder": (
        encoder.EncoderBench,
        (
            *encoder.CHECKS,
            gain.check_gain,
            *blocks.ENCODER_CHECKS,
            *additive.ENCODER_CHECKS,
            *trained.CHECKS,
            *restores.CHECKS,
            *onnx_form.CHECKS,
            *ROW_CHECKS,
        ),
    ),
    "scorer": (
        scorer.ScorerBench,
        (
            *FITTED_CHECKS,
            *scorer.CHECKS,
            *left_out.CHECKS,
            *left_out_without.CHECKS,
            *shared_distances.CHECKS,
            *additive.SCORER_CHECKS,
            *restores.CHECKS,
            *onnx_form.SCORER_CHECKS,
            *ROW_CHECKS,
        ),
    ),
    "normalizer": (
        normalizer.NormalizerBench,
        (*FITTED_CHECKS, *normalizer.CHECKS, *restores.CHECKS, *onnx_form.CHECKS, *ROW_CHECKS),
    ),
    "guard": (guard.GuardBench, (*FITTED_CHECKS, *guard.CHECKS, *restores.CHECKS, *onnx_form.CHECKS, *ROW_CHECKS)),
}


@dataclass(frozen=True)
class Result:
    """What came of one check.

    Attributes
    ----------
    name : str
        The name of the check, which says what would be wrong.
    passed : bool
        Whether the component passed.
    message : str
        What came, why it matters and the likely cause; "" if the check passed.

    Examples
    --------
    >>> from asdcore.testing import Result
    >>> Result("check_input_unchanged", passed=True, message="")
    Result(name='check_input_unchanged', passed=True, message='')
    """

    name: str
    passed: bool
    message: str


def checks(kind: str) -> dict[str, Check]:
    """Return the checks of one kind of plugin by name, in the order in which they are best read.

    Parameters
    ----------
    kind : {"dataset", "view", "encoder", "scorer", "normalizer", "guard"}
        The kind of plugin.

    Returns
    -------
    dict of str to callable
        ``check(make)`` raises AssertionError if the component fails; the checks of datasets are ``check(make, root)``.

    Raises
    ------
    PluginError
        If there is no such kind.

    Examples
    --------
    >>> from asdcore.testing import checks
    >>> checks("scorer")["check_outlier_outranks_normals"]("knn")
    """
    if kind not in _CHECKS:
        raise PluginError(f"There is no kind of plugin {kind!r}. {did_you_mean(kind, KINDS)}")
    bench, functions = _CHECKS[kind]
    return {function.__name__: _bound(kind, bench, function) for function in functions}


def run_checks(kind: str, make: Make, root: Root | None = None) -> list[Result]:
    """Run every check of a kind without pytest. An error that the component raises is a failed check.

    Parameters
    ----------
    kind : {"dataset", "view", "encoder", "scorer", "normalizer", "guard"}
        The kind of plugin.
    make : str or callable
        A class, a factory without arguments, or the name of an installed component.
    root : Path or callable, optional
        For a dataset reader, a folder that it can read, or a function that makes one. It is never written to.

    Returns
    -------
    list of Result
        What came of each check.

    Raises
    ------
    PluginError
        If there is no such kind, or a dataset reader has no ``root``.

    Examples
    --------
    >>> from asdcore.testing import run_checks
    >>> class Mean:
    ...     "The mean of two channels."
    ...
    ...     def __call__(self, audio, sample_rate):
    ...         return audio.mean(axis=0)
    >>> results = run_checks("view", Mean)
    >>> [result.name for result in results if not result.passed]
    []
    """
    if kind == "dataset" and root is None:
        raise PluginError(
            f"{make if isinstance(make, str) else 'This component'} is a dataset reader: it is checked on recordings "
            f"that it can read. {_how_to_check(make)}"
        )
    given = (make,) if kind != "dataset" else (make, root)
    return [_result(name, check, given) for name, check in checks(kind).items()]


def _how_to_check(make: Make) -> str:
    """Say how to check a dataset reader."""
    if not isinstance(make, str):
        return "Pass root=FOLDER."
    return (
        f"Type 'asdcore check-plugin {make} --kind dataset --data ROOT', with ROOT the folder of the recordings; from "
        "Python, pass root=FOLDER."
    )


def kind_of(name: str, kind: str | None = None) -> str:
    """Return the kind of the installed component of this name; ``kind`` is needed if several kinds have it."""
    plugins = installed()
    kinds = [candidate for candidate in KINDS if name in plugins.components(candidate)]
    if kind is None and len(kinds) > 1:
        raise PluginError(f"Several kinds have a {name!r}: {', '.join(kinds)}. Say which, as kind or as --kind.")
    if kind is None and not kinds:
        everything = {component for each in KINDS for component in plugins.components(each)}
        raise PluginError(f"No component is named {name!r}. {did_you_mean(name, everything)}")
    kind = kind or kinds[0]
    if kind in KINDS:
        plugins.component(kind, name).imported()
    return kind


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
    return functools.partial(build_by_name, kind, make)


def build_by_name(kind: str, name: str) -> Any:
    """Build an installed component with the parameters that it needs at least."""
    return installed().build(kind, name, required(kind, name))


def required(kind: str, name: str) -> dict[str, Any]:
    """Return the parameters that a registered guard needs: names of branches, of which the kit has any."""
    if kind != "guard":
        return {}
    accepted = inspect.signature(installed().component(kind, name).factory).parameters.values()
    named = [
        parameter
        for parameter in accepted
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]
    needed = [parameter for parameter in named if parameter.default is parameter.empty]
    return {
        parameter.name: list(guard.NAMED) if "list" in str(parameter.annotation) else guard.NAMED[0]
        for parameter in needed
    }


def _result(name: str, check: Check, given: tuple[Any, ...]) -> Result:
    try:
        with under_way(name):
            check(*given)
    except AssertionError as error:
        return Result(name, False, str(error) or "AssertionError without a message")
    except Interrupted:
        raise
    except (Exception, SystemExit) as error:
        return Result(name, False, f"The component raised {type(error).__name__}: {error}")
    return Result(name, True, "")
