"""Inject pseudo-faults into one normal clip, and measure what each view removes, keeps and gains.

:mod:`asdcore.preflight.view_audit` says what these are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.compute.encoding.encoding import waveform
from asdcore.data.recordings.audio import resample
from asdcore.data.synth.draws import generator
from asdcore.data.synth.probes import FAULTS, heard
from asdcore.data.synth.signals import SAMPLE_RATE, decibels
from asdcore.errors import located
from asdcore.portfolio import Component

Floats = NDArray[np.float64]
Spectra = NDArray[np.complex128]

OWN_WAY = 0.5
"""A recording's own transfer from near to far below which its near channel holds the machine."""

LEAST = 1e-9
"""The smallest energy ratio that differs from none: -90 dB."""


def probe_clip(
    audio: NDArray[np.float32], rate: int, sha256: str, views: Mapping[str, Component], level_db: float
) -> Iterator[dict[str, Any]]:
    """(2, n_samples) of one normal clip -> for each fault and view: what it removes, keeps and gains.

    rate : Hz. sha256 : the clip's audio digest, which seeds its faults. level_db : RMS of a fault relative to the
    clip's.
    """
    rms = float(np.sqrt(np.mean(np.square(audio[0], dtype=np.float64))))
    if rms == 0.0:
        return
    near, far = _spectra(audio[0], rate), _spectra(audio[1], rate)
    way = _ratio((far * near.conj()).sum(axis=0), _energy(near))
    before = {name: _seen(view, audio, rate) for name, view in views.items()}
    normal = {name: _energy(_spectra(sound, rate)) for name, sound in before.items()}
    removed = {name: _removed(_energy(near), energy, rate) for name, energy in normal.items()}
    for fault in FAULTS:
        sound, own = _fault(fault, sha256, audio.shape[1], rate, way)
        sound *= rms * decibels(level_db) / np.sqrt(np.mean(np.square(sound[0])))
        probe = _spectra(sound[0], rate)
        where = _energy(probe)
        for name, view in views.items():
            changed = _seen(view, (audio + sound).astype(np.float32), rate) - before[name]
            retention = _retention(probe, _spectra(changed, rate))
            left = float(_ratio(where @ normal[name], where @ _energy(near)))
            yield {
                "view": name,
                "clip": sha256,
                "fault": fault,
                "removed": removed[name],
                "retention": retention,
                "gain": 10 * np.log10((retention + LEAST) / (left + LEAST)),
                "own_way": own,
            }


def _fault(fault: str, sha256: str, n_samples: int, rate: int, way: Spectra) -> tuple[Floats, float]:
    """Return (2, n_samples) of a fault at both microphones, and the share of its energy that went the machine's way.

    way : the recording's transfer from near to far, (bins,).
    """
    rng = generator("view audit", sha256, fault)
    drawn = heard(fault, rng, -(-n_samples * SAMPLE_RATE // rate) + 1)
    if rate != SAMPLE_RATE:
        drawn = np.stack([resample(channel.astype(np.float32), SAMPLE_RATE, rate) for channel in drawn]).astype(
            np.float64
        )
    near, far = np.fft.rfft(drawn[:, :n_samples])
    place, bins = np.linspace(0, 1, len(near)), np.linspace(0, 1, len(way))
    own = np.interp(place, bins, way.real) + 1j * np.interp(place, bins, way.imag)
    seen = np.abs(own) < OWN_WAY
    sound = np.fft.irfft(np.stack([near, np.where(seen, own * near, far)]), n_samples)
    energy = np.square(np.abs(near))
    return sound, float(energy[seen].sum() / energy.sum())


def _seen(view: Component, audio: NDArray[np.float32], rate: int) -> Floats:
    """(2, n_samples) -> the view's waveform in float64."""
    with located(f"view {view.name!r}"):
        return waveform(view.name, json.dumps(view.parameters, sort_keys=True), audio, rate).astype(np.float64)


def _retention(probe: Spectra, changed: Spectra) -> float:
    """Part of the fault's energy that the view lets through, from spectra (time, bins) of the fault and the change."""
    energy = _energy(probe)
    transfer = _ratio((changed * probe.conj()).sum(axis=0), energy)
    return float((np.square(np.abs(transfer)) * energy).sum() / energy.sum())


def _removed(near: Floats, view: Floats, rate: int) -> float:
    """Energies (bins,) of the near channel and of a view -> near over view in dB, mean over third-octave bands."""
    band = np.floor(3 * np.log2(np.maximum(np.arange(len(near)) * (rate / 2 / (len(near) - 1)), 50.0) / 50.0)).astype(
        int
    )
    before, after = np.bincount(band, near), np.bincount(band, view)
    held = before > 0
    return float(np.mean(10 * np.log10(before[held] / (after[held] + LEAST * before[held]))))


def _spectra(signal: NDArray[Any], rate: int) -> Spectra:
    """(n_samples,) -> (time, bins): Hann windows of about 64 ms, overlapping by half."""
    width = 1 << round(np.log2(0.064 * rate))
    padded = np.pad(signal.astype(np.float64), (0, max(0, width - len(signal))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, width)[:: width // 2]
    spectra: Spectra = np.fft.rfft(frames * np.hanning(width))
    return spectra


def _energy(spectra: Spectra) -> Floats:
    """(time, bins) -> (bins,)."""
    energy: Floats = (np.square(spectra.real) + np.square(spectra.imag)).sum(axis=0)
    return energy


def _ratio(above: Any, below: Any) -> Any:
    """Divide, 0 if there is nothing below."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
