"""Synthesizes one clip from its name and the seed alone."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from asdcore.contract.references import DOMAINS
from asdcore.data.synth.acoustics import block_length, hear_machine, hear_noise
from asdcore.data.synth.draws import generator
from asdcore.data.synth.machine import Machine
from asdcore.data.synth.profiles import LABELS, MACHINES, Clip, Profile, profile_named
from asdcore.data.synth.recording import recording
from asdcore.data.synth.signals import SAMPLE_RATE, Samples, decibels
from asdcore.errors import DataError, did_you_mean

_MACHINE_LEVEL = 0.01
"""RMS of a normal machine at the near microphone, as a part of full scale: 40 dB of headroom for noise and impulses."""
_REFERENCE_SAMPLES = 4 * SAMPLE_RATE


def synthesize_clip(
    profile: str, seed: int, machine: str, split: str, domain: str, label: str, index: int
) -> NDArray[np.int16]:
    """Return (2, n_samples) 16-bit samples at 16 kHz: the near and the far microphone.

    The clip depends on these arguments and on nothing else. Any index is allowed, also past the end of the profile.
    """
    for what, got, allowed in (
        ("machine", machine, list(MACHINES)),
        ("split", split, ["train", "test"]),
        ("domain", domain, list(DOMAINS)),
        ("label", label, list(LABELS)),
    ):
        if got not in allowed:
            raise DataError(f"No synthetic {what} is called {got!r}. {did_you_mean(got, allowed)}")
    size = profile_named(profile)
    return render(size, seed, size.clip(machine, split, domain, label, index))


def render(profile: Profile, seed: int, clip: Clip) -> NDArray[np.int16]:
    """Return (2, n_samples) 16-bit samples of a clip."""
    machine, noise = components(profile, seed, clip)
    return np.clip(np.rint((machine + noise) * 2**15), -(2**15), 2**15 - 1).astype(np.int16)


def components(profile: Profile, seed: int, clip: Clip) -> tuple[Samples, Samples]:
    """Return the two parts of a clip, machine and noise, as (2, n_samples) each, relative to full scale."""
    spec, n_samples = profile.noise, profile.n_samples
    rng = generator(seed, *clip.key)
    conditions = recording(seed, clip.recording, clip.key)
    severity = MACHINES[clip.machine].severity(clip.fault, rng.uniform(0.3, 1.0))
    gain = _MACHINE_LEVEL * decibels(rng.normal(0, 0.5) + conditions.level_db)
    snr = (
        rng.normal(spec.snr_db, spec.snr_spread_db)
        + conditions.snr_db
        + (spec.target_shift_db if clip.domain == "target" else 0.0)
    )
    dry = _machine(clip.machine, seed).sound(rng, clip.value, block_length(n_samples), severity, conditions.trim)
    level = _reference_level(seed, clip.machine, clip.domain, clip.value, spec.drr_db)
    machine = hear_machine(dry, seed, clip.machine, clip.domain, spec.drr_db, n_samples, conditions) * (gain / level)
    ambience = generator(seed, *clip.key, "noise")
    noise = hear_noise(ambience, seed, clip.machine, clip.domain, spec, n_samples, conditions)
    return machine, noise * (gain * decibels(-snr))


@functools.lru_cache(maxsize=64)
def _machine(name: str, seed: int) -> Machine:
    return MACHINES[name](seed)


@functools.lru_cache(maxsize=256)
def _reference_level(seed: int, machine: str, domain: str, value: str, noise_drr_db: float) -> float:
    """Return the RMS at the near microphone of a normal clip with this attribute value.

    Clips are levelled by it and never by their own RMS, which would hide that a fault makes a machine louder.
    """
    rng = generator(seed, "reference", machine, value)
    instance = _machine(machine, seed)
    dry = instance.sound(rng, value, block_length(_REFERENCE_SAMPLES), instance.severity())
    near = hear_machine(dry, seed, machine, domain, noise_drr_db, _REFERENCE_SAMPLES)[0]
    return float(np.sqrt(np.mean(near**2)))
