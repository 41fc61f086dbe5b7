"""What the views of a portfolio do to faults, found out on train normals alone.

A view that removes the environment may remove a fault with it. So pseudo-faults of known sound q are added to train
normals x, and what a view Phi makes of them is compared with the near channel, which is a clip without any canceller:

removed    how much quieter the view makes a normal clip: near over view in dB, the mean over third-octave bands.
retention  R = sum_f |G_f|^2 E_f / sum_f E_f, the part of a fault's energy that comes through. E_f is the energy of q in
           a bin of the spectrum, G_f the least-squares transfer from q to Phi(x + q) - Phi(x). What changes without
           following the fault, as the artefacts of a mask do, does not count.
gain       R over the part of the normal clip that is left where the fault sounds, in dB: above 0 it stands out more.

The fault comes to the near microphone through a drawn room. How the far one hears it decides everything, and where the
recording can tell, it does: where its own transfer from near to far, S_fn / S_nn, is below half, what the near channel
holds is beside it, and a fault takes the same way as the machine. Elsewhere an environment as loud at both is in front,
and the drawn room stands in. ``own_way`` is the share of the fault's energy for which the recording could tell.

An energy ratio of pseudo-faults, and what of it is enough (a median of 0.85, a 5 % quantile of 0.65), follow the safety
audit of the public 2026 project CARE-ASD; the rest is ours. It is no proof: the faults are made up, and the rooms too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.basics.paths import given_path
from asdcore.compute.encoding import view_channels, waveform
from asdcore.contract.plugins import installed
from asdcore.data.audio import decode, resample
from asdcore.data.clips import completed
from asdcore.data.spread import spread
from asdcore.data.synth.draws import generator
from asdcore.data.synth.probes import FAULTS, heard
from asdcore.data.synth.signals import SAMPLE_RATE, decibels
from asdcore.errors import AsdcoreError, DataError, PortfolioError, located
from asdcore.portfolio import DEFAULT_TASK, Component, Portfolio, load_portfolio
from asdcore.progress import Progress, Silent

Floats = NDArray[np.float64]
Spectra = NDArray[np.complex128]

CLIPS, LEVEL_DB = 5, -6.0
"""Train normals of each machine, section and domain that are listened to; a fault's level below theirs."""

KEPT_MEDIAN, KEPT_LOW = 0.85, 0.65
"""Retention that is enough: its median, and its 5 % quantile."""

NEGLIGIBLE_DB = 0.1
OWN_WAY = 0.5
LEAST = 1e-9
"""The smallest energy ratio that is told from none: 90 dB."""


@dataclass(frozen=True)
class Finding:
    """What one view does to the normals and faults of one machine and section.

    retention, gain_db : {"median", "q05"} over all probes, a probe being one fault in one clip. by_fault : the median
    retention of each. own_way : see the module. verdict : "trust" (faults are kept, and none of them stands out less),
    "trade" (faults lose, all else loses more), or "avoid".
    """

    machine: str
    section: str
    view: str
    clips: int
    removed_db: float
    retention: dict[str, float]
    by_fault: dict[str, float]
    gain_db: dict[str, float]
    own_way: float
    verdict: str


