"""Audit what the views of a portfolio do to faults, with pseudo-faults added to train normals.

A view that removes the environment may also remove a fault. So pseudo-faults q, whose sound is given, are added to
train normals x, and the output of a view Phi is compared with the near channel, a clip without any canceller:

removed    how much quieter the view makes a normal clip: near over view in dB, the mean over third-octave bands.
retention  R = sum_f |G_f|^2 E_f / sum_f E_f, the part of a fault's energy that comes through. E_f is the energy of q in
           a bin of the spectrum, G_f the least-squares transfer from q to Phi(x + q) - Phi(x). What changes without
           following the fault, as the artefacts of a mask do, does not count.
gain       R over the part of the normal clip that is left where the fault sounds, in dB: above 0 it stands out more.

The fault reaches the near microphone through a drawn room. The result depends on how the far microphone hears it. At
frequencies where the recording's own transfer from near to far, S_fn / S_nn, is below half, the near channel holds the
machine, and a fault takes the machine's way. At others the environment is as loud at both microphones, and the drawn
room is used. ``own_way`` is the share of the fault's energy that takes the machine's way.

The energy ratio of pseudo-faults, and the limits of 0.85 for its median and 0.65 for its 5 % quantile, follow the
safety audit of the public 2026 project CARE-ASD; the rest is ours. An audit is evidence, not proof: faults and rooms
are synthetic.
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
from asdcore.basics.recording_parts import part_name, part_of, seconds_text
from asdcore.components.readers import reader_of
from asdcore.compute.encoding.encoding import view_channels
from asdcore.contract.plugins import installed
from asdcore.data.clip_index.clips import completed
from asdcore.data.clip_index.differing_clips import spread
from asdcore.data.recordings.audio import decode, opened
from asdcore.data.synth.probes import FAULTS
from asdcore.errors import AsdcoreError, DataError, PortfolioError, located
from asdcore.portfolio import Component, Portfolio, load_portfolio
from asdcore.preflight.fault_probes import probe_clip
from asdcore.progress import Progress, Silent

CLIPS, LEVEL_DB = 5, -6.0
"""Train normals that are probed, of each machine, section and domain; level of a fault relative to theirs."""

MOST_SAMPLES = 1 << 20
"""Samples of a clip that are probed: a minute at 16 kHz. Views and spectra of a fault take 0.4 KB for each."""

KEPT_MEDIAN, KEPT_LOW = 0.85, 0.65
"""Retention that is enough: its median, and its 5 % quantile."""

NEGLIGIBLE_DB = 0.1


@dataclass(frozen=True)
class Finding:
    """What one view does to the normals and faults of one machine and section.

    retention, gain_db : {"median", "q05"} over all probes, a probe being one fault in one clip. by_fault : the median
    retention of each. own_way : see the module. verdict : "trust" (faults are kept and stand out no less), "trade"
    (faults lose energy, everything else loses more), or "avoid".
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
    """The result of :func:`audit_views`: the level of the faults, and findings by machine, section and view."""

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
    """Inject pseudo-faults into two-channel train normals, and measure what each view of a portfolio keeps of them.

    Of a clip of more than 1,048,576 samples, a minute at 16 kHz, so many from its middle are heard.

    Parameters
    ----------
    portfolio : Portfolio, path or str
        The portfolio, its file, or the name of a shipped one.
    data : path
        The folder that holds ``<machine>/train/``.
    task : str, optional
        A dataset reader such as ``"dcase2026"``; by default the portfolio's.
    clips : int, optional
        Train normals of each machine, section and domain, spread over its recordings
        (:func:`asdcore.data.clip_index.differing_clips.spread`).
    level_db : float, optional
        RMS of a fault relative to the clip's, in dB at the near microphone, from -60 to 20.
    progress : Progress, optional
        Reports progress; silent by default.

    Returns
    -------
    ViewAudit
        A finding for each machine, section and view.

    Raises
    ------
    DataError
        If recordings have one channel, or all of them are silent.
    PortfolioError
        If a view gives both channels.

    Examples
    --------
    >>> audit = asdcore.audit_views("logmel-knn", data="data", clips=1)
    >>> finding = audit.findings[0]
    >>> finding.view, finding.verdict, finding.retention["median"] > 0.99
    ('near', 'trust', True)
    """
    if clips < 1 or not -60 <= level_db <= 20:
        raise AsdcoreError(f"clips must be at least 1 and level_db from -60 to 20, got {clips} and {level_db:g}.")
    plan = portfolio if isinstance(portfolio, Portfolio) else load_portfolio(portfolio)
    plan.check_components()
    views = _views(plan)
    shown, root = progress or Silent(), given_path(data, "data")
    with shown.stage("clips", 0) as advance:
        _, reader = reader_of(task if task is not None else plan.task, root, installed())
        index = completed(reader.clips(root))
        advance(len(index))
    chosen = _chosen(index, clips)
    findings: list[Finding] = []
    with shown.stage("audit", len(chosen)) as advance:
        for (machine, section), cell in chosen.group_by("machine", "section", maintain_order=True):
            probes: list[dict[str, Any]] = []
            for clip, sha256, *length in cell.select("clip", "sha256", "n_samples", "sample_rate").rows():
                with located(clip):
                    probes += probe_clip(*_probed(root / clip, sha256, *length), sha256, views, level_db)
                advance(1)
            findings += _findings(str(machine), str(section), pl.DataFrame(probes), views)
    return ViewAudit(level_db, tuple(findings))


