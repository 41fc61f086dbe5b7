"""A recording of an hour among clips: the memory of a run, whatever its length."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from figures import show

import asdcore

RATE, MINUTES = 16_000, (10, 60)


def long_recordings() -> list[bool]:
    """A run of ``default`` on a small set with a long recording: an hour takes what ten minutes take, below 1 GB."""
    command = Path(sys.executable).parent / "asdcore"
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data = asdcore.synthesize(root / "data", "tiny")
        recording = sorted((data / "SynFan" / "test").iterdir())[0]
        for minutes in MINUTES:
            write_noise(recording, minutes)
            out, store = root / f"run {minutes}", root / f"store {minutes}"
            peaks[minutes] = peak(command, "run", "default", "--data", data, "--out", out, "--store", store)
    short, long = (peaks[minutes] for minutes in MINUTES)
    return [
        show("a run with a recording of an hour: peak memory", long, 1000, "MB"),
        show("an hour over ten minutes, peak memory", long / short, 1.3, "times"),
    ]


def peak(*command: str | Path) -> float:
    """Run a command and return its peak memory in MB."""
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed with {process.returncode}")
    return usage.ru_maxrss / 1024


def write_noise(path: Path, minutes: int) -> None:
    """Write noise of two channels in place of a recording."""
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as file:
        for _ in range(minutes):
            file.write(0.05 * rng.normal(size=(60 * RATE, 2)))
