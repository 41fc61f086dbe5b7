"""Connects to a Dask scheduler, and lets its workers prove that they can do the work."""

from __future__ import annotations

import asyncio
import pickle
import re
import time
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from asdcore.basics.cores import cores
from asdcore.basics.parse import parse_json
from asdcore.basics.paths import finite
from asdcore.cluster import errors
from asdcore.cluster.local import closed, local_cluster, quiet
from asdcore.errors import ClusterError
from asdcore.execution import check_number
from asdcore.progress import EachNoteOnce, Progress

if TYPE_CHECKING:
    from asdcore.cluster.needs import Needs
    from asdcore.cluster.worker import Proof

Seen = TypeVar("Seen", Path, Path | None)

ANSWER, ARRIVAL = 10.0, 60.0
"""Seconds for a scheduler to answer, and for a first worker to come."""

ASKED_AGAIN = 5
"""How often a worker that has lost its connection is asked again, half a second apart."""

GPU = "GPU"  # the resource of workers that have one

_LOCAL = re.compile(r"local(?::([1-9][0-9]{0,2}))?")


def check_workers(workers: int, cluster: Any) -> None:
    """Raise AsdcoreError if both processes and a cluster are asked for, or more processes than there can be."""
    check_number(workers)
    if cluster is not None and workers != 1:
        raise ClusterError(
            f"--workers {workers} are processes of this command, and --cluster is for another place: give one of both. "
            f"'--cluster local:{workers}' starts {workers} workers of Dask on this machine."
        )


def seen_by(cluster: Any, path: Seen) -> Seen:
    """Return a path that means the same to a worker, which runs in another folder."""
    return path if cluster is None or path is None else path.absolute()


@contextmanager
def connected(where: Any, device: str | None, progress: Progress) -> Iterator[Cluster | None]:
    """Give a connection to a cluster, None for none; everything that was started is closed at the end.

    Parameters
    ----------
    where : str or distributed.Client, optional
        The address of a scheduler, its scheduler file (.json), "local" or "local:N" for N workers on this machine, or a
        client, which stays open.
    device : str, optional
        Where encoders run.
    progress : Progress
        Is told what a person should know of the workers.

    Raises
    ------
    ClusterError
        If Dask is not installed, or no scheduler answers.
    """
    if where is None:
        yield None
        return
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise errors.no_dask() from None
    with ExitStack() as closing:
        cluster = Cluster(where, device, progress, closing)
        if not cluster.is_here:  # before hours of work
            cluster.client.scheduler_info()
        yield cluster


