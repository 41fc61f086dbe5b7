"""Workers of this machine that are killed before they are there: real processes, really killed."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from multiprocessing import active_children

import pytest

from asdcore.cluster.local import STARTS, local_cluster, quiet

pytest.importorskip("distributed")


@contextmanager
def killing(times):
    """Kill as many processes as this one starts meanwhile, each as soon as it is there; give those killed."""
    before, killed, done = set(active_children()), [], threading.Event()

    def kill():
        while not done.wait(0.01) and len(killed) < times:
            for process in set(active_children()) - before - set(killed):
                process.kill()
                killed.append(process)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        done.set()
        thread.join()


def test_a_worker_killed_before_it_is_there_is_started_anew(told):
    before = set(active_children())
    with ExitStack() as stack:
        stack.enter_context(quiet())
        with killing(1) as killed:
            cluster = local_cluster(1, {}, stack, told.note)
        assert len(killed) == 1
        assert told.notes == ["a worker on this machine ended before it was there: all are started anew."]
        assert len(set(active_children()) - before) == len(cluster.scheduler_info["workers"]) == 1
    assert set(active_children()) <= before


def test_workers_that_are_killed_again_and_again_are_given_up(told):
    before = set(active_children())
    with ExitStack() as stack:
        stack.enter_context(quiet())
        with killing(STARTS) as killed, pytest.raises(RuntimeError, match="Nanny failed to start"):
            local_cluster(1, {}, stack, told.note)
    assert len(killed) == STARTS
    assert len(told.notes) == STARTS - 1
    assert set(active_children()) <= before
