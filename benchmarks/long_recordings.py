"""A recording of an hour among clips: the memory of a run, whatever its length, of mel spectra and of a network."""

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

RATE, MINUTES, HOURS = 16_000, (10, 60), 3
SHARED = Path(os.environ.get("ASDCORE_SHARED", Path(__file__).parents[2] / "shared"))
YAMNET = SHARED / "weights" / "yamnet" / "yamnet.tflite"

NETWORK = """
name = "yamnet"
[branches.yamnet_knn]
view = "near"
encoder = {{ name = "onnx", checkpoint = "{checkpoint}", outputs = ["{output}"], pooling = "mean" }}
scorer = {{ name = "knn", k = 1 }}
[systems.yamnet]
weights = {{ yamnet_knn = 1.0 }}
"""
OUTPUT = "yamnet_frames/global_average_pooling2d/Mean"


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
        of_network = _of_network(root, data, recording)
    short, long = (peaks[minutes] for minutes in MINUTES)
    return [
        *of_network,
        show("a run with a recording of an hour: peak memory", long, 1000, "MB"),
        show("an hour over ten minutes, peak memory", long / short, 1.3, "times"),
    ]


def _of_network(root: Path, data: Path, recording: Path) -> list[bool]:
    """Three hours through YAMNet, which hears a second at once: below 1 GB, too."""
    if not YAMNET.is_file():
        print(f"skip  a long recording through a network: {YAMNET} is absent (set ASDCORE_SHARED)")
        return []
    (portfolio := root / "yamnet.toml").write_text(NETWORK.format(checkpoint=YAMNET, output=OUTPUT))
    write_noise(recording, 60 * HOURS)
    command = Path(sys.executable).parent / "asdcore"
    places = ("--data", data, "--out", root / "yamnet", "--store", root / "yamnet-store")
    used = peak(command, "run", portfolio, *places)
    return [show(f"a run of YAMNet with a recording of {HOURS} hours: peak memory", used, 1000, "MB")]


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
