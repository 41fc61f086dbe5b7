"""Every error that asdcore raises on purpose.

AsdcoreError
├── PluginError        a plugin is missing, misspelt, clashes, or breaks its contract
├── PortfolioError     a portfolio file says something that cannot be run
├── DataError          sound, a dataset or features that cannot be scored
│   └── DatasetError   all that is wrong in one dataset, listed at once
├── StoreError         a cached artifact is damaged, or a folder cannot be written
├── ResourceError      a registry entry is wrong, or a checkpoint or archive is missing or not the one it records
├── EvaluationError    scores and ground truth do not fit each other
└── ManifestError      a frozen manifest cannot be read, or what it pins is not what is there

A message says what was found, what is allowed, and what to do next. The command line prints it and exits with 2; a
traceback is shown only with ``--debug``.
"""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


class AsdcoreError(Exception):
    """Base of every error a user can cause or mend."""


class PluginError(AsdcoreError):
    """A plugin is missing, misspelt, clashes with another, or breaks its contract."""


class PortfolioError(AsdcoreError):
    """A portfolio says something that cannot be run."""


class DataError(AsdcoreError):
    """Sound, a dataset or features that cannot be scored."""


class DatasetError(DataError):
    """All that is wrong in one dataset.

    ``problems`` has one line for each problem, each naming its file. ``clips`` is the clip index of everything that was
    found (a polars frame; audio facts are null where a clip could not be read).
    """

    def __init__(self, message: str, problems: Iterable[str] = (), clips: Any = None) -> None:
        # Unpickled, it is made of its message alone and gets its problems afterwards.
        self.problems = list(problems)
        self.clips = clips
        super().__init__("\n".join([message, *(f"  - {problem}" for problem in self.problems)]))


class StoreError(AsdcoreError):
    """A cached artifact is damaged, or a folder cannot be written."""


class EvaluationError(AsdcoreError):
    """Scores and ground truth do not fit each other."""


class ResourceError(AsdcoreError):
    """A registry entry is wrong, or a checkpoint or archive is missing or not the one the registry records."""


class ManifestError(AsdcoreError):
    """A frozen manifest cannot be read, or what it pins is not what is there."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant, and list all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return f"{hint}Known: {', '.join(names) or 'none'}."


@contextmanager
def blamed(kind: str, name: str) -> Iterator[None]:
    """Turn whatever a plugin's code raises inside, our own errors apart, into a PluginError that names it."""
    try:
        yield
    except AsdcoreError:
        raise
    except Exception as error:
        raise PluginError(
            f"{kind} {name!r} failed with {type(error).__name__}: {error}. That is a fault of the plugin: "
            f"'asdcore check-plugin {name}' may show it, --debug shows the trace."
        ) from error


@contextmanager
def located(where: str) -> Iterator[None]:
    """Prefix any AsdcoreError raised inside with where it happened, keeping its class."""
    try:
        yield
    except AsdcoreError as error:
        message, *rest = error.args
        error.args = (f"{where}: {message}", *rest)
        raise


@contextmanager
def clips_named(names: Mapping[str, str]) -> Iterator[None]:
    """Say a clip's name where an AsdcoreError raised inside says ``sha256:`` and its digest.

    A stage that must not know the names of test clips can only say the digest. names : {digest: clip}.
    """
    try:
        yield
    except AsdcoreError as error:
        message, *rest = error.args
        error.args = (_DIGEST.sub(lambda hit: names.get(hit[1], hit[0]), str(message)), *rest)
        raise


@contextmanager
def warned(where: str) -> Iterator[None]:
    """Prefix any warning given inside with where it happened."""
    with warnings.catch_warnings(record=True) as caught:
        yield
    for one in caught:
        warnings.warn(f"{where}: {one.message}", one.category, stacklevel=3)


def plain_warnings() -> None:
    """Show a warning as one line of its words: where in the code it was given helps nobody who runs a command."""
    warnings.formatwarning = lambda message, *_, **__: f"Warning: {message}\n"
