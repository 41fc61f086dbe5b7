"""What a detector costs beside its encoders, how it loads, and what keeping states adds to a run."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from figures import show

import asdcore
from asdcore.compute.scoring import fitted
from asdcore.compute.threads import single_threaded
from asdcore.contract.plugins import chosen
from asdcore.data.recordings.audio import decode

LOADED = """
import resource, sys, time
import asdcore.detector.load
import asdcore.pipeline
before = time.process_time()
detector = asdcore.load_detector(sys.argv[1])
print(time.process_time() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
SECONDS = 10
SHARED = Path(os.environ.get("ASDCORE_SHARED", Path(__file__).parents[2] / "shared"))
MN04 = SHARED / "weights" / "mn04_as" / "mn04_as_mAP_432.pt"


def detectors() -> list[bool]:
    """A detector of ``default`` and seven machines: a clip, loading it, and what states add to run and freeze."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data = asdcore.synthesize(root / "data", "demo")
        keeping = _Timed(fitted.keep)
        fitted.keep = keeping  # type: ignore[assignment]
        started = time.process_time()
        asdcore.run("default", data, root / "run", task="dcase2026", store=root / "store")
        asdcore.freeze(root / "run", root / "frozen.json")
        whole = time.process_time() - started
        fitted.keep = keeping.function
        path = asdcore.export(root / "frozen.json", root / "frozen.asd")
        load, peak = _loaded(path)
        ratio, encoders = _score_over_encoders(asdcore.load_detector(path), data)
        kept = _of_network(root, data)
    show("detector of seven machines: peak memory after loading", peak, None, "MB")
    show("encoders of default on a clip of 10 s", 1000 * encoders, None, "ms")
    show("a detector's score by default over its encoders alone, CPU", ratio, None, "times")
    return [
        show("a detector's score by default, CPU over 10 s of sound", ratio * encoders / SECONDS, 0.001, "times"),
        show("keeping states over all of run and freeze, CPU", keeping.seconds / whole, 0.1, "share"),
        show("loading a detector of seven machines, after imports", load, 0.5, "CPU s"),
        *kept,
    ]


def _of_network(root: Path, data: Path) -> list[bool]:
    """Time a score beside an encoder that has something to do: those of ``default`` take 1.5 ms."""
    if not MN04.is_file():
        print(f"skip  a detector by mn04: {MN04} is absent (set ASDCORE_SHARED)")
        return []
    shipped = Path(__file__).parents[1] / "manifests" / "mn04-block-maps.toml"
    (portfolio := root / "mn04.toml").write_text(shipped.read_text().replace("efficientat-mn04", str(MN04)))
    asdcore.run(portfolio, data, root / "mn04", task="dcase2026", store=root / "store")
    asdcore.freeze(root / "mn04", root / "mn04.json")
    detector = asdcore.load_detector(asdcore.export(root / "mn04.json", root / "mn04.asd"))
    ratio, _ = _score_over_encoders(detector, data)
    return [show("a detector's score by mn04-block-maps over its encoder alone, CPU", ratio, 1.3, "times")]


class _Timed:
    """A function that adds up the CPU seconds of its calls."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.seconds = function, 0.0

    def __call__(self, *arguments: Any) -> Any:
        started = time.process_time()
        try:
            return self.function(*arguments)
        finally:
            self.seconds += time.process_time() - started


def _loaded(path: Path) -> tuple[float, float]:
    """Return CPU seconds of loading and peak memory in MB, the cheapest of three processes."""
    said = [subprocess.check_output([sys.executable, "-c", LOADED, path], text=True).split() for _ in range(3)]
    return min((float(seconds), float(peak)) for seconds, peak in said)


def _score_over_encoders(detector: asdcore.Detector, data: Path) -> tuple[float, float]:
    """Return the CPU time of a score over that of views and encoders alone, and the latter in seconds a clip."""
    (machine, section), clips = detector.machines[0], []
    for path in sorted((data / machine / "test").iterdir())[:8]:
        audio, rate = decode(path)
        times = -(-SECONDS * rate // audio.shape[1])
        clips.append((np.ascontiguousarray(np.tile(audio, (1, times))[:, : SECONDS * rate]), rate))
    whole, alone = [], []
    for _ in range(6):
        started = time.process_time()
        for audio, rate in clips:
            detector.score(audio, rate, machine, section, system=detector.systems[0])
        whole.append(time.process_time() - started)
        with chosen(detector._plugins), single_threaded():
            started = time.process_time()
            for audio, rate in clips:
                detector._listener(audio, rate, machine)
            alone.append(time.process_time() - started)
    return min(whole) / min(alone), min(alone) / len(clips)
