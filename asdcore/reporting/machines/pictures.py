"""Draw spectrograms and encode the sound of the clips in a tail, as data URIs inside the report."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.basics.durations import duration
from asdcore.contract.long_sound import Sound
from asdcore.data.recordings.audio import BLOCK, resample
from asdcore.drawing.spectrograms import BRIGHTEST, DARKEST, png, spectrogram_of
from asdcore.errors import DataError
from asdcore.explanation.sounds import learnt_sound

SOUND_RATE = 16000

LONGEST = 600
"""Seconds of a recording that can be heard: of ten minutes an MP3 has 2 MB, and a page holds many."""


def tail_pictures(clips: Mapping[str, tuple[Path, str]], sound: bool) -> dict[str, dict[str, Any]]:
    """Return {key: {"picture": URI, "sound": URI}} of one machine's clips, given as {key: (path, SHA-256)}.

    All pictures of a machine share one scale of levels, so that they can be compared. A file that is missing or
    changed gives no entry. ``sound`` adds the first channel as an MP3: of a recording of more than 10 minutes these,
    and ``"heard"``, which says so.
    """
    levels: dict[str, NDArray[np.float64]] = {}
    sounds: dict[str, dict[str, str]] = {}
    for key, (path, sha256) in clips.items():
        try:
            with learnt_sound(path, sha256) as (recording, rate):
                levels[key] = spectrogram_of(partial(_first_channel, recording), len(recording), rate)
                sounds[key] = _heard(recording, rate) if sound else {}
        except DataError:
            continue  # the page says of a clip without a picture that its recording is not at hand
    scale = np.quantile(list(levels.values()), [DARKEST, BRIGHTEST]) if levels else np.zeros(2)
    return {key: {"picture": _uri("image/png", png(level, *scale))} | sounds[key] for key, level in levels.items()}


def _first_channel(recording: Sound, start: int, stop: int) -> NDArray[np.float32]:
    """Return (stop - start,) of a recording; of more channels no more than a block is in memory."""
    blocks = [recording.read(at, min(stop, at + BLOCK))[0] for at in range(start, stop, BLOCK)]
    return np.concatenate(blocks) if len(blocks) > 1 else blocks[0]


def _heard(recording: Sound, rate: int) -> dict[str, str]:
    """Return what is heard of a recording, and which part of it that is unless it is all."""
    n_samples = min(len(recording), LONGEST * rate)
    heard = {"sound": _uri("audio/mpeg", mp3(_first_channel(recording, 0, n_samples), rate))}
    if n_samples < len(recording):
        heard["heard"] = f"the first {duration(LONGEST)} of {duration(len(recording) / rate)}"
    return heard


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
