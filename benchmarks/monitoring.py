"""What a monitor costs: CPU against the length of the sound, and memory over ten hours of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO

import numpy as np
import soundfile
from figures import show
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
ASDCORE = Path(sys.executable).parent / "asdcore"
SHARED = Path(os.environ.get("ASDCORE_SHARED", ROOT.parent / "shared"))
MN04 = SHARED / "weights" / "mn04_as" / "mn04_as_mAP_432.pt"
RATE, SECONDS, NORMALS, HOURS = 16_000, 10, 24, 10
SHORT, LONG = 60, 660
"""Seconds of sound whose CPU is compared: what is left is ten minutes of listening, without any start."""


def monitoring(hours: int = HOURS) -> list[bool]:
    """Real time by log-mel portfolios and by mn04, windows that overlap, and memory over ten hours on a pipe."""
    kept = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        own = {**os.environ, "ASDCORE_RESOURCES": f"{home}/resources", "ASDCORE_STORE": f"{home}/store"}
        for i in range(NORMALS):
            path = home / "data" / "pump" / "train" / f"{i}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, _noise(i), RATE)
        for name, least in (("logmel-knn", 50), ("default", 50), ("mn04-block-maps", 10)):
            if name.startswith("mn04") and not MN04.is_file():
                print(f"skip  a monitor by mn04: {MN04} is absent (set ASDCORE_SHARED)")
                continue
            if name.startswith("mn04"):
                _asdcore(own, "registry", "add", MN04, "--id", "efficientat-mn04")
            detector = _exported(own, home, name)
            apart, overlapping = (_cpu_a_second(own, detector, hop) for hop in (SECONDS, SECONDS / 2))
            kept.append(show(f"monitor by {name}: CPU over the length of sound", apart, 1 / least, "times"))
            show(f"monitor by {name}: length of sound over CPU", 1 / apart, None, "times")
            ratio = overlapping / 2 / apart
            show(f"monitor by {name}: a window that overlaps by half", ratio, None, "of one")
        _, memory = _listened(own, home / "logmel-knn.asd", hours * 3600, SECONDS)
    slope = float(np.polyfit(np.arange(1, len(memory)), memory[1:], 1)[0])  # the first hour fills caches
    show(f"monitor over {hours} hours: memory at the end", memory[-1], None, "MB")
    return [*kept, show(f"monitor over {hours} hours: memory that an hour adds", slope, 1, "MB")]


def _noise(seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(scale=0.05, size=SECONDS * RATE).astype(np.float32)


def _exported(own: dict[str, str], home: Path, name: str) -> Path:
    run, manifest, detector = home / name, home / f"{name}.json", home / f"{name}.asd"
    _asdcore(own, "run", name, "--data", home / "data", "--out", run)
    _asdcore(own, "freeze", run, "--out", manifest)
    _asdcore(own, "export", manifest, "--out", detector)
    return detector


def _cpu_a_second(own: dict[str, str], detector: Path, hop: float) -> float:
    """Return the CPU seconds that a second of sound costs: the least of three, the rest is other people's work."""
    seconds = [min(_listened(own, detector, length, hop)[0] for _ in range(3)) for length in (SHORT, LONG)]
    return (seconds[1] - seconds[0]) / (LONG - SHORT)


def _listened(own: dict[str, str], detector: Path, seconds: int, hop: float) -> tuple[float, list[float]]:
    """Let the command listen to a pipe; returns its CPU seconds, and its memory in MB after every hour of sound."""
    system = ["--system", "knn"] if detector.stem.startswith("mn04") else []
    with tempfile.TemporaryDirectory() as scratch:
        command = [ASDCORE, "monitor", detector, "-", "--sample-rate", RATE, "--hop", hop, "--windows", *system]
        process = subprocess.Popen(
            [*map(str, command), "--log", f"{scratch}/log", "--keep-audio", "60"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=own,
        )
        assert process.stdin
        assert process.stdout
        threading.Thread(target=_play, args=(process.stdin, seconds), daemon=True).start()
        memory, windows = [], 0
        for line in process.stdout:
            windows += "event" not in json.loads(line)
            if windows * hop >= 3600 * (1 + len(memory)):
                (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()  # does the work
                pages = int(Path(f"/proc/{child}/statm").read_text().split()[1])
                memory.append(pages * os.sysconf("SC_PAGESIZE") / 1e6)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, memory


def _play(pipe: IO[bytes], seconds: int) -> None:
    """Write sound into a pipe, ten seconds at a time, no two alike."""
    sound = (32768 * _noise(99)).astype("<i2")
    with pipe:
        for i in range(seconds // SECONDS):
            pipe.write(np.roll(sound, 997 * i).tobytes())


def _asdcore(own: dict[str, str], *command: str | Path) -> None:
    """Run a command with places of its own."""
    done = subprocess.run([str(word) for word in (ASDCORE, *command)], env=own, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"asdcore {command[0]} failed: {done.stderr}")


if __name__ == "__main__":
    raise SystemExit(not all(monitoring()))
