"""A recording of hours among clips of seconds: the memory of a run, of the worst of every kind of view and encoder."""

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
GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "encoders"
COMMAND = Path(sys.executable).parent / "asdcore"

BRANCH = """
[branches.b{number}]
view = "{view}"
encoder = {encoder}
scorer = "knn"
"""

WEIGHTLESS = (
    ("w1", '"logmel"'),
    ("wiener", '"logmel"'),
    ("spectral_subtraction", '"logmel"'),
    ("stereo", '"coherence"'),
    ("stereo", '"stereo_logmel"'),
)
"""Views that need statistics of a whole recording, and encoders of two channels."""

NETWORKS = {
    "YAMNet": (
        SHARED / "weights" / "yamnet" / "yamnet.tflite",
        'name = "onnx", outputs = ["yamnet_frames/global_average_pooling2d/Mean"], pooling = "mean"',
    ),
    "mn04 in windows": (
        SHARED / "weights" / "mn04_as" / "mn04_as_mAP_432.pt",
        'name = "efficientat", window_seconds = 10',
    ),
    "a small BEATs in windows": (
        GOLDEN / "beats" / "checkpoint_pretrained.pt",
        'name = "beats", window_seconds = 10',
    ),
    "a small Dasheng": (
        GOLDEN / "dasheng" / "checkpoint.pt",
        'name = "dasheng", num_heads = 4',
    ),
}
"""{what it is: (its checkpoint, its table in a portfolio)}."""

TOO_LONG = ("a small BEATs", GOLDEN / "beats" / "checkpoint_pretrained.pt", 'name = "beats"')
"""A network whose attention over hours no memory holds."""


def long_recordings() -> list[bool]:
    """Runs with a long recording, of ``default`` and of the worst views and encoders: below 1 GB."""
    kept = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data = asdcore.synthesize(root / "data", "tiny")
        recording = sorted((data / "SynFan" / "test").iterdir())[0]
        peaks = {}
        for minutes in MINUTES:
            write_noise(recording, minutes)
            peaks[minutes] = _run(root, data, "default", f"default {minutes}")
        short, long = (peaks[minutes] for minutes in MINUTES)
        kept.append(show("a run with a recording of an hour: peak memory", long, 1000, "MB"))
        kept.append(show("an hour over ten minutes, peak memory", long / short, 1.3, "times"))
        write_noise(recording, 60 * HOURS)
        used = _run(root, data, _portfolio(root, *WEIGHTLESS), "weightless")
        kept.append(show(f"{HOURS} hours by w1, wiener, coherence, ...: peak memory", used, 1000, "MB"))
        for name, (checkpoint, table) in NETWORKS.items():
            kept += _of_network(root, data, name, checkpoint, table)
        kept.append(_refused(root, data))
    return kept


def _of_network(root: Path, data: Path, name: str, checkpoint: Path, table: str) -> list[bool]:
    if not checkpoint.is_file():
        print(f"skip  a long recording through {name}: {checkpoint} is absent (set ASDCORE_SHARED)")
        return []
    used = _run(root, data, _portfolio(root, ("near", _encoder(checkpoint, table))), name)
    return [show(f"{HOURS} hours by {name}: peak memory", used, 1000, "MB")]


def _refused(root: Path, data: Path) -> bool:
    """What a network cannot hear at once is refused before its memory is taken."""
    name, checkpoint, table = TOO_LONG
    used = _run(root, data, _portfolio(root, ("near", _encoder(checkpoint, table))), name, code=2)
    return show(f"{HOURS} hours refused by {name}: peak memory", used, 1000, "MB")


def _encoder(checkpoint: Path, table: str) -> str:
    return f'{{ checkpoint = "{checkpoint}", {table} }}'


def _portfolio(root: Path, *branches: tuple[str, str]) -> Path:
    """Write a portfolio with a branch for each view and encoder."""
    tables = [BRANCH.format(number=i, view=view, encoder=encoder) for i, (view, encoder) in enumerate(branches)]
    (path := root / "long.toml").write_text(
        'name = "long"\n' + "".join(tables) + "[systems.first]\nweights = { b0 = 1.0 }\n"
    )
    return path


def _run(root: Path, data: Path, portfolio: str | Path, name: str, code: int = 0) -> float:
    """Run a portfolio into a new folder and store, and return the peak memory in MB."""
    return peak(
        COMMAND, "run", portfolio, "--data", data, "--out", root / name, "--store", root / f"{name} store", code=code
    )


def peak(*command: str | Path, code: int = 0) -> float:
    """Run a command, which must end with ``code``, and return its peak memory in MB."""
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != code:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {process.returncode}, not {code}")
    return usage.ru_maxrss / 1024


def write_noise(path: Path, minutes: int) -> None:
    """Write noise of two channels in place of a recording."""
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as file:
        for _ in range(minutes):
            file.write(0.05 * rng.normal(size=(60 * RATE, 2)))