@dataclass(frozen=True)
class ViewAudit:
    """What the views of a portfolio do to faults, by machine and section."""

    level_db: float
    findings: tuple[Finding, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain dictionaries."""
        return asdict(self)


def audit_views(
    portfolio: Portfolio | str | Path,
    data: str | Path,
    *,
    task: str | None = None,
    clips: int = CLIPS,
    level_db: float = LEVEL_DB,
    progress: Progress | None = None,
) -> ViewAudit:
    """Inject pseudo-faults into two-channel train normals under ``data`` and see what each view of a portfolio keeps.

    portfolio : a path, the name of a shipped portfolio, or a Portfolio. clips : train normals of each machine, section
    and domain, spread over its recordings (:func:`asdcore.data.spread.spread`). level_db : RMS of a fault relative to
    the clip's, at the near microphone.

    Raises an AsdcoreError where there is nothing to audit: recordings of one channel, or all of them silent, and a view
    that gives both channels.
    """
    if clips < 1 or not -60 <= level_db <= 20:
        raise AsdcoreError(f"clips must be at least 1 and level_db from -60 to 20, got {clips} and {level_db:g}.")
    plan = portfolio if isinstance(portfolio, Portfolio) else load_portfolio(portfolio)
    plan.check_components()
    views = _views(plan)
    shown, root = progress or Silent(), given_path(data, "data")
    with shown.stage("clips", 0) as advance:
        reader = installed().build("dataset", task if task is not None else plan.task or DEFAULT_TASK, {})
        index = completed(reader.clips(root))
        advance(len(index))
    chosen = _chosen(index, clips)
    findings: list[Finding] = []
    with shown.stage("audit", len(chosen)) as advance:
        for (machine, section), cell in chosen.group_by("machine", "section", maintain_order=True):
            probes: list[dict[str, Any]] = []
            for clip, sha256 in cell.select("clip", "sha256").rows():
                with located(clip):
                    probes += _probes(*decode(root / clip, sha256), sha256, views, level_db)
                advance(1)
            findings += _findings(str(machine), str(section), pl.DataFrame(probes), views)
    return ViewAudit(level_db, tuple(findings))


def _views(plan: Portfolio) -> dict[str, Component]:
    """Return the views of a portfolio by their labels; raises PortfolioError for one that hands on both channels."""
    views = [(name, view) for name, branch in plan.branches.items() for view in branch.views]
    for name, view in views:
        if view_channels(view.name, json.dumps(view.parameters, sort_keys=True)) != 1:
            raise PortfolioError(
                f"branches.{name}: view {view.name!r} hands on both channels, and an audit weighs what is left in one "
                "waveform. Audit a portfolio without this branch."
            )
    return {_label(view): view for _, view in views}


def _label(view: Component) -> str:
    """Name a view by what it is built from."""
    parameters = ", ".join(f"{key}={value}" for key, value in sorted(view.parameters.items()))
    return f"{view.name}({parameters})" if parameters else view.name


def _chosen(index: pl.DataFrame, clips: int) -> pl.DataFrame:
    """Return some train normals of two channels of every machine and section, as many of either domain."""
    train = index.filter(pl.col("split") == "train")
    other = train.filter(pl.col("channels") != 2)
    if len(other):
        raise DataError(
            f"{other['clip'][0]} has {other['channels'][0]} channel(s), not the near and the far one that are needed. "
            "Without a far channel no view can be a canceller, and there is nothing to audit."
        )
    if not len(train):
        raise DataError("there are no train clips, so no normal sound to audit views on.")
    return spread(train, clips)


def _probes(
    audio: NDArray[np.float32], rate: int, sha256: str, views: Mapping[str, Component], level_db: float
) -> Iterator[dict[str, Any]]:
    """(2, n_samples) of one normal clip -> for each fault and view: what it removes, keeps and gains."""
    rms = float(np.sqrt(np.mean(np.square(audio[0], dtype=np.float64))))
    if rms == 0.0:
        return
    near, far = _spectra(audio[0], rate), _spectra(audio[1], rate)
    way = _ratio((far * near.conj()).sum(axis=0), _energy(near))
    before = {name: _seen(view, audio, rate) for name, view in views.items()}
    normal = {name: _energy(_spectra(one, rate)) for name, one in before.items()}
    removed = {name: _removed(_energy(near), one, rate) for name, one in normal.items()}
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
        drawn = np.stack([resample(one.astype(np.float32), SAMPLE_RATE, rate) for one in drawn]).astype(np.float64)
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
    """Divide, 0 where there is nothing below."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _findings(machine: str, section: str, probes: pl.DataFrame, views: Mapping[str, Component]) -> Iterator[Finding]:
    """Sum up the probes of one machine and section, view by view."""
    if not len(probes):
        raise DataError(
            f"{machine} section {section}: all train clips chosen are silent, so there is nothing to audit."
        )
    for view in views:
        mine = probes.filter(pl.col("view") == view)
        values = {name: mine[name].to_numpy() for name in ("removed", "retention", "gain", "own_way")}
        retention, gain = (
            {"median": float(np.median(values[name])), "q05": float(np.quantile(values[name], 0.05))}
            for name in ("retention", "gain")
        )
        yield Finding(
            machine,
            section,
            view,
            mine["clip"].n_unique(),
            float(values["removed"].mean()),
            retention,
            {fault: float(np.median(values["retention"][mine["fault"].to_numpy() == fault])) for fault in FAULTS},
            gain,
            float(values["own_way"].mean()),
            _verdict(retention, gain),
        )


def _verdict(retention: Mapping[str, float], gain: Mapping[str, float]) -> str:
    """Judge a view: see :class:`Finding`."""
    kept = retention["median"] >= KEPT_MEDIAN and retention["q05"] >= KEPT_LOW
    if kept and gain["median"] >= -NEGLIGIBLE_DB:
        return "trust"
    return "trade" if gain["median"] > NEGLIGIBLE_DB else "avoid"
