"""A cluster for the tests of this folder: two workers, one of which pretends to have a GPU."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from asdcore.cluster.connection import connected
from asdcore.cluster.local import quiet
from asdcore.cluster.pool import pool_on
from asdcore.portfolio import load_portfolio
from asdcore.progress import Silent


@pytest.fixture(scope="session")
def dask():
    """A cluster as a user would have started it."""
    distributed = pytest.importorskip("distributed")
    import dask

    worker = {"nthreads": 1, "dashboard_address": None, "silence_logs": 51}
    with (
        quiet(),
        # Dask closes for good what is not there again in 15 s, and a busy machine takes longer.
        dask.config.set({"distributed.deploy.lost-worker-timeout": "10 minutes"}),
        distributed.SpecCluster(
            scheduler={"cls": distributed.Scheduler, "options": {"dashboard_address": ":0"}},
            workers={
                "plain": {"cls": distributed.Nanny, "options": worker},
                "gpu": {"cls": distributed.Nanny, "options": {**worker, "resources": {"GPU": 1}}},
            },
            silence_logs=51,
        ) as cluster,
    ):
        yield cluster


class Told(Silent):
    """Keeps notes."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def pool_of(dask, simple, tmp_path, told):
    """A function that gives what runs jobs on the cluster."""
    (tmp_path / "store").mkdir()

    def pool(device=None, where=dask.scheduler_address, recordings=()):
        cluster = stack.enter_context(connected(where, device, told))
        return stack.enter_context(pool_on(cluster, load_portfolio(simple), tmp_path / "store", recordings, None))

    with ExitStack() as stack:
        yield pool
    assert list((tmp_path / "store").iterdir()) == []
