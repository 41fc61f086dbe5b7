"""Says what stands out in windows of an alarm, for the events that tell of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asdcore.basics.recording_parts import recording_path
from asdcore.detector.baselines import KnownMachine
from asdcore.detector.detector import Detector
from asdcore.detector.verdict import Verdict
from asdcore.errors import DataError
from asdcore.explanation.in_short import in_short
from asdcore.monitor.monitor import Explains, Sound


def explainer(detector: Detector, machine: KnownMachine, data: Path | None = None) -> Explains:
    """Return what says of a window what stands out in it.

    Parameters
    ----------
    detector : Detector
        Who judges.
    machine : KnownMachine
        What it knows of the machine.
    data : Path, optional
        The folder of the recordings that it learnt from. Parts of the window are then replaced by the same part of the
        nearest train normal, and else by the window's own background.

    Returns
    -------
    callable
        (sound, sample rate, verdict, how many times the sound may be scored) -> JSON values.

    Raises
    ------
    DataError
        If a train normal is not below ``data``.
    """
    if data is not None:
        _check_at_hand(machine, data)

    def explain(sound: Sound, sample_rate: int, verdict: Verdict, scores: float) -> dict[str, Any]:
        return in_short(detector, sound, sample_rate, verdict, data=data, scores=scores).as_json()

    return explain


def _check_at_hand(machine: KnownMachine, data: Path) -> None:
    """Raise DataError unless all train normals lie where an alarm will look for one of them."""
    lost = [clip for clip in machine.sha256 if not recording_path(data / clip).is_file()]
    if lost:
        raise DataError(
            f"{data} lacks {len(lost)} of the {len(machine.sha256)} train normals of {machine.machine}, such as "
            f"{lost[0]}. Give the folder that the run was made from with --data, or leave it out: then an alarm is "
            "compared with its own background."
        )
