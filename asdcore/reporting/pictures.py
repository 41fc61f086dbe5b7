"""Draw spectrograms and encode the sound of the clips in a tail, as data URIs inside the report."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.data.audio import decode, resample
from asdcore.errors import DataError

WIDTH, HEIGHT = 120, 48
"""Pixels of a picture: time, and frequency from low (bottom) to high on a logarithmic scale."""

LOWEST = 60.0
"""Hz at the bottom of a picture; the top is half the sample rate."""

DARKEST, BRIGHTEST = 0.03, 0.998
"""Quantiles of a machine's levels, over all its pictures, that get the darkest and the lightest colour."""

SOUND_RATE = 16000
COLOURS = [
    *("#0b0719", "#1b0c3a", "#32105c", "#4a1069", "#60186d", "#77206c", "#8d2869", "#a43062"),
    *("#b93957", "#cd454a", "#de553b", "#eb682a", "#f47f17", "#f99a0d", "#f9b72c", "#f6da6b"),
]
"""Dark to light with the level, readable in grey too: 16 colours are half a byte a pixel."""


def tail_pictures(clips: Mapping[str, tuple[Path, str]], sound: bool) -> dict[str, dict[str, Any]]:
    """Return {key: {"picture": URI, "sound": URI}} of one machine's clips, given as {key: (path, SHA-256)}.

    All pictures of a machine share one scale of levels, so that they can be compared. A file that is missing or
    changed gives no entry. ``sound`` adds the first channel as an MP3.
    """
    levels: dict[str, NDArray[np.float64]] = {}
    sounds: dict[str, str] = {}
    for key, (path, sha256) in clips.items():
        try:
            audio, rate = decode(path, sha256)
        except DataError:
            continue  # the page says of a clip without a picture that its recording is not at hand
        levels[key] = spectrogram(audio[0], rate)
        if sound:
            sounds[key] = _uri("audio/mpeg", mp3(audio[0], rate))
    scale = np.quantile(list(levels.values()), [DARKEST, BRIGHTEST]) if levels else np.zeros(2)
    return {
        key: {"picture": _uri("image/png", png(level, *scale)), **({"sound": sounds[key]} if sound else {})}
        for key, level in levels.items()
    }


def spectrogram(audio: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """(n_samples,) at ``rate`` Hz -> levels (HEIGHT, WIDTH) in dB, lowest frequency first.

    Hann windows of 64 ms; the power in each stretch of time and of log-frequency is averaged.
    """
    size = max(256, round(0.064 * rate))
    padded = np.pad(audio, (0, max(0, size - len(audio))))
    n = max(WIDTH, 2 * len(padded) // size)
    starts = np.linspace(0, len(padded) - size, n).astype(int)
    frames = padded[starts[:, None] + np.arange(size)] * np.hanning(size)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1))).astype(np.float64)
    edges = (np.geomspace(LOWEST, rate / 2, HEIGHT + 1) * size / rate).astype(int)
    parts = np.arange(WIDTH) * n // WIDTH
    inside = np.add.reduceat(np.add.reduceat(power, edges[:-1], axis=1)[:, :HEIGHT], parts, axis=0)
    bands = (inside / np.maximum(np.diff(edges), 1) / np.diff(np.append(parts, n))[:, None]).T
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


def mp3(audio: NDArray[np.float32], rate: int) -> bytes:
    """(n_samples,) at ``rate`` Hz -> an MP3 at 16 kHz, loudest sample at full scale: for ears, not for analysis."""
    import soundfile

    samples = resample(audio, rate, SOUND_RATE)
    peak = float(np.max(np.abs(samples))) or 1.0
    file = io.BytesIO()
    soundfile.write(file, 0.95 * samples / peak, SOUND_RATE, format="MP3", subtype="MPEG_LAYER_III")
    return file.getvalue()


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
