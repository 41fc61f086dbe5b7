"""Asks a detector whether recordings that are to be added as normal sound normal to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from asdcore.basics.recording_parts import part_of
from asdcore.data.recordings.audio import decode, is_long
from asdcore.detector.adapted_file import CellName
from asdcore.detector.baselines import KnownMachine
from asdcore.detector.detector import Detector
from asdcore.detector.recording import score_long
from asdcore.detector.verdict import Verdict
from asdcore.errors import DataError
from asdcore.progress import Progress

MANY = 0.5
"""From this share on it is not single recordings that differ, but the sound as a whole."""

LISTED = 10
"""How many recordings a message lists."""


@dataclass(frozen=True)
class Heard:
    """What a detector says of a recording.

    name, sha256 : of the clip. margins : {system: score minus threshold}; empty if it cannot be judged. p_values :
    {system: p}. trouble : why it cannot be judged.
    """

    name: str
    sha256: str
    margins: dict[str, float]
    p_values: dict[str, float]
    trouble: str = ""

    def is_above(self, system: str) -> bool:
        """Whether a system calls it anomalous, or cannot judge it."""
        return bool(self.trouble) or self.margins[system] > 0


def heard_by(detector: Detector, cell: CellName, clips: pl.DataFrame, root: Path, progress: Progress) -> list[Heard]:
    """Return what a detector says of every clip of an index."""
    heard = []
    with progress.stage("compare", len(clips)) as advance:
        units = clips["unit"] if "unit" in clips.columns else [None] * len(clips)
        for (name, sha256), unit in zip(clips.select("clip", "sha256").rows(), units, strict=True):
            try:
                verdicts = _verdicts(detector, cell, root / name, sha256, unit or "")
                margins = {system: verdict.score - verdict.threshold for system, verdict in verdicts.items()}
                p_values = {system: verdict.p_value for system, verdict in verdicts.items()}
                heard.append(Heard(name, sha256, margins, p_values))
            except DataError as error:
                heard.append(Heard(name, sha256, {}, {}, str(error)))
            advance(1)
    return heard


def _verdicts(detector: Detector, cell: CellName, path: Path, sha256: str, unit: str) -> dict[str, Verdict]:
    if is_long(path):
        return score_long(detector, path, *cell, detector.systems, sha256)[0]
    return detector.score_all(*decode(path, sha256), *cell, unit=unit)


def refusal(heard: list[Heard], system: str, machine: KnownMachine, root: Path) -> str:
    """Say why recordings should not be added as normal without a second look; "" if there is no reason."""
    above = [clip for clip in heard if clip.is_above(system)]
    if not above:
        return ""
    usual = len(heard) * machine.rate_above(system, machine.threshold(system))
    kind = "recordings" if all(part_of(clip.name).start is None for clip in heard) else "windows of recordings"
    lines = [
        f"{len(above)} of {len(heard)} {kind} in {root} are anomalous to the detector ({usual:.2g} would be "
        "expected of a machine that has not changed):",
        *(f"  {_line(clip, system)}" for clip in above[:LISTED]),
        *([f"  and {len(above) - LISTED} more"] if len(above) > LISTED else []),
        _ALL if len(above) >= MANY * len(heard) else _SINGLE,
    ]
    return "\n".join(lines)


def _line(clip: Heard, system: str) -> str:
    return f"{clip.name}: {clip.trouble or f'p = {clip.p_values[system]:.3g}'}"


_ALL = (
    "So it is not single recordings: the sound as a whole has changed, as it does after maintenance, but also if the "
    "microphone was moved or its gain turned. If the machine is well, say so: --accept-faults adds all of them."
)
_SINGLE = (
    "Listen to these. Move faults out of the folder: what is added as normal will not be noticed again. If all of them "
    "are normal, say so: --accept-faults adds them. Leaving normal ones out would make too low a threshold."
)
