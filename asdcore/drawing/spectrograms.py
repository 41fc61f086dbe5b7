"""Draws spectrograms: sound to levels, and levels to a small PNG."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 120, 48
"""Pixels of a picture: time, and frequency from low (bottom) to high on a logarithmic scale."""

LOWEST = 60.0
"""Hz at the bottom of a picture; the top is half the sample rate."""

TOGETHER = 256
"""Windows of which the spectra are in memory at once."""

DARKEST, BRIGHTEST = 0.03, 0.998
"""Quantiles of the levels, over all pictures to compare, that get the darkest and the lightest colour."""

COLOURS = [
    *("#0b0719", "#1b0c3a", "#32105c", "#4a1069", "#60186d", "#77206c", "#8d2869", "#a43062"),
    *("#b93957", "#cd454a", "#de553b", "#eb682a", "#f47f17", "#f99a0d", "#f9b72c", "#f6da6b"),
]
"""Dark to light with the level, readable in grey too: 16 colours are half a byte a pixel."""


def spectrogram(audio: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """(n_samples,) at ``rate`` Hz -> levels (HEIGHT, WIDTH) in dB, lowest frequency first.

    Hann windows of 64 ms; the power in each stretch of time and of log-frequency is averaged.
    """
    return spectrogram_of(lambda start, stop: audio[start:stop], len(audio), rate)


def spectrogram_of(read: Callable[[int, int], NDArray[np.float32]], n_samples: int, rate: int) -> NDArray[np.float64]:
    """Return the :func:`spectrogram` of sound of any length, of which ``read(start, stop)`` gives samples."""
    size = max(256, round(0.064 * rate))
    length = max(n_samples, size)
    n = max(WIDTH, 2 * length // size)
    starts = np.linspace(0, length - size, n).astype(int)
    edges = (np.geomspace(LOWEST, rate / 2, HEIGHT + 1) * size / rate).astype(int)
    parts = np.append(np.arange(WIDTH) * n // WIDTH, n)
    inside = np.zeros((WIDTH, HEIGHT))
    for part, (first, last) in enumerate(pairwise(parts)):
        for at in range(first, last, TOGETHER):
            of_part = starts[at : min(last, at + TOGETHER)]
            sound = read(of_part[0], min(n_samples, of_part[-1] + size))
            sound = np.pad(sound, (0, of_part[-1] + size - of_part[0] - len(sound)))
            frames = sound[(of_part - of_part[0])[:, None] + np.arange(size)] * np.hanning(size)
            power = np.square(np.abs(np.fft.rfft(frames, axis=1)))
            inside[part] += np.add.reduceat(power, edges[:-1], axis=1)[:, :HEIGHT].sum(axis=0)
    bands = (inside / np.maximum(np.diff(edges), 1) / np.diff(parts)[:, None]).T
    levels: NDArray[np.float64] = 10 * np.log10(bands + 1e-12)
    return levels


def png(levels: NDArray[np.float64], low: float, high: float) -> bytes:
    """Levels (height, width) in dB, the first row at the bottom -> a PNG (ISO/IEC 15948) of 16 colours, low to high."""
    height, width = levels.shape
    steps = np.clip((levels - low) / max(high - low, 1.0), 0, 1) * (len(COLOURS) - 1)
    pixels = np.rint(steps).astype(np.uint8)[::-1]
    pixels = np.pad(pixels, ((0, 0), (0, width % 2)))
    packed = (pixels[:, 0::2] << 4) | pixels[:, 1::2]
    rows = np.hstack([np.zeros((height, 1), np.uint8), packed]).tobytes()
    palette = bytes.fromhex("".join(colour.removeprefix("#") for colour in COLOURS))
    header = struct.pack(">IIBBBBB", width, height, 4, 3, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
