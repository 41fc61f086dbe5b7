"""What runs on a worker: its proof that it may work, then one chunk at a time.

A call travels as bytes, whose unpickling makes the call. So the scheduler, which unpickles what it hands on, needs no
asdcore; and an answer travels as bytes, so that whatever a plugin raises comes back.
"""

from __future__ import annotations

import pickle
import platform
import threading
import traceback
import uuid
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asdcore.cluster.framework_code import FRAMEWORK
from asdcore.cluster.needs import Needs, answer, head_digest, kernels_of, python_version
from asdcore.compute.code_in_use import Use, loaded_code
from asdcore.compute.kernels import in_short, kernel_changes, processor
from asdcore.contract.plugins import Plugins, chosen, loaded, restricted
from asdcore.errors import AsdcoreError
from asdcore.execution import shielded
from asdcore.store.disk.shared_disk import NETWORK, PATIENCE, soon

WORKER = uuid.uuid4().hex
"""Names this process; one that is started in its place has another name."""

WAIT = 5.0
"""Seconds that a file which another machine has written may take to be seen here."""

_turn = threading.Lock()
"""State of a process, such as which plugins it may load, belongs to one chunk: threads of a worker take turns."""

_proven: OrderedDict[str, Proof] = OrderedDict()
_plugins: dict[tuple[str, ...] | None, Plugins] = {}


@dataclass(frozen=True)
class Proof:
    """What a worker says of itself: its name, its host, why it cannot work (empty: it can), and what is to be noted."""

    worker: str
    host: str
    troubles: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What came of a chunk: the value, or the error; the worker's proof and address; warnings as (text, class)."""

    proof: Proof
    address: str
    value: Any = None
    error: BaseException | None = None
    warnings: tuple[tuple[str, type[Warning]], ...] = ()


class Call:
    """A call that is made where it is unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.function, self.arguments


def prove(needs: Needs) -> Proof:
    """Compare this worker with what a run needs, once for each run."""
    if needs.run in _proven:
        return _proven[needs.run]
    troubles = _other_code(needs) or _other_disk(needs)
    notes: tuple[str, ...] = ()
    if changes := kernel_changes(kernels_of(needs.kernels), processor()):
        notes = (f"other kernels compute there ({in_short(changes)}): the last bits of results may be others",)
    proof = Proof(WORKER, platform.node(), tuple(troubles), notes)
    if not troubles:  # what is repaired may be asked again
        _proven[needs.run] = proof
        while len(_proven) > 64:
            _proven.popitem(last=False)
    return proof


def unseen(worker: str, needs: Needs) -> list[str]:
    """Say it if what a worker has written into the store is not seen here."""
    token = PATIENCE.set(WAIT)
    try:
        seen = soon(lambda: _text(needs.folder / worker), needs.folder)
    finally:
        PATIENCE.reset(token)
    store = needs.folder.parents[1]
    same = seen == answer(needs.nonce, worker)
    return [] if same else [f"what it writes into the store {store} is not seen here: it has a copy of its own"]


def perform(needs: Needs, work: Callable[[Any], Any], job: Any) -> bytes:
    """Do one chunk, if this worker may; returns an :class:`Answer`, pickled."""
    with _turn:
        proof = prove(needs)
        if proof.troubles:
            return pickle.dumps(Answer(proof, _address()))
        token = PATIENCE.set(NETWORK)
        try:
            with restricted(needs.only, _plugins_of(needs.only)), warnings.catch_warnings(record=True) as given:
                value, error = _tried(work, job)
        finally:
            PATIENCE.reset(token)
        warned = tuple({(str(warning.message), warning.category): None for warning in given})
        return _pickled(Answer(proof, _address(), value, error, warned))


def _tried(work: Callable[[Any], Any], job: Any) -> tuple[Any, BaseException | None]:
    """Return the value of a chunk, or its error: a SystemExit that went further would take the worker along."""
    try:
        return shielded(work, job), None
    except Exception as error:
        return None, error
    except BaseException as error:
        return None, RuntimeError(f"{type(error).__name__}: {error}\n{''.join(traceback.format_exception(error))}")


def _pickled(answered: Answer) -> bytes:
    try:
        return pickle.dumps(answered)
    except Exception as error:
        lost = RuntimeError(f"its result does not travel: {type(error).__name__}: {error}")
        return pickle.dumps(Answer(answered.proof, answered.address, error=lost))


def _other_code(needs: Needs) -> list[str]:
    """Say what code and libraries differ from those that the run was planned with."""
    if needs.python != python_version():
        return [f"it has Python {python_version()}, and the run has {needs.python}"]
    planned = dict(needs.code)
    around = loaded_code((), FRAMEWORK)
    if other := {what: value for what, value in around.items() if planned.get(what) != value}:
        return [_other(what, value, planned.get(what, "absent")) for what, value in other.items()]
    try:
        plugins = _plugins_of(needs.only)
    except AsdcoreError as error:
        return [str(error)]
    with chosen(plugins):
        troubles = (trouble for use in needs.uses for trouble in _other_component(use, planned, plugins))
        return list(dict.fromkeys(troubles))  # a plugin may be used with many parameters


def _other_component(use: Use, planned: Mapping[str, str], plugins: Plugins) -> list[str]:
    """Say it if a component, or a file that its parameters name, is not the one that the run was planned with."""
    kind, name, _ = use
    try:
        there = loaded_code([use], FRAMEWORK, plugins)
    except AsdcoreError as error:
        return [str(error)]
    if all(planned.get(what) == value for what, value in there.items()):
        return []
    return [f"its {kind} {name!r} is not that of the run, in its code or in a file that it names"]


def _other(what: str, there: str, here: str) -> str:
    if what == "asdcore":
        return "it has loaded other code of asdcore"
    return f"it has {what} {there}, and the run has {here}"


def _other_disk(needs: Needs) -> list[str]:
    """Say it if this worker does not see the run's store, or its recordings; leave a proof in the store."""
    store = needs.folder.parents[1]
    token = PATIENCE.set(WAIT if store.is_dir() else 0.0)
    try:
        nonce = soon(lambda: _text(needs.folder / "client"), needs.folder)
        if nonce != needs.nonce:
            return [f"it does not see the store {store}, which must lie on a disk that all machines share"]
        (needs.folder / WORKER).write_text(answer(needs.nonce, WORKER))
    except OSError as error:
        return [f"it cannot write into the store {store} ({error.strerror})"]
    finally:
        PATIENCE.reset(token)
    return [trouble for path, digest in needs.recordings for trouble in _other_recording(path, digest)]


def _other_recording(path: Path, digest: str) -> list[str]:
    try:
        same = head_digest(path) == digest
    except OSError as error:
        return [f"it does not read the recording {path} ({error.strerror})"]
    return [] if same else [f"its recording {path} is another one"]


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _plugins_of(only: tuple[str, ...] | None) -> Plugins:
    """Return the plugins that a run may use, loaded once in this process."""
    if only not in _plugins:
        _plugins[only] = loaded(only)
    return _plugins[only]


def _address() -> str:
    """Return the address of this worker; "" outside of one."""
    from distributed import get_worker

    try:
        return str(get_worker().address)
    except ValueError:
        return ""
