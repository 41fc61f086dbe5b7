"""The cores that a process may use: those it is bound to, or all where the system does not say."""

from __future__ import annotations

import os

import pytest

from asdcore.basics.cores import cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind a process to cores")
def test_only_cores_that_the_process_is_bound_to_count():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert cores() == len(before)


@pytest.mark.parametrize(("there", "expected"), [(6, 6), (None, 1)])
def test_where_the_system_does_not_say_all_count(there, expected, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: there)
    assert cores() == expected
