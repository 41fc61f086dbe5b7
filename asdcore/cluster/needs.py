"""What a worker must have before it may work: the same code and libraries, the same store, the same recordings."""

from __future__ import annotations

import hashlib
import json
import platform
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asdcore.basics.recording_parts import recording_path
from asdcore.cluster.framework_code import FRAMEWORK
from asdcore.components.checkpoints import pinned
from asdcore.compute.code_in_use import Code, Use, code_of
from asdcore.compute.kernels import processor
from asdcore.contract.plugins import installed
from asdcore.portfolio import Portfolio
from asdcore.store.disk.atomic import fresh_folder

COMPUTES = ("view", "encoder", "scorer")
"""The kinds of component that run on workers."""

HEAD = 1 << 20
"""Bytes of a recording that are compared."""


@dataclass(frozen=True)
class Needs:
    """One run, as its workers must see it.

    Attributes
    ----------
    run : str
        Names the run; a worker proves itself once for each.
    folder : Path
        A folder in the store. The file ``client`` there holds ``nonce``, and each worker writes one of its own.
    nonce : str
        What nobody can guess.
    recordings : tuple
        (path, digest of its begin) of recordings that the worker must be able to read.
    code, uses :
        The components that compute, and all code that is theirs or asdcore's.
    only : tuple, optional
        The plugins that may be loaded. Default: all.
    python : str
        The version of Python, without the last part.
    kernels : str
        The processor and what libraries choose on it, as JSON. Others are allowed, and noted.
    """

    run: str
    folder: Path
    nonce: str
    recordings: tuple[tuple[Path, str], ...]
    code: Code
    uses: tuple[Use, ...]
    only: tuple[str, ...] | None
    python: str
    kernels: str


def python_version() -> str:
    """Return the version of Python that code is compiled for."""
    return ".".join(platform.python_version_tuple()[:2])


def head_digest(path: Path) -> str:
    """Return the SHA-256 of the first part of a file, and its size."""
    with path.open("rb") as file:
        begin = hashlib.sha256(file.read(HEAD)).hexdigest()
    return f"{begin}:{path.stat().st_size}"


def answer(nonce: str, worker: str) -> str:
    """Return what a worker writes into its file."""
    return hashlib.sha256(f"{nonce}\0{worker}".encode()).hexdigest()


def uses_of(plan: Portfolio) -> tuple[Use, ...]:
    """Return every component of a portfolio that runs on workers, with its parameters."""
    uses = set()
    for choice in plan.choices():
        if choice.kind in COMPUTES:
            component = installed().component(choice.kind, choice.named.name)
            parameters = json.dumps(pinned(choice.named.parameters, component), sort_keys=True)
            uses.add((choice.kind, choice.named.name, parameters))
    return tuple(sorted(uses))


@contextmanager
def written_down(
    plan: Portfolio, store: Path, recordings: Iterable[Path], only: Iterable[str] | None
) -> Iterator[Needs]:
    """Give what workers must have to run a portfolio. The store holds a folder for their proofs meanwhile."""
    uses, nonce = uses_of(plan), uuid.uuid4().hex
    with fresh_folder(store.absolute() / "cluster") as folder:
        (folder / "client").write_text(nonce)
        yield Needs(
            uuid.uuid4().hex,
            folder,
            nonce,
            tuple((path.absolute(), head_digest(path)) for path in map(recording_path, recordings)),
            code_of(uses, FRAMEWORK, installed()),
            uses,
            None if only is None else tuple(sorted(only)),
            python_version(),
            json.dumps(processor(), sort_keys=True),
        )


def kernels_of(text: str) -> dict[str, Any]:
    """Return the processor and kernels that :class:`Needs` holds as text."""
    about: dict[str, Any] = json.loads(text)
    return about
