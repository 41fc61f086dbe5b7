"""Sounds for the checks of views and encoders: hums of a few harmonics in noise, at machine-like levels."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

Sounds = NDArray[np.float32]


def hums(n_clips: int, n_samples: int, sample_rate: int, seed: int, loudness: float = 0.1) -> Sounds:
    """Make (n_clips, n_samples) float32 in [-1, 1]: each clip with its own pitch, level, noise and small offset."""
    return _hums(n_clips, n_samples, sample_rate, seed, loudness).copy()  # a component may write into what it is given


@functools.lru_cache(maxsize=32)  # the checks of a component ask for the same ones over and over
def _hums(n_clips: int, n_samples: int, sample_rate: int, seed: int, loudness: float) -> Sounds:
    rng = np.random.default_rng(seed)
    time = np.arange(n_samples) / sample_rate
    clips = np.empty((n_clips, n_samples), dtype=np.float32)
    for clip in clips:
        pitch = rng.uniform(80.0, 400.0)
        tone = sum(np.sin(2 * np.pi * pitch * k * time + rng.uniform(0, 6)) / k for k in (1, 2, 3, 5))
        sound = rng.uniform(0.5, 1.5) * tone + rng.uniform(0.2, 0.8) * rng.standard_normal(n_samples)
        clip[:] = np.clip(loudness * sound + 0.2 * loudness * rng.uniform(0.0, 1.0), -1.0, 1.0)
    return clips


def blasts(n_clips: int, n_samples: int, seed: int) -> Sounds:
    """Make (n_clips, n_samples) float32 at full scale: noise clipped hard, as an extreme outlier."""
    rng = np.random.default_rng(1000 + seed)
    return np.clip(3.0 * rng.standard_normal((n_clips, n_samples)) + 0.3, -1.0, 1.0).astype(np.float32)


def near_and_far(n_clips: int, n_samples: int, sample_rate: int, seed: int) -> Sounds:
    """Make (n_clips, 2, n_samples) float32: the second channel hears the first, less loud, and a noise of its own."""
    near = hums(n_clips, n_samples, sample_rate, seed)
    return np.stack([near, 0.5 * near + hums(n_clips, n_samples, sample_rate, seed + 500, 0.03)], axis=1)


def near_and_far_blasts(n_clips: int, n_samples: int, seed: int) -> Sounds:
    """Make (n_clips, 2, n_samples) float32: each channel at full scale, and nothing in common."""
    return np.stack([blasts(n_clips, n_samples, seed), blasts(n_clips, n_samples, seed + 500)], axis=1)
