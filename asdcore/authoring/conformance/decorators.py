"""Decorators that turn one test of a plugin's author into a test for each check, one decorator for each kind."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from asdcore.authoring.conformance import Make, Root, checks

if TYPE_CHECKING:
    import pytest


def dataset_checks(make: Make, root: Root) -> pytest.MarkDecorator:
    """Turn one test into a test for each check of dataset readers.

    Parameters
    ----------
    make : str or callable
        A class, a factory without arguments, or the name of an installed component.
    root : Path or callable
        A folder that the reader can read, or a function that makes one. A few clips of it are copied and changed; the
        folder itself is never written to.

    Returns
    -------
    pytest.MarkDecorator
        The decorator of a test that takes ``check`` and calls it.

    Examples
    --------
    In a test file:

    >>> from pathlib import Path
    >>> from asdcore.testing import dataset_checks
    >>> @dataset_checks("dcase2026", Path("data"))
    ... def test_my_dataset(check):
    ...     check()
    """
    return _parametrized("dataset", make, root)


def view_checks(make: Make) -> pytest.MarkDecorator:
    """Turn one test into a test for each check of views.

    Parameters
    ----------
    make : str or callable
        A class, a factory without arguments, or the name of an installed component.

    Returns
    -------
    pytest.MarkDecorator
        The decorator of a test that takes ``check`` and calls it.

    Examples
    --------
    In a test file:

    >>> from asdcore.testing import view_checks
    >>> @view_checks("near")
    ... def test_my_view(check):
    ...     check()
    """
    return _parametrized("view", make)


def encoder_checks(make: Make) -> pytest.MarkDecorator:
    """Turn one test into a test for each check of encoders.

    Parameters
    ----------
    make : str or callable
        A class, a factory without arguments, or the name of an installed component.

    Returns
    -------
    pytest.MarkDecorator
        The decorator of a test that takes ``check`` and calls it.

    Examples
    --------
    In a test file:

    >>> from asdcore.testing import encoder_checks
    >>> @encoder_checks("logmel")
    ... def test_my_encoder(check):
    ...     check()
    """
    return _parametrized("encoder", make)


def scorer_checks(make: Make) -> pytest.MarkDecorator:
    """Turn one test into a test for each check of scorers.

    Parameters
    ----------
    make : str or callable
        A class, a factory without arguments, or the name of an installed component.

    Returns
    -------
    pytest.MarkDecorator
        The decorator of a test that takes ``check`` and calls it.

    Examples
    --------
    In a test file:

    >>> from asdcore.testing import scorer_checks
    >>> @scorer_checks("knn")
    ... def test_my_scorer(check):
    ...     check()
    """
    return _parametrized("scorer", make)


def normalizer_checks(make: Make) -> pytest.MarkDecorator:
    """Turn one test into a test for each check of normalizers.

    Parameters
    ----------
    make : str or callable
        A class, a factory without arguments, or the name of an installed component.

    Returns
    -------
    pytest.MarkDecorator
        The decorator of a test that takes ``check`` and calls it.

    Examples
    --------
    In a test file:

    >>> from asdcore.testing import normalizer_checks
    >>> @normalizer_checks("median_iqr")
    ... def test_my_normalizer(check):
    ...     check()
    """
    return _parametrized("normalizer", make)


def guard_checks(make: Make) -> pytest.MarkDecorator:
    """Turn one test into a test for each check of guards.

    Parameters
    ----------
    make : str or callable
        A class, a factory without arguments, or the name of an installed component.

    Returns
    -------
    pytest.MarkDecorator
        The decorator of a test that takes ``check`` and calls it.

    Examples
    --------
    In a test file:

    >>> from asdcore.testing import guard_checks
    >>> @guard_checks("tail")
    ... def test_my_guard(check):
    ...     check()
    """
    return _parametrized("guard", make)


def _parametrized(kind: str, *given: Any) -> pytest.MarkDecorator:
    import pytest

    cases = [pytest.param(functools.partial(check, *given), id=name) for name, check in checks(kind).items()]
    return pytest.mark.parametrize("check", cases)
