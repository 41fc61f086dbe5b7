"""One thread a computation, for several at once in a process, whose setting comes back when the last is done."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import threading

import pytest
import torch
from threadpoolctl import threadpool_info

from asdcore.compute.threads import single_threaded


def counts() -> set[int]:
    """Return the numbers of threads that libraries would use in this thread."""
    return {torch.get_num_threads(), *(library["num_threads"] for library in threadpool_info())}


def test_inside_is_one_thread_and_outside_what_was_before(threads):
    with threads(3):
        for _ in range(2):
            with single_threaded():
                assert counts() == {1}
            assert counts() == {3}


def test_one_inside_another_counts(threads):
    with threads(3):
        with single_threaded():
            with single_threaded():
                assert counts() == {1}
            assert counts() == {1}
        assert counts() == {3}


def test_an_error_inside_sets_the_process_back(threads):
    with threads(3):
        with pytest.raises(ZeroDivisionError), single_threaded():
            raise ZeroDivisionError
        assert counts() == {3}


@pytest.mark.parametrize("first_out", ["first in", "last in"])
def test_two_threads_inside_at_once_both_compute_on_one(threads, first_out):
    seen: dict[str, set[int]] = {}
    entered, left = threading.Event(), threading.Event()

    def other() -> None:
        seen["other before"] = counts()
        with single_threaded():
            entered.set()
            left.wait(30) if first_out == "first in" else None
            seen["other inside"] = counts()
        seen["other after"] = counts()
        left.set()

    def check() -> None:
        seen["inside"] = counts()

    with threads(3):
        thread = threading.Thread(target=other)
        with single_threaded():
            thread.start()
            assert entered.wait(30)
            if first_out == "last in":
                assert left.wait(30)
            check()
        after = counts()
        left.set()
        thread.join()
        assert (seen["inside"], seen["other inside"]) == ({1}, {1})
        assert torch.get_num_threads() == 3
        assert counts() == {3}
        if first_out == "last in":
            assert after == {3}


def test_many_threads_in_any_order_leave_the_process_as_it_was(threads):
    wrong: list[set[int]] = []

    def work(seed: int) -> None:
        for k in range(20):
            with single_threaded():
                if (seed + k) % 3 == 0:
                    with single_threaded():
                        pass
                if counts() != {1}:
                    wrong.append(counts())

    with threads(3):
        running = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        assert wrong == []
        assert counts() == {3}


LATE = """
import os
import numpy
from threadpoolctl import threadpool_info
from asdcore.compute.threads import single_threaded
def counts():
    return {library["filepath"]: library["num_threads"] for library in threadpool_info()}
before = counts()
with single_threaded():
    import sklearn.cluster, torch
    assert {torch.get_num_threads(), *counts().values()} == {1}, counts()
after = counts()
assert before.items() < after.items(), (before, after)
assert torch.get_num_threads() == 3
assert "MKL_NUM_THREADS" not in os.environ and os.environ["OMP_NUM_THREADS"] == "3"
"""


def test_a_library_loaded_inside_computes_on_one_thread_too():
    environment = {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3"}
    done = subprocess.run([sys.executable, "-c", LATE], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def late_library(tmp_path, monkeypatch):
    """The name of a module that loads an OpenMP library of its own, which nothing has loaded yet, and uses three."""
    openmp = next(library["filepath"] for library in threadpool_info() if library["internal_api"] == "openmp")
    own = str(shutil.copy(openmp, tmp_path / "libgomp-late.so"))  # another file is another library
    (tmp_path / "late_library.py").write_text(f"import ctypes\nctypes.CDLL({own!r}).omp_set_num_threads(3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "late_library"
    sys.modules.pop("late_library", None)


def test_a_library_loaded_between_two_blocks_computes_on_one_thread_in_the_second(threads, late_library):
    with threads(3):
        with single_threaded():
            before = threadpool_info()
        importlib.import_module(late_library)
        with single_threaded():
            assert len(threadpool_info()) == len(before) + 1
            assert counts() == {1}
        assert counts() == {3}


def test_libraries_are_searched_for_once_while_no_module_comes(monkeypatch):
    with single_threaded():
        pass
    monkeypatch.setattr("threadpoolctl.ThreadpoolController.__init__", lambda _: pytest.fail("searched again"))
    with single_threaded():
        assert torch.get_num_threads() == 1


def test_a_block_within_a_block_searches_for_no_library(monkeypatch):
    with single_threaded():
        monkeypatch.setattr("threadpoolctl.get_cached_controller", None)
        with single_threaded():
            pass
        monkeypatch.undo()
        assert torch.get_num_threads() == 1
