"""The command monitor: a detector that listens to a long recording, a folder that fills, or a stream."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from asdcore.basics.recording_parts import recording_path
from asdcore.cli.freeze import PublicKey
from asdcore.cli.output.streams import is_answer_in_a_file, write_answer
from asdcore.cli.shared import FAILED
from asdcore.errors import DataError

if TYPE_CHECKING:
    from asdcore.detector.baselines import KnownMachine
    from asdcore.detector.detector import Detector
    from asdcore.monitor.journal import Journal
    from asdcore.monitor.keep_audio import AudioKept
    from asdcore.monitor.monitor import Explains, Monitor
    from asdcore.monitor.past import Settings
    from asdcore.monitor.sources import Recording, Source


Machine = Annotated[
    str | None, typer.Option(help="The machine that is heard. Default: the only one that the detector knows.")
]
Section = Annotated[str | None, typer.Option(help="Its section. Default: the only one.")]
System = Annotated[str | None, typer.Option(help="The system. Default: as detect.")]
Log = Annotated[Path | None, typer.Option(help="File that remembers all windows. Default: SOURCE.monitor.jsonl")]
Seconds = Annotated[float | None, typer.Option(help="Length of a window. Default: that of the train clips.")]
Hop = Annotated[float | None, typer.Option(help="Seconds from one window to the next. Default: as when it learnt.")]
Rule = Annotated[str, typer.Option(help="k/n: an alarm begins with k of n windows above the threshold.")]
Promise = Annotated[str | None, typer.Option(help="False alarms allowed, such as '1 per week': sets the threshold.")]
KeepAudio = Annotated[float, typer.Option(help="Seconds of sound to keep before an alarm.", min=0, max=86400)]
Once = Annotated[bool, typer.Option("--once", help="Of a folder: end when all that is there has been heard.")]
Settle = Annotated[float, typer.Option(help="Of a folder: seconds for which a file must not change first.", min=0)]
Rate = Annotated[int | None, typer.Option(help="Sample rate of stdin, in Hz.", min=1000)]
Unit = Annotated[str, typer.Option(help="Unit of the samples, such as g, of sound that does not say it.")]
Channels = Annotated[int, typer.Option(help="Channels of stdin, interleaved; samples are 16-bit.", min=1)]
Explain = Annotated[
    bool, typer.Option("--explain", help="Say of the window that raises an alarm, and of its peak, what stands out.")
]
Data = Annotated[
    Path | None, typer.Option(help="With --explain: folder of the recordings that were learnt from, to compare with.")
]
ShowWindows = Annotated[bool, typer.Option("--windows", help="Print every window, not events alone.")]

ROOM_S = 5.0
"""Seconds after which a full disk is tried again."""


def monitor(
    detector: Annotated[Path, typer.Argument(help="A detector (.asd).")],
    source: Annotated[str, typer.Argument(help="A long recording, a folder that fills, or - for samples on stdin.")],
    machine: Machine = None,
    section: Section = None,
    system: System = None,
    log: Log = None,
    seconds: Seconds = None,
    hop: Hop = None,
    alarm: Rule = "3/5",
    promise: Promise = None,
    keep_audio: KeepAudio = 0.0,
    once: Once = False,
    settle: Settle = 2.0,
    sample_rate: Rate = None,
    channels: Channels = 1,
    unit: Unit = "",
    explain: Explain = False,
    data: Data = None,
    windows: ShowWindows = False,
    key: PublicKey = None,
) -> None:
    """Listen to a machine, and raise alarms.

    Reads a detector and a source of sound. Prints events as lines of JSON: an alarm that begins or ends, drift, a note.
    All windows go into the log, from which the monitor goes on, however it was stopped. Exits with 1 if an alarm
    began, 0 if none did, and 2 if it cannot listen. With --explain an alarm also says which band of frequency and which
    seconds stand out.

    Example: asdcore monitor pump.asd night.wav --alarm 3/5
    """
    from asdcore.detector.load import load_detector
    from asdcore.monitor.explained import explainer
    from asdcore.monitor.setup import settings_of

    if data is not None and not explain:
        raise DataError("--data is what --explain compares an alarm with. Add --explain, or leave --data out.")
    place = _source(source, once=once, settle=settle, sample_rate=sample_rate, channels=channels)
    file = log or _log_beside(source)
    _check_apart(source, file, keep_audio)
    loaded = load_detector(detector, public_key=key)
    for note in loaded.notes:
        typer.echo(f"note: {note}", err=True)
    judge = Judge(loaded, loaded.known(machine, section), loaded.chosen_system(system))
    learnt = (judge.machine, judge.system, loaded.windows)
    asked = settings_of(*learnt, seconds=seconds, hop=hop, alarm=alarm, promise=promise)
    says_why = explainer(loaded, judge.machine, data) if explain else None
    if _listen(judge, asked, place, file, unit=unit, keep_audio=keep_audio, says_why=says_why, show=windows):
        raise typer.Exit(FAILED)


class Judge(NamedTuple):
    """What judges: a detector, what it knows of the machine that is heard, and the system."""

    detector: Detector
    machine: KnownMachine
    system: str


def _listen(
    judge: Judge,
    asked: Settings,
    place: Source,
    file: Path,
    *,
    unit: str,
    keep_audio: float,
    says_why: Explains | None,
    show: bool,
) -> int:
    """Listen until the source ends, and return how many alarms began."""
    from asdcore.compute.threads import single_threaded
    from asdcore.monitor.journal import Journal
    from asdcore.monitor.keep_audio import AudioKept
    from asdcore.monitor.monitor import keep_folder
    from asdcore.monitor.setup import settings_written

    journal = Journal(file, settings_written(*judge, asked), _wait_for_room if _is_patient(place) else None)
    try:
        kept = AudioKept(keep_folder(file), keep_audio)
        under_way = _monitor(judge, asked, journal, kept, unit=unit, says_why=says_why, show=show)
        _tell(asked, under_way, file)
        with single_threaded():  # once, not for every window
            for event in under_way.listen(place):
                _print(event)
        count = _count(under_way.windows_now, "window") if under_way.windows_now else "Nothing new, 0 windows"
        typer.echo(f"{count}, {_count(under_way.begun_now, 'alarm')}{_going_on(under_way)}: {file}", err=True)
    except DataError:
        journal.discard()  # what cannot be heard leaves no log behind
        raise
    finally:
        journal.close()
    return under_way.begun_now


def _is_patient(source: Source) -> bool:
    """Whether a source can wait: recordings of a folder that is watched stay there until they are heard."""
    from asdcore.monitor.sources import Folder

    return isinstance(source, Folder) and not source.once


def _wait_for_room(problem: str) -> None:
    """Tell that the disk of the log is full, once, and wait a little."""
    text = f"{problem} Until there is room the monitor waits; recordings wait in their folder."
    if problem and is_answer_in_a_file():  # perhaps on the same disk: what cannot be written there ends the command
        typer.echo(f"note: {text}", err=True)
    elif problem:
        _print({"event": "note", "text": text})
    time.sleep(ROOM_S)


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def _monitor(
    judge: Judge,
    asked: Settings,
    journal: Journal,
    kept: AudioKept,
    *,
    unit: str,
    says_why: Explains | None,
    show: bool,
) -> Monitor:
    from asdcore.detector.adapting.heard_before import LearntSound
    from asdcore.monitor.monitor import Monitor

    detector, machine, system = judge
    return Monitor(
        lambda sound, rate: detector.score(sound, rate, machine.machine, machine.section, system=system),
        asked,
        journal,
        kept,
        _print if show else None,
        partial(_misfit, detector, machine, unit),
        says_why,
        LearntSound(machine).normal,
    )


def _misfit(detector: Detector, machine: KnownMachine, unit: str, given: Recording) -> str:
    """Return why a recording cannot be judged, "" if it can. unit : of recordings that say none."""
    of_kind = machine.kind.misfit(given.channels, given.sample_rate, given.unit or unit)
    return of_kind or detector.reading_misfit(Path(given.name))


def _source(source: str, *, once: bool, settle: float, sample_rate: int | None, channels: int) -> Source:
    """Return what to listen to; raises DataError if it is not there, or options do not fit it."""
    from asdcore.monitor.sources import File, Folder, Pipe

    if source == "-":
        if sample_rate is None:
            raise DataError("Samples on stdin do not say how fast they come. Name their rate: --sample-rate 16000")
        return Pipe(sys.stdin.buffer, sample_rate, channels)
    if sample_rate is not None or channels != 1:
        raise DataError(
            "--sample-rate and --channels are for samples on stdin (-). A file says its own: leave them out."
        )
    path = Path(source)
    if path.is_dir():
        return Folder(path, once=once, settle=settle)
    file = recording_path(path)
    if not file.exists():
        raise DataError(f"{file} does not exist. Give a recording, a folder, or - for raw samples on stdin.")
    if not file.is_file():
        raise DataError(f"{path} is neither a file nor a folder. Send raw samples from it to stdin: ... - < {path}")
    return File(path)


def _log_beside(source: str) -> Path:
    """Return the log that lies beside a source."""
    path = Path(source)
    named = path if path.name not in ("", "..") else path.resolve()
    return Path("stdin.monitor.jsonl" if source == "-" else f"{named}.monitor.jsonl")


def _check_apart(source: str, log: Path, keep_audio: float) -> None:
    """Raise DataError if the monitor would listen to the sound that it keeps."""
    from asdcore.monitor.monitor import keep_folder

    kept = keep_folder(log)
    if source != "-" and keep_audio and Path(source).is_dir() and kept.resolve().is_relative_to(Path(source).resolve()):
        raise DataError(f"--keep-audio would write into {kept}, which is listened to. Name a --log outside {source}.")


def _going_on(under_way: Monitor) -> str:
    alarm = under_way.past.alarms.current
    return f", alarm {alarm.id} goes on" if alarm else ""


def _tell(asked: Settings, under_way: Monitor, log: Path) -> None:
    """Say on stderr how the monitor listens."""
    rule = asked.rule
    typer.echo(
        f"Listening: windows of {asked.seconds:g} s every {asked.hop:g} s; {rule.k} of {rule.n} above "
        f"{rule.threshold:.6g} begin an alarm. On normal sound at most {asked.expected} are expected.",
        err=True,
    )
    if under_way.past.count:
        typer.echo(f"Going on after {_count(under_way.past.count, 'window')} in {log}{_going_on(under_way)}.", err=True)


def _print(event: dict[str, Any]) -> None:
    from asdcore.monitor.journal import in_json

    write_answer(in_json(event, encoding=sys.stdout.encoding or "utf-8"))
