"""Scores a recording in a file, in blocks if it is long."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from asdcore.basics.paths import given_path
from asdcore.data.recordings.audio import AudioFacts, decode_new, is_long, opened
from asdcore.detector.detector import Detector
from asdcore.detector.listen import Features, Listener, check_changes, check_recording
from asdcore.detector.verdict import Verdict
from asdcore.errors import DataError, located


def score_file(
    detector: Detector,
    path: str | Path,
    machine: str | None = None,
    section: str | None = None,
    *,
    system: str | None = None,
) -> tuple[Verdict, AudioFacts]:
    """Score a recording of any length.

    A long recording is decoded, encoded and pooled in blocks, so memory does not grow with it, and the score has the
    bits of the recording in memory. Its views and encoders must be able to (:mod:`asdcore.contract.long_sound`); else
    it may have 0.27 GB of samples.

    Parameters
    ----------
    detector : Detector
        Who scores.
    path : path
        The recording, or a part of it by its name, such as ``night.wav#t=10-20``.
    machine, section, system : str, optional
        As of :meth:`Detector.score`.

    Returns
    -------
    Verdict
        As of :meth:`Detector.score`.
    AudioFacts
        What the recording is: its digest, rate, channels and length.

    Raises
    ------
    DataError
        If the recording cannot be decoded, is read by other packages than where the detector was frozen, is too long
        for a view or encoder, or as of :meth:`Detector.score`.
    ManifestError
        As of :meth:`Detector.score`.
    StoreError
        If the disk of temporary files is full: one may be as large as the recording's samples.
    """
    name, file = detector.chosen_system(system), given_path(path, "the recording")
    if why := detector.reading_misfit(file):
        raise DataError(why)
    if not is_long(file):
        audio, facts = decode_new(file)
        return detector.score(audio, facts.sample_rate, machine, section, system=name, unit=facts.unit), facts
    verdicts, facts = score_long(detector, file, machine, section, [name])
    return verdicts[name], facts


def score_long(
    detector: Detector,
    file: Path,
    machine: str | None,
    section: str | None,
    systems: list[str],
    sha256: str | None = None,
) -> tuple[dict[str, Verdict], AudioFacts]:
    """Score a long recording in blocks by several systems: as :func:`score_file`, hearing it once.

    sha256 : its digest, if that is known; DataError if it has another.
    """
    known_machine = detector.known(machine, section)
    with opened(file) as (_, facts):
        check_recording(facts, known_machine.kind, known_machine.seconds)
    with TemporaryDirectory(prefix="asdcore-detector-") as temporary:

        def hear(listener: Listener) -> Features:
            nonlocal facts
            facts, features = listener.in_blocks(file, known_machine.machine, Path(temporary), sha256)
            with located(known_machine.kind.where):
                check_changes(facts)
            return features

        return detector.judge(hear, machine, section, systems), facts
