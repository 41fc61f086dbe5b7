"""The command: nothing but its own words is shown, and an interrupt ends it once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("distributed")


def test_an_interrupt_of_all_its_processes_ends_it_with_one_message(simple, dataset, tmp_path):
    """As Ctrl-C does, which reaches the workers too."""
    store = tmp_path / "store"
    command = [Path(sys.executable).parent / "asdcore", "run", simple, "--data", dataset, "--task", "dcase2026"]
    command += ["--out", tmp_path / "run", "--store", store, "--cluster", "local:1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    while not list(store.glob(".writing-*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.1)
    _, told = process.communicate(timeout=60)
    ours = [line for line in told.splitlines() if not line.startswith(("note: ", "clips: ", "embed: ", "score: "))]
    assert ours == ["Stopped. What was computed is kept: the same command goes on from there."], told
    assert process.returncode == 130
    assert not (tmp_path / "run").exists()
    assert not list(store.glob(".writing-*"))