def _probed(path: Path, sha256: str, n_samples: int, rate: int) -> tuple[NDArray[np.float32], int]:
    """Decode what is probed of a clip: all of it, or :data:`MOST_SAMPLES`, to a second, from the middle of a long one.

    Raises DataError if it is not the recording of this digest.
    """
    if n_samples <= MOST_SAMPLES:
        return decode(path, sha256)
    with opened(path) as (_, facts):
        if facts.sha256 != sha256:
            raise DataError(f"{path}: changed since it was indexed. Restore or replace the file, then run again.")
    part = part_of(path.name)
    start = part.seconds[0] + (n_samples - MOST_SAMPLES) // 2 // rate
    end = start + MOST_SAMPLES // rate
    return decode(path.with_name(part_name(*part._replace(start=seconds_text(start), end=seconds_text(end)))))


def _views(plan: Portfolio) -> dict[str, Component]:
    """Return the views of a portfolio by their labels; raises PortfolioError for one that gives both channels."""
    views = [(name, view) for name, branch in plan.branches.items() for view in branch.views]
    for name, view in views:
        if view_channels(view.name, json.dumps(view.parameters, sort_keys=True)) != 1:
            raise PortfolioError(
                f"branches.{name}: view {view.name!r} gives both channels, but an audit needs one "
                "waveform. Audit a portfolio without this branch."
            )
    return {_label(view): view for _, view in views}


def _label(view: Component) -> str:
    """Name a view by what it is built from."""
    parameters = ", ".join(f"{key}={value}" for key, value in sorted(view.parameters.items()))
    return f"{view.name}({parameters})" if parameters else view.name


def _chosen(index: pl.DataFrame, clips: int) -> pl.DataFrame:
    """Return two-channel train normals of every machine and section, as many of each domain."""
    train = index.filter(pl.col("split") == "train")
    other = train.filter(pl.col("channels") != 2)
    if len(other):
        raise DataError(
            f"{other['clip'][0]} has {other['channels'][0]} channel(s), not a near and a far one. "
            "Without a far channel no view can cancel anything, so there is nothing to audit."
        )
    if not len(train):
        raise DataError("There are no train clips, so there is no normal sound to audit views on.")
    return spread(train, clips)


def _findings(machine: str, section: str, probes: pl.DataFrame, views: Mapping[str, Component]) -> Iterator[Finding]:
    """Sum up the probes of one machine and section, view by view."""
    if not len(probes):
        raise DataError(
            f"{machine} section {section}: all chosen train clips are silent, so there is nothing to audit."
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
