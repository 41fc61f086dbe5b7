"""The command monitor: a detector that listens to a long recording, a folder that fills, or a stream."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asdcore.cli.freeze import PublicKey, failing
from asdcore.cli.shared import FAILED
from asdcore.errors import DataError

if TYPE_CHECKING:
    from asdcore.monitor.monitor import Settings
    from asdcore.monitor.sources import Source


def monitor(
    detector: Annotated[Path, typer.Argument(help="A detector (.asd).")],
    source: Annotated[
        str, typer.Argument(help="A long recording, a folder that fills, or - for raw samples on stdin.")
    ],
    machine: Annotated[
        str | None, typer.Option(help="The machine that is heard. Default: the only one that the detector knows.")
    ] = None,
    section: Annotated[str | None, typer.Option(help="Its section. Default: the only one.")] = None,
    system: Annotated[str | None, typer.Option(help="The system. Default: as detect.")] = None,
    log: Annotated[
        Path | None, typer.Option(help="File that remembers all windows. Default: SOURCE.monitor.jsonl")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Length of a window. Default: of the train clips.")] = None,
    hop: Annotated[float | None, typer.Option(help="From one window to the next. Default: the length.")] = None,
    alarm: Annotated[str, typer.Option(help="k/n: an alarm begins with k of n windows above the threshold.")] = "3/5",
    promise: Annotated[
        str | None, typer.Option(help="False alarms allowed, such as '1 per week': sets the threshold.")
    ] = None,
    keep_audio: Annotated[float, typer.Option(help="Seconds of sound to keep before an alarm.")] = 0.0,
    once: Annotated[
        bool, typer.Option("--once", help="Of a folder: end when all that is there has been heard.")
    ] = False,
    sample_rate: Annotated[int | None, typer.Option(help="Of stdin: Hz.")] = None,
    channels: Annotated[int, typer.Option(help="Of stdin: how many, interleaved; samples are 16-bit.")] = 1,
    windows: Annotated[bool, typer.Option("--windows", help="Print every window, not events alone.")] = False,
    key: PublicKey = None,
) -> None:
    """Listen to a machine, and raise alarms.

    Reads a detector and a source of sound. Prints events as lines of JSON: an alarm that begins or ends, drift, a note.
    All windows go into the log, from which the monitor goes on if it was stopped, by whatever. Exits with 1 if an alarm
    began, 0 if none did.

    Example: asdcore monitor pump.asd night.wav --alarm 3/5 --promise '1 per day'
    """
    from asdcore.detector.detector import load_detector
    from asdcore.monitor.journal import Journal
    from asdcore.monitor.keep_audio import AudioKept
    from asdcore.monitor.monitor import Monitor, keep_folder
    from asdcore.monitor.setup import settings_of, settings_written

    place = _source(source, once=once, sample_rate=sample_rate, channels=channels)
    file = log or Path(f"{'stdin' if source == '-' else source.rstrip('/')}.monitor.jsonl")
    with failing():
        loaded = load_detector(detector, public_key=key)
        name = loaded.chosen_system(system)
        known = loaded.known(machine, section)
        asked = settings_of(known, name, seconds=seconds, hop=hop, alarm=alarm, promise=promise)
    journal = Journal(file, settings_written(loaded, known, name, asked))
    try:
        under_way = Monitor(
            lambda sound, rate: loaded.score(sound, rate, known.machine, known.section, system=name),
            asked,
            journal,
            AudioKept(keep_folder(file), keep_audio),
            _print if windows else None,
        )
        _tell(asked, under_way.count, file)
        for event in under_way.listen(place):
            _print(event)
        typer.echo(f"{under_way.windows_now} windows, {under_way.begun_now} alarms: {file}", err=True)
    finally:
        journal.close()
    if under_way.begun_now:
        raise typer.Exit(FAILED)


def _source(source: str, *, once: bool, sample_rate: int | None, channels: int) -> Source:
    """Return what to listen to; raises DataError if it is not there, or options do not fit it."""
    from asdcore.monitor.sources import File, Folder, Pipe

    if source == "-":
        if sample_rate is None:
            raise DataError("Samples on stdin do not say how fast they come. Name their rate: --sample-rate 16000")
        return Pipe(sys.stdin.buffer, sample_rate, channels)
    path = Path(source)
    if path.is_dir():
        return Folder(path, once=once)
    if not path.exists():
        raise DataError(f"{path} does not exist. Give a recording, a folder, or - for raw samples on stdin.")
    return File(path)


def _tell(asked: Settings, before: int, log: Path) -> None:
    """Say on stderr how the monitor listens."""
    rule = asked.rule
    typer.echo(
        f"Listening: windows of {asked.seconds:g} s every {asked.hop:g} s; {rule.k} of {rule.n} above "
        f"{rule.threshold:.6g} begin an alarm. On normal sound at most {asked.expected} are expected.",
        err=True,
    )
    if before:
        typer.echo(f"Going on after {before} windows in {log}.", err=True)


def _print(event: dict[str, Any]) -> None:
    typer.echo(json.dumps(event, ensure_ascii=False))
    sys.stdout.flush()
