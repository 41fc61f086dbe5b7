"""What went wrong on a cluster, in words that say what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from asdcore.errors import AsdcoreError, ClusterError

KEPT = "What was finished is kept in the store: the same command goes on from there."
NOTHING = "They have stored nothing of it."
MEMORY = "memory budget"
"""What a nanny logs when it ends a worker that uses too much memory."""


def no_dask() -> ClusterError:
    """Say how to install what a cluster needs."""
    return ClusterError("--cluster needs Dask, which is not installed. Install it: pip install 'asdcore[cluster]'")


def no_answer(address: str, seconds: float, error: Exception) -> ClusterError:
    """Say that nothing, or something else than Dask, answers at an address."""
    return ClusterError(
        f"No Dask scheduler answers at {address} within {seconds:.0f} s ({_first_line(error)}). Is it running, and is "
        "the address as 'dask scheduler' prints it, such as tcp://10.0.0.1:8786? '--cluster local' starts one on this "
        "machine."
    )


def no_workers(address: str, seconds: float) -> ClusterError:
    """Say that a scheduler has no worker."""
    return ClusterError(
        f"The scheduler at {address} has no workers, and none came in {seconds:.0f} s. Start some, each with one "
        f"thread: 'dask worker {address} --nworkers auto --nthreads 1'. Then give the command again."
    )


def not_started(error: Exception) -> ClusterError:
    """Say that workers on this machine end before they are there."""
    return ClusterError(
        f"This machine does not let Dask start workers ({str(error).removesuffix('.')}). A script may start them only "
        "under 'if __name__ == \"__main__\":', for each worker imports it anew. If memory runs out, the system ends "
        "them: '--cluster local:1' needs less, and '--workers 1' does without."
    )


def no_gpu(device: str, resource: str) -> ClusterError:
    """Say that no worker has what a device needs."""
    return ClusterError(
        f"--device {device} needs workers that have it, and none says so. Start them with 'dask worker ... --nthreads "
        f"1 --resources {resource}=1', one for each GPU; other workers do the rest."
    )


def refused(troubles: Mapping[str, Iterable[str]], n: int, stored: str = NOTHING) -> ClusterError:
    """Say which workers cannot work, and why. troubles : {worker: what is wrong there}; stored : what they have."""
    lines = [
        f"{worker}: {trouble.removesuffix('.')}."
        for worker, problems in sorted(troubles.items())
        for trouble in problems
    ]
    return ClusterError(
        "\n  - ".join(
            [
                f"{len(troubles)} of {n} workers cannot do this work. Repair and restart them, or stop them, and give "
                f"the command again. {stored}",
                *lines,
            ]
        )
    )


def gone(address: str) -> ClusterError:
    """Say that the scheduler has ended."""
    return ClusterError(f"The scheduler at {address} has gone. Start it and its workers anew. {KEPT}")


def killed(chunk: str, deaths: int, where: str) -> ClusterError:
    """Say that a chunk is lost with every worker that tries it."""
    return ClusterError(
        f"{chunk}: {deaths} workers ended while they worked on it, the last one {where}. If these machines are not "
        "taken away, it is this chunk: '--workers 1' tries it in this process and names a plugin that ends it or "
        f"crashes, and the log of that worker may say more. {KEPT}"
    )


def out_of_memory(chunk: str, where: str) -> ClusterError:
    """Say that workers have less memory than a chunk needs."""
    return ClusterError(
        f"{chunk}: worker {where} ran out of memory and was ended by its nanny. Fewer workers on a machine leave more "
        f"to each: see --nworkers and --memory-limit of 'dask worker', or '--cluster local:1'. {KEPT}"
    )


def paused(where: str, n: int) -> ClusterError:
    """Say that all workers have paused since their memory is nearly used up."""
    return ClusterError(
        f"All {n} workers have paused, such as {where}: they use more than the part of their memory at which Dask lets "
        "them wait. Start them with more: see --nworkers and --memory-limit of 'dask worker', or '--cluster local:1'. "
        f"{KEPT}"
    )


def all_ended() -> ClusterError:
    """Say that the workers of this machine are gone."""
    return ClusterError(
        "All workers on this machine have ended, and none comes back. The system ends processes when memory runs out: "
        f"'--cluster local:1' needs less, and '--workers 1' least. {KEPT}"
    )


def on_worker(error: BaseException, where: str) -> BaseException:
    """Return an error that says on which worker it happened."""
    if isinstance(error, AsdcoreError) and error.args:
        message, *rest = error.args
        error.args = (f"{message} (on worker {where})", *rest)
    else:
        error.add_note(f"on worker {where}")
    return error


def some_of(labels: list[str]) -> str:
    """Return words for some workers, of which one is named."""
    return f"worker {min(labels)}" + (f" and {len(labels) - 1} more" if len(labels) > 1 else "")


def in_words(error: BaseException) -> str:
    """Say why a worker does not even answer what it is asked."""
    if isinstance(error, ModuleNotFoundError):
        return f"it has no module {error.name!r}: install asdcore and its plugins there"
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].removesuffix(".")
