"""The signals that machine sound is made of: (n_samples,) float64 arrays at ``SAMPLE_RATE``.

Times are in samples, frequencies in Hz, phases in radians, and an order is a frequency in multiples of the shaft rate.
Noise has unit RMS in expectation, never by its own RMS: levels differ from clip to clip as they do in a recording.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

SAMPLE_RATE = 16_000
Samples = NDArray[np.float64]

_LOWEST_HZ = 20.0
_CONTROL_HZ = 20
_WANDER_SECONDS = 0.45  # a Gaussian window this wide is band-limited to about 0.7 Hz
_RING_FLOOR = 1e-4


def decibels(value: float) -> float:
    """Return the amplitude factor of ``value`` dB."""
    return float(10 ** (value / 20))


def fast_length(n_samples: int) -> int:
    """Return the smallest 5-smooth number >= ``n_samples``: FFTs of such lengths are fast."""
    best = 1 << max(n_samples - 1, 1).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            two = three << max(-(-n_samples // three) - 1, 0).bit_length()
            best = min(best, two)
            three *= 3
        five *= 5
    return best


def wander(rng: np.random.Generator, n_samples: int) -> Samples:
    """Return (n_samples,) Gaussian drift of unit RMS and about 0.7 Hz bandwidth."""
    width = _WANDER_SECONDS * _CONTROL_HZ
    reach = int(3 * width)
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    steps = n_samples * _CONTROL_HZ // SAMPLE_RATE + 2
    drift = np.convolve(rng.standard_normal(steps + 2 * reach), window / np.sqrt(np.sum(window**2)), mode="valid")
    positions = np.arange(n_samples) * (_CONTROL_HZ / SAMPLE_RATE)
    values: Samples = np.interp(positions, np.arange(steps), drift)
    return values


def shaft_phase(rng: np.random.Generator, rate: ArrayLike, n_samples: int, drift: float) -> Samples:
    """Return (n_samples,) shaft angle in rad, for a rate in Hz (a number or one per sample) with a relative drift."""
    speed = np.asarray(rate) * (1 + drift * wander(rng, n_samples))
    phase: Samples = np.cumsum(speed) * (2 * np.pi / SAMPLE_RATE) + rng.uniform(0, 2 * np.pi)
    return phase


class Harmonics:
    """A harmonic series of a rotating part: its phases belong to the machine, its amplitudes vary from clip to clip."""

    def __init__(self, rng: np.random.Generator, amplitudes: Sequence[float], jitter_db: float = 1.0) -> None:
        self.amplitudes = np.array(amplitudes)
        self.angles = rng.uniform(0, 2 * np.pi, len(amplitudes))
        self.jitter_db = jitter_db

    def __call__(self, rng: np.random.Generator, phase: Samples, gains: ArrayLike = 1.0) -> Samples:
        """Return (n_samples,) sum over k of A_k gain_k sin(k phase + angle_k)."""
        jitter = 10 ** (rng.normal(0, self.jitter_db, len(self.amplitudes)) / 20)
        weights = self.amplitudes * jitter * np.asarray(gains) * np.exp(1j * self.angles)
        turn = np.exp(1j * phase)
        total = np.zeros_like(turn)
        for weight in weights[::-1]:  # Horner's rule: one complex exponential serves every harmonic
            total += weight
            total *= turn
        series: Samples = total.imag
        return series


@functools.lru_cache(maxsize=32)
def _shape(n_samples: int, beta: float, centre: float, quality: float) -> Samples:
    frequency = np.fft.rfftfreq(n_samples, 1 / SAMPLE_RATE)
    frequency[0] = _LOWEST_HZ
    shape = frequency ** (-beta / 2)
    if quality:
        shape /= np.sqrt(1 + (quality * (frequency / centre - centre / frequency)) ** 2)
    shape[np.fft.rfftfreq(n_samples, 1 / SAMPLE_RATE) < _LOWEST_HZ] = 0
    scaled: Samples = shape * (n_samples / (2 * np.sqrt(np.sum(shape**2))))
    return scaled


def noise(
    rng: np.random.Generator, n_samples: int, beta: float, centre: float = 1000.0, quality: float = 0.0
) -> Samples:
    """Return (n_samples,) noise of power 1/f^beta above 20 Hz, through a two-pole resonance if ``quality`` > 0."""
    bins = n_samples // 2 + 1
    white = rng.standard_normal(2 * bins).view(np.complex128)
    return np.fft.irfft(white * _shape(n_samples, beta, centre, quality), n_samples)


def rings(times: Samples, amplitudes: ArrayLike, n_samples: int, frequency: ArrayLike, damping: float) -> Samples:
    """Return (n_samples,) sum of decaying sines a e^(-z w t) sin(w_d t), one from each time on."""
    omega = np.broadcast_to(2 * np.pi / SAMPLE_RATE * np.asarray(frequency, dtype=float), times.shape)[:, None]
    if not times.size:
        return np.zeros(n_samples)
    length = int(-np.log(_RING_FLOOR) / (damping * omega.min())) + 1
    first = np.ceil(times).astype(np.int64)
    elapsed = (first - times)[:, None] + np.arange(length)
    wave = np.exp(-damping * omega * elapsed) * np.sin(omega * np.sqrt(1 - damping**2) * elapsed)
    wave *= np.broadcast_to(np.asarray(amplitudes, dtype=float), times.shape)[:, None]
    position = first[:, None] + np.arange(length)
    inside = (position >= 0) & (position < n_samples)
    rung: Samples = np.bincount(position[inside], wave[inside], n_samples).astype(np.float64)
    return rung


def strikes(rng: np.random.Generator, phase: Samples, order: float, slip: float) -> Samples:
    """Return (n_strikes,) times at which a defect of ``order`` per turn strikes, each step off by N(0, slip).

    The rolling elements slip by 1-2 %, so that the strikes are pseudo-periodic (Randall & Antoni, MSSP 2011).
    """
    cycles = (phase - phase[0]) * (order / (2 * np.pi))
    steps = 1 + slip * rng.standard_normal(int(cycles[-1] * 1.1) + 8)
    when = np.cumsum(steps) - rng.uniform(0, 1)
    times: Samples = np.interp(when[when < cycles[-1]], cycles, np.arange(len(phase)))
    return times


def at(times: Samples, signal: Samples) -> Samples:
    """Return (n_times,) values of an (n_samples,) signal at times in samples."""
    values: Samples = np.interp(times, np.arange(len(signal)), signal)
    return values


def random_times(rng: np.random.Generator, n_samples: int, per_second: float) -> Samples:
    """Return the times of a Poisson process, in samples."""
    return rng.uniform(0, n_samples, rng.poisson(per_second * n_samples / SAMPLE_RATE))


def bursts(rng: np.random.Generator, n_samples: int, per_second: float, seconds: float) -> Samples:
    """Return (n_samples,) envelope in [0, 1]: Hann bursts at random times."""
    length = int(seconds * SAMPLE_RATE)
    window = np.hanning(length)
    envelope = np.zeros(n_samples + length)
    for start in random_times(rng, n_samples, per_second).astype(int):
        envelope[start : start + length] = np.maximum(envelope[start : start + length], window)
    return envelope[length // 2 : length // 2 + n_samples]


def squeals(rng: np.random.Generator, n_samples: int, frequency: float) -> Samples:
    """Return (n_samples,) intermittent chirps around ``frequency``: stick-slip bursts of peak 1."""
    drift = 1 + 0.02 * wander(rng, n_samples)
    chirp = np.sin(np.cumsum(drift) * (2 * np.pi * frequency / SAMPLE_RATE))
    return chirp * bursts(rng, n_samples, per_second=3.0, seconds=0.18)


@dataclass(frozen=True)
class BearingOrders:
    """Defect orders of a rolling bearing with a fixed outer race (Randall & Antoni, MSSP 2011)."""

    balls: int
    ratio: float
    """Ball diameter over pitch diameter; the contact angle is 0, as in a deep-groove bearing."""

    @property
    def outer(self) -> float:
        """BPFO / shaft rate: balls that pass a point of the outer race, per turn."""
        return self.balls / 2 * (1 - self.ratio)

    @property
    def inner(self) -> float:
        """BPFI / shaft rate: balls that pass a point of the inner race, per turn."""
        return self.balls / 2 * (1 + self.ratio)

    @property
    def ball(self) -> float:
        """BSF / shaft rate: spins of a ball per turn."""
        return (1 - self.ratio**2) / (2 * self.ratio)

    @property
    def cage(self) -> float:
        """FTF / shaft rate: turns of the cage per turn."""
        return (1 - self.ratio) / 2
