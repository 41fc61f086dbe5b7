"""Acoustics from the machine to two microphones: the near one 0.3 m away, the far one about 2 m, in a noisy room.

A room belongs to a machine and a domain: where the microphones are, how long it rings, and which noise is in it. Its
impulse responses are a direct path, six early reflections and an exponentially decaying tail (Polack's model), scaled
to a direct-to-reverberant ratio (DRR). Everything is computed on one circular block, longer than the clip by the
impulse response, and its first part is thrown away: a clip starts in the middle of the sound, and nothing wraps into
it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdcore.data.synth.draws import generator
from asdcore.data.synth.recording import STILL, Recording
from asdcore.data.synth.signals import SAMPLE_RATE, Samples, decibels, fast_length, noise, random_times, rings, wander

TAIL = int(0.35 * SAMPLE_RATE)
"""Samples of an impulse response: the tail is 35 dB down or more where it is cut."""

_SOUND_SPEED = 343.0
Spectra = NDArray[np.complex128]


@dataclass(frozen=True)
class Noise:
    """How the noise stands to the machine, at the near microphone.

    With a high DRR and a small independent share the two microphones hear the same noise, so that a canceller can use
    the far one; this is how two-channel recordings of DCASE 2026 behave.
    """

    snr_db: float = -4.0
    snr_spread_db: float = 1.0
    target_shift_db: float = -2.0
    drr_db: float = 20.0
    independent: float = 0.02
    """Share of the noise power that differs between the microphones."""


@dataclass(frozen=True)
class Room:
    """Where a machine of one domain stands."""

    machine_paths: Samples
    """(2, TAIL) impulse responses from the machine to the near and the far microphone."""
    noise_paths: Samples
    """(2, TAIL) impulse responses from the noise source, both of unit energy."""
    noise_beta: float
    hum_hz: float
    hum_level: float
    clatter_per_second: float


@functools.lru_cache(maxsize=32)
def room(seed: int, machine: str, domain: str, noise_drr_db: float) -> Room:
    """Return the room of a machine in a domain."""
    rng = generator(seed, "room", machine, domain)
    rt60 = rng.uniform(0.35, 0.6)
    near = _impulse_response(rng, 0.3, drr_db=12.0, rt60=rt60)
    far = _impulse_response(rng, rng.uniform(1.6, 2.4), drr_db=0.0, rt60=rt60) * decibels(-rng.uniform(6, 9))
    return Room(
        machine_paths=np.stack([near, far]),
        noise_paths=np.stack([_impulse_response(rng, rng.uniform(2, 4), noise_drr_db, rt60) for _ in range(2)]),
        noise_beta=rng.uniform(0.85, 1.15),
        hum_hz=float(rng.choice([100.0, 120.0])),
        hum_level=rng.uniform(0, 0.25),
        clatter_per_second=rng.uniform(0.5, 2.5),
    )


def _impulse_response(rng: np.random.Generator, metres: float, drr_db: float, rt60: float) -> Samples:
    """Return (TAIL,) of unit energy: direct path after its travel time, reflections, tail."""
    delay = round(metres / _SOUND_SPEED * SAMPLE_RATE)
    after = np.arange(TAIL - delay)
    reverb = rng.standard_normal(len(after)) * 10 ** (-3 * after / (rt60 * SAMPLE_RATE))
    reverb[: SAMPLE_RATE // 1000] = 0
    reverb /= np.sqrt(np.sum(reverb**2))
    early = rng.integers(SAMPLE_RATE // 1000, SAMPLE_RATE // 50, 6)
    np.add.at(reverb, early, rng.uniform(-0.35, 0.35, 6))
    reverb *= decibels(-drr_db) / np.sqrt(np.sum(reverb**2))
    reverb[0] = 1
    response = np.zeros(TAIL)
    response[delay:] = reverb / np.sqrt(np.sum(reverb**2))
    return response


@functools.lru_cache(maxsize=8)
def _transfer(seed: int, machine: str, domain: str, noise_drr_db: float, block: int) -> tuple[Spectra, Spectra]:
    place = room(seed, machine, domain, noise_drr_db)
    return np.fft.rfft(place.machine_paths, block), np.fft.rfft(place.noise_paths, block)


def block_length(n_samples: int) -> int:
    """Return how many samples to compute for a clip of ``n_samples``."""
    return fast_length(n_samples + TAIL)


def hear_machine(
    sound: Samples,
    seed: int,
    machine: str,
    domain: str,
    noise_drr_db: float,
    n_samples: int,
    conditions: Recording = STILL,
) -> Samples:
    """Return (2, n_samples) of a dry sound (block,) at the near and the far microphone."""
    machine_paths, _ = _transfer(seed, machine, domain, noise_drr_db, len(sound))
    return _through(sound, machine_paths * conditions.microphones(len(sound)), n_samples)


def hear_noise(
    rng: np.random.Generator,
    seed: int,
    machine: str,
    domain: str,
    spec: Noise,
    n_samples: int,
    conditions: Recording = STILL,
) -> Samples:
    """Return (2, n_samples) of the room's noise, of unit RMS at either microphone."""
    place = room(seed, machine, domain, spec.drr_db)
    block = block_length(n_samples)
    _, noise_paths = _transfer(seed, machine, domain, spec.drr_db, block)
    noise_paths = noise_paths * (conditions.microphones(block) * conditions.ambience(block))
    shared = _unit(_through(_source(rng, place, block), noise_paths, n_samples))
    apart = np.stack([noise(rng, block, place.noise_beta)[:n_samples] for _ in range(2)])
    mixed: Samples = np.sqrt(1 - spec.independent) * shared + np.sqrt(spec.independent) * apart
    return mixed


def _source(rng: np.random.Generator, place: Room, n_samples: int) -> Samples:
    """Return (n_samples,) of a workshop: coloured noise that swells, mains hum, something clattering."""
    sound = noise(rng, n_samples, place.noise_beta) * (1 + 0.3 * wander(rng, n_samples))
    time = np.arange(n_samples) / SAMPLE_RATE
    sound += place.hum_level * np.sin(2 * np.pi * place.hum_hz * time + rng.uniform(0, 2 * np.pi))
    clatter = random_times(rng, n_samples, place.clatter_per_second)
    pitch = np.exp(rng.uniform(np.log(300), np.log(3000), len(clatter)))
    return sound + rings(clatter, rng.uniform(1, 4, len(clatter)), n_samples, pitch, 0.05)


def _through(sound: Samples, paths: Spectra, n_samples: int) -> Samples:
    heard = np.fft.irfft(np.fft.rfft(sound) * paths, len(sound))
    return heard[:, -n_samples:]


def _unit(sound: Samples) -> Samples:
    unit: Samples = sound / np.sqrt(np.mean(sound**2, axis=1, keepdims=True))
    return unit
