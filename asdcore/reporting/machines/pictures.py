"""Draw spectrograms and encode the sound of the clips in a tail, as data URIs inside the report."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.data.recordings.audio import decode, resample
from asdcore.drawing.spectrograms import BRIGHTEST, DARKEST, png, spectrogram
from asdcore.errors import DataError

SOUND_RATE = 16000


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
