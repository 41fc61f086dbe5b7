"""Explains the score of a recording in a file, by a detector's file or the folder of a run."""

from __future__ import annotations

import shutil
import weakref
from decimal import Decimal
from pathlib import Path
from tempfile import mkdtemp

from asdcore.basics.paths import given_path
from asdcore.basics.recording_parts import part_name, part_of, recording_path, seconds_text
from asdcore.data.recordings.audio import AudioFacts, opened
from asdcore.detector.baselines import KnownMachine
from asdcore.detector.detector import Detector
from asdcore.detector.export import export
from asdcore.detector.listen import check_recording
from asdcore.detector.load import load_detector
from asdcore.errors import DataError
from asdcore.explanation.clip import clip_of_file
from asdcore.explanation.explain import check_parts, explain_clip
from asdcore.explanation.explanation import Explanation
from asdcore.explanation.picture import check_place, draw
from asdcore.frozen.freeze import freeze
from asdcore.progress import Progress
from asdcore.runs.folder import RUN_FILE, Run, load_run

NAMED = 3
"""Parts of a path in the title of a picture: loggers call the recordings of all days alike, and the day is a folder."""


def explain_file(
    source: str | Path,
    clip: str | Path,
    machine: str | None = None,
    section: str | None = None,
    *,
    system: str | None = None,
    data: str | Path | None = None,
    times: int = 10,
    bands: int = 8,
    picture: str | Path | None = None,
    public_key: str | Path | None = None,
    store: str | Path | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Say why a recording of any length has its score.

    A long one is heard in blocks, as :func:`asdcore.detector.recording.score_file` does; its samples lie in a temporary
    file meanwhile.

    Parameters
    ----------
    source : path
        A detector's file, or the folder of a finished run, which is frozen in a temporary folder.
    clip : path
        The recording; of a run also a clip as its tables name it, which says its machine and section, too.
    machine, section, system, data, times, bands
        As of :func:`asdcore.explain`. ``data`` of a run is by default where it lay when the run was made.
    picture : path, optional
        Also draw it into this file, ``.png`` or ``.svg``.
    public_key, store : path, optional
        As of :func:`asdcore.load_detector`; where the store of a run lies, if it has moved.
    progress : Progress, optional
        Reports progress; silent by default.

    Raises
    ------
    DataError
        If the recording cannot be scored, or there is no such clip.
    ManifestError
        If the detector does not fit what is installed here, or what the run rests on has changed.
    StoreError
        If the disk of temporary files is full: they may take twice the recording's samples, and more for some views.
    """
    drawing = None if picture is None else check_place(given_path(picture, "picture"))
    file = given_path(clip, "the clip")
    path = given_path(source, "the detector")
    if (path / RUN_FILE).is_file():
        run = load_run(path)
        data = Path(run.about["data"]) if data is None else data
        file, machine, section = _clip_of_run(run, file, machine, section, Path(data))
        _check_file(file)
        detector = detector_of_run(run, store, progress)
    else:
        detector = _loaded(path, file, public_key)
    check_parts(times, bands)
    name, learnt = detector.chosen_system(system), detector.known(machine, section)
    _check_recording(detector, learnt, file)
    with clip_of_file(detector, file) as heard:
        cut, shown = {"times": times, "bands": bands}, progress if heard.is_long else None
        explained = explain_clip(heard, learnt.machine, learnt.section, system=name, data=data, progress=shown, **cut)
        if drawing is not None:
            title = "/".join(file.parts[-NAMED:])
            draw(explained, heard.sound, heard.sample_rate, drawing, data=data, title=title)
    return explained


def _loaded(path: Path, file: Path, public_key: str | Path | None) -> Detector:
    """Return the detector of a file; DataError if the recording is not there, or is read by another library here."""
    _check_file(file)
    detector = load_detector(path, public_key=public_key)
    if why := detector.reading_misfit(file):
        raise DataError(f"{file.name}: {why}")
    return detector


def _check_recording(detector: Detector, learnt: KnownMachine, file: Path) -> None:
    """Raise DataError, before anything is decoded, if a recording is not what a detector judges."""
    with opened(file) as (_, facts):
        if why := learnt.kind.misfit(facts.channels, facts.sample_rate, facts.unit):
            raise DataError(f"{file.name}: {why}")
        _check_window(detector, file, facts)
        check_recording(facts, learnt.kind, learnt.seconds)


def detector_of_run(run: Run, store: str | Path | None = None, progress: Progress | None = None) -> Detector:
    """Return the detector of a finished run: it is frozen and exported into a folder that goes when the detector does.

    Raises ManifestError if what the run rests on has changed since.
    """
    folder = Path(mkdtemp(prefix="asdcore-explain-"))
    try:
        manifest = freeze(run, folder / "frozen.json", progress=progress)
        detector = load_detector(export(manifest.path, folder / "frozen.asd", store=store, progress=progress))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(detector, shutil.rmtree, folder, ignore_errors=True)
    return detector


def _check_file(clip: Path) -> None:
    if not recording_path(clip).is_file():
        raise DataError(f"There is no recording {clip}. Name a file, such as clip.wav.")


def _check_window(detector: Detector, file: Path, facts: AudioFacts) -> None:
    """Raise DataError for a recording longer than the windows that a detector judges: its threshold is theirs."""
    if (windows := detector.windows) is None:
        return
    seconds = facts.n_samples / facts.sample_rate
    if facts.n_samples > round(windows.seconds * facts.sample_rate) + 1:
        part = part_of(file.name)
        start = part.seconds[0]
        end = start + Decimal(str(windows.seconds))
        window = part_name(*part._replace(start=seconds_text(start), end=seconds_text(end)))
        raise DataError(
            f"{file} lasts {seconds:.6g} s, and this detector judges windows of {windows.seconds:g} s. Name one of "
            f"them, such as {window}; 'asdcore detect' lists all."
        )


def _clip_of_run(
    run: Run, clip: Path, machine: str | None, section: str | None, data: Path
) -> tuple[Path, str | None, str | None]:
    """Return the file, machine and section of a clip, if it is named as in the run's tables; else what was given."""
    row = run.clips.filter(clip=clip.as_posix()).select("machine", "section").rows()
    if not row:
        if not recording_path(clip).is_file():
            raise DataError(
                f"{clip} is neither a file nor a clip of {run.folder}. Its clips have names such as "
                f"{run.clips['clip'][0]}."
            )
        return clip, machine, section
    of_machine, of_section = row[0]
    return data / clip, machine or of_machine, section or of_section