class Cluster:
    """A connection to a Dask cluster, made when it is first needed."""

    def __init__(self, where: Any, device: str | None, progress: Progress, closing: ExitStack) -> None:
        self.where, self._shown = where, EachNoteOnce(progress)
        self.device = None if device is None or device.partition(":")[0] == "cpu" else device
        self._closing = closing
        self._started: tuple[Any, int] | None = None
        if isinstance(where, str) and where.partition(":")[0] == "local" and not _LOCAL.fullmatch(where):
            raise ClusterError(f"--cluster {where}: needed is 'local', or 'local:2' for 2 workers on this machine.")

    @property
    def is_here(self) -> bool:
        """Whether the workers are started on this machine for this command."""
        return isinstance(self.where, str) and _LOCAL.fullmatch(self.where) is not None

    @cached_property
    def client(self) -> Any:
        """The client of Dask."""
        if not isinstance(self.where, str | Path):
            return self.where
        self._closing.enter_context(quiet())
        address = self._start() if self.is_here else str(self.where)
        return self._connection(address)

    @property
    def address(self) -> str:
        """Where the scheduler is."""
        scheduler = getattr(self.client, "scheduler", None)
        return str(getattr(scheduler, "address", self.where))

    def workers(self) -> dict[str, dict[str, Any]]:
        """Return {address: what the scheduler knows of that worker}."""
        client = self.client
        with self.answering():
            information = client.scheduler_info(n_workers=-1)
        if "workers" not in information:  # a client that has given up knows nothing
            raise errors.gone(self.address)
        return dict(information["workers"])

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Turn the loss of the scheduler into a ClusterError."""
        try:
            yield
        # Of a closed stream, a client that has given up, and a call of it that was cancelled.
        except (OSError, AttributeError, RuntimeError, NameError) as error:
            raise errors.gone(self.address) from error

    def label(self, address: str, host: str) -> str:
        """Return a worker's address and host as words."""
        return f"{address} of {host}"

    def note(self, text: str) -> None:
        """Say something once."""
        self._shown.note(text)

    def proven(self, needs: Needs) -> dict[str, list[str]]:
        """Let every worker prove itself; returns {worker: what is wrong there} of those that cannot work."""
        from asdcore.cluster.worker import Call, prove

        answers = self._answers(pickle.dumps(Call(prove, needs)))
        troubles, workers = {}, self.workers()
        noted: dict[str, list[str]] = {}
        for address, proof in answers.items():
            if isinstance(proof, BaseException):
                if address in workers:
                    label = self.label(address, workers[address]["host"])
                    troubles[label] = [errors.in_words(proof)]
            elif wrong := self.wrong(proof, needs):
                troubles[self.label(address, proof.host)] = wrong
            else:
                for note in proof.notes:
                    noted.setdefault(note, []).append(self.label(address, proof.host))
        for note, labels in noted.items():
            self.note(f"{errors.some_of(labels)}: {note}.")
        return troubles

    def _answers(self, call: bytes) -> dict[str, Any]:
        """Return what every worker answers to a call, or its error.

        A worker that was killed has lost its connection before the scheduler counts it out. It is asked again.
        """
        from distributed.comm import CommClosedError

        ask = partial(self.client.run, pickle.loads, call, on_error="return")
        with self.answering():
            answers: dict[str, Any] = ask()
            for _ in range(ASKED_AGAIN):
                lost = [address for address, answer in answers.items() if isinstance(answer, CommClosedError)]
                if not lost:
                    break
                time.sleep(0.5)
                there = self.workers().keys() & set(lost)
                answers = {address: answer for address, answer in answers.items() if address not in lost}
                answers |= ask(workers=sorted(there)) if there else {}
        return answers

    def wrong(self, proof: Proof, needs: Needs) -> list[str]:
        """Return what is wrong with a worker, by its own words and by what it has written into the store."""
        from asdcore.cluster.worker import unseen

        return list(proof.troubles) or unseen(proof.worker, needs)

    def revive(self, workers: int) -> None:
        """Start workers of this machine anew, of which only so many are left: some were killed while they started.

        Dask starts a worker that has ended once more, but gives it up if it ends before it is there.
        """
        if self._started and workers < self._started[1]:
            cluster, wanted = self._started
            cluster.scale(wanted)

    def _start(self) -> str:
        match = _LOCAL.fullmatch(str(self.where))
        workers = int(match[1]) if match and match[1] else cores()
        try:
            cluster = local_cluster(workers, {GPU: 1.0} if self.device else {}, self._closing, self.note)
        except (OSError, RuntimeError) as error:
            raise errors.not_started(error) from error
        self._started = cluster, workers
        return str(cluster.scheduler_address)

    def _connection(self, address: str) -> Any:
        from distributed import Client

        address = _scheduler_of(Path(address)) if address.endswith(".json") else address
        check_answers(address, ANSWER)
        with warnings.catch_warnings():  # of other versions, which are compared below
            warnings.simplefilter("ignore")
            client = Client(address, timeout=ANSWER, set_as_default=False)
            self._closing.callback(closed, partial(client.close, timeout=5))
            _check_versions(client.get_versions(), client.scheduler_info(n_workers=-1)["workers"])
        return client

    def await_workers(self) -> None:
        """Wait for the first worker, and say what a person should know of them all."""
        deadline = time.monotonic() + ARRIVAL
        while not (workers := self.workers()):
            self.note(f"the scheduler at {self.address} has no workers yet: waiting for one.")
            if time.monotonic() > deadline:
                raise errors.no_workers(self.address, ARRIVAL)
            time.sleep(0.5)
        if self.device and not any(GPU in worker["resources"] for worker in workers.values()):
            raise errors.no_gpu(self.device, GPU)
        if threaded := [address for address, worker in workers.items() if worker["nthreads"] > 1]:
            self.note(
                f"{len(threaded)} of {len(workers)} workers have several threads, such as {threaded[0]}. Chunks of one "
                "process take turns, so that they disturb no bit of each other: workers of one thread are faster."
            )


def check_answers(address: str, seconds: float) -> None:
    """Raise ClusterError unless a scheduler answers. A client that has not connected would take long to give up."""
    from distributed.core import rpc
    from distributed.security import Security

    async def ask() -> Any:
        arguments = Security().get_connection_args("client")
        async with rpc(address, timeout=seconds, connection_args=arguments) as scheduler:
            return await scheduler.identity()

    async def ask_in_time() -> Any:
        return await asyncio.wait_for(ask(), seconds)

    try:
        # In a thread: a notebook has a loop of its own in this one.
        with ThreadPoolExecutor(1) as thread:
            about = thread.submit(asyncio.run, ask_in_time()).result()
        if about["type"] != "Scheduler":
            raise ValueError(f"a {about['type']} answers there")
    except Exception as error:
        raise errors.no_answer(address, seconds, error) from error


def _scheduler_of(file: Path) -> str:
    try:
        return str(parse_json(finite(file).read_bytes())["address"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClusterError(
            f"{file} is not a scheduler file ({error}). 'dask scheduler --scheduler-file {file}' writes one."
        ) from error


def _check_versions(versions: Mapping[str, Any], workers: Mapping[str, Any]) -> None:
    """Raise ClusterError if the scheduler or a worker has another Python or another Dask than this process."""
    here = _versions(versions["client"])
    there = {"the scheduler": versions["scheduler"]}
    there |= {
        f"worker {address} of {workers.get(address, {}).get('host')}": of for address, of in versions["workers"].items()
    }
    for who, of in there.items():
        for what, version in _versions(of).items() if of else ():
            if version != here[what]:
                raise ClusterError(
                    f"{who[0].upper()}{who[1:]} has {what} {version}, and this process has {what} {here[what]}. "
                    "Chunks are sent as Python objects, so both must be the same. Install the versions of this machine "
                    "there, or run this command in the environment of the cluster."
                )


def _versions(about: Mapping[str, Any]) -> dict[str, str]:
    packages = about["packages"]
    python = ".".join(str(packages["python"]).split(".")[:2])
    return {"Python": python, **{name: str(packages[name]) for name in ("distributed", "dask", "cloudpickle")}}
