"""Every error that asdcore raises on purpose.

AsdcoreError
├── PluginError        a plugin is missing, misspelt, clashes, or breaks its contract
├── PortfolioError     a portfolio file is invalid
├── DataError          sound, a dataset or features that are invalid or too few to score
│   └── DatasetError   all that is wrong in one dataset, listed at once
├── StoreError         a cached artifact is damaged, or a folder is not writable
│   └── LostDiskError  a disk does not answer, as that of a server that has gone
├── ResourceError      a registry entry is wrong, or a checkpoint or archive is missing or not the one it records
├── ClusterError       a cluster does not answer, or its workers cannot do the work
├── EvaluationError    scores and ground truth do not fit each other
└── ManifestError      a frozen manifest is unreadable, or something differs from what it pins

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

from asdcore.processes.under_way import under_way


class Interrupted(SystemExit):
    """Ends the process because a person wants it, from wherever it is."""


_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


LONGEST_WORD, LONGEST_LINE = 400, 2000
"""Characters of a message that somebody can read: of what it quotes without a space, and of a line."""

_LONG_WORD = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")


def shortened(message: str) -> str:
    """Return a message without the middle of what is too long to be read.

    It may quote a file that is no text, a key of 100,000 letters, or a table of a thousand columns.

    Examples
    --------
    >>> message = shortened(f"no clip is named {'x' * 100000}, of which there are 3")
    >>> len(message), message[-60:]
    (438, 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, of which there are 3')
    """
    words = _LONG_WORD.sub(lambda word: _without_middle(word[0], LONGEST_WORD), message)
    return "\n".join(_without_middle(line, LONGEST_LINE) for line in words.split("\n"))


def _without_middle(text: str, longest: int) -> str:
    """Return a text of at most ``longest`` characters: its beginning, and an end that says what became of it."""
    cut = "[...]"
    end = longest // 4
    return text if len(text) <= longest else f"{text[: longest - end - len(cut)]}{cut}{text[-end:]}"


class AsdcoreError(Exception):
    """Base of every error that a user can cause or repair. Its text is :func:`shortened`."""

    def __str__(self) -> str:
        """Return the message, as a person can read it."""
        return shortened(super().__str__())


class PluginError(AsdcoreError):
    """A plugin is missing, misspelt, clashes with another, or breaks its contract."""


class PortfolioError(AsdcoreError):
    """A portfolio is invalid."""


class DataError(AsdcoreError):
    """Sound, a dataset or features are invalid, or too few to score."""


_CLIP = re.compile(r"(?P<file>.*?\.\w+)#(?P<fragment>(?:t|channel|rate|unit)=.*?): (?P<problem>.*)", re.DOTALL)
"""A line about a part of a recording (:mod:`asdcore.basics.recording_parts`)."""


def by_recording(lines: Iterable[str]) -> list[str]:
    """Return lines that begin with a clip's name, those that say the same of several parts of a recording as one.

    Examples
    --------
    >>> by_recording(["a.wav#t=0-1: cut short", "a.wav#t=1-2: cut short", "b.wav: empty", "a.wav#t=1-2: is loud"])
    ['a.wav: cut short (2 clips of it, from t=0-1 on)', 'b.wav: empty', 'a.wav#t=1-2: is loud']
    """
    alike: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        match = _CLIP.fullmatch(line)
        key = (line, "") if match is None else (match["file"], match["problem"])
        alike.setdefault(key, []).append("" if match is None else match["fragment"])
    return [
        file
        if not problem
        else f"{file}#{fragments[0]}: {problem}"
        if len(fragments) == 1
        else f"{file}: {problem} ({len(fragments)} clips of it, from {fragments[0]} on)"
        for (file, problem), fragments in alike.items()
    ]


class DatasetError(DataError):
    """Everything that is wrong in one dataset.

    ``problems`` has one line for each problem, each naming its file. ``clips`` is the clip index of all clips that were
    listed (a polars frame; audio facts are null for an unreadable clip). The message says once what holds for all
    windows of a recording.
    """

    def __init__(self, message: str, problems: Iterable[str] = (), clips: Any = None) -> None:
        # Unpickled, it is made of its message alone and gets its problems afterwards.
        self.problems = list(problems)
        self.clips = clips
        super().__init__("\n".join([message, *(f"  - {problem}" for problem in by_recording(self.problems))]))


class StoreError(AsdcoreError):
    """A cached artifact is damaged, or a folder is not writable."""


class LostDiskError(StoreError):
    """A disk does not answer any more: nothing is wrong with the file that was asked for."""


class ClusterError(AsdcoreError):
    """A cluster does not answer, has no workers, or a worker cannot do the work."""


class EvaluationError(AsdcoreError):
    """Scores and ground truth do not fit each other."""


class ResourceError(AsdcoreError):
    """A registry entry is wrong, or a checkpoint or archive is missing or not the one the registry records."""


class ManifestError(AsdcoreError):
    """A frozen manifest is unreadable, or something differs from what it pins."""


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Say which of the valid names was probably meant, and list all of them."""
    names = sorted(candidates)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return f"{hint}Known: {', '.join(names) or 'none'}."


@contextmanager
def blamed(kind: str, name: str) -> Iterator[None]:
    """Turn any exception of a plugin's code, except an AsdcoreError, into a PluginError that names the plugin.

    So does an end of the process that its code asks for: a run would end with its exit code, without a word.
    """
    try:
        with under_way(f"{kind} {name!r}", "plugin"):
            yield
    except (AsdcoreError, Interrupted):
        raise
    except MemoryError as error:
        raise PluginError(
            f"{kind} {name!r} ran out of memory{f' ({error})' * bool(str(error))}. What was finished is kept; fewer "
            "--workers need less. --debug shows where."
        ) from error
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{kind} {name!r} failed with {type(error).__name__}: {error}. That is a fault of the plugin: "
            f"'asdcore check-plugin {name}' may show it, --debug shows the trace."
        ) from error


@contextmanager
def located(where: str) -> Iterator[None]:
    """Prefix any AsdcoreError raised inside with where it happened, unless it says so; its class stays."""
    try:
        with under_way(where):
            yield
    except AsdcoreError as error:
        message, *rest = error.args
        is_said = str(message).startswith((f"{where} ", f"{where}: "))
        error.args = (message if is_said else f"{where}: {message}", *rest)
        raise


@contextmanager
def clips_named(names: Mapping[str, str]) -> Iterator[None]:
    """Put a clip's name in place of ``sha256:`` and its digest in an AsdcoreError raised inside.

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
    for warning in caught:
        warnings.warn(f"{where}: {warning.message}", warning.category, stacklevel=3)


def plain_warnings() -> None:
    """Show a warning as one line of text: its place in the code does not help a person who runs a command."""
    warnings.formatwarning = lambda message, *_, **__: f"Warning: {message}\n"
