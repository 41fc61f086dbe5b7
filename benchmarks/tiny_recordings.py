"""Writes data sets of many machines whose recordings last a moment: as many files as a real set, and little sound."""

from __future__ import annotations

import wave
from pathlib import Path

RATE = 16_000
SHARE = {"train": {"source": 0.79, "target": 0.01}, "test": {"source": 0.1, "target": 0.1}}
"""Which part of a machine's clips is of each split and domain; test clips are normal and anomalous in turn."""


def write_machines(root: Path, machines: int, clips: int, samples: int = 256) -> Path:
    """Write ``machines`` of ``clips`` stereo noises of ``samples`` samples below ``root``, named as labelled clips are.

    Returns
    -------
    pathlib.Path
        The root.

    """
    import numpy as np

    for m in range(machines):
        rng = np.random.default_rng(m)
        for split, shares in SHARE.items():
            folder = root / f"machine{m:03d}" / split
            folder.mkdir(parents=True, exist_ok=True)
            for domain, share in shares.items():
                sounds = (3_000 * rng.normal(size=(round(share * clips), samples, 2))).astype("<i2")
                for i, sound in enumerate(sounds):
                    label = "anomaly" if split == "test" and i % 2 else "normal"
                    _write(folder / f"section_00_{domain}_{split}_{label}_{i:04d}_noAttribute.wav", sound.tobytes())
    return root


def _write(path: Path, samples: bytes) -> None:
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes(samples)
