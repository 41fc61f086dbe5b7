"""Commands that carry a frozen portfolio to the machines: export, detect."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from asdcore.basics.recording_parts import recording_path
from asdcore.cli.detectors.onnx import Onnx, Parity, check_asked, lines_of, write_onnx
from asdcore.cli.freeze import PublicKey, RunDir, Store, failing
from asdcore.cli.output.streams import write_answer
from asdcore.cli.shared import FAILED, Json, Machine, Section, System, print_json, print_lines, progress
from asdcore.errors import DataError, PluginError

if TYPE_CHECKING:
    from asdcore.data.recordings.audio import AudioFacts
    from asdcore.detector.detector import Detector
    from asdcore.detector.verdict import Verdict


def export(
    manifest: Annotated[Path, typer.Argument(help="A frozen manifest (.json); with --onnx also a detector (.asd).")],
    out: Annotated[Path | None, typer.Option(help="Detector to write (.asd).")] = None,
    onnx: Onnx = None,
    machine: Machine = None,
    section: Section = None,
    system: System = None,
    parity: Parity = None,
    with_checkpoints: Annotated[
        bool, typer.Option("--with-checkpoints", help="Put the encoders' checkpoints inside, too.")
    ] = False,
    run: RunDir = None,
    store: Store = None,
) -> None:
    """Write a frozen run as a detector, or as an ONNX file.

    Reads a manifest and what its scorers have learnt. Writes one file that scores a clip as infer would, and needs
    neither the store nor the recordings (--out). --onnx writes one machine and system for runtimes without Python, and
    proves that its scores are those of the detector; what cannot be ONNX is named.

    Example: asdcore export first.json --out first.asd
    """
    from asdcore.detector.export import export as export_detector

    asked = {"machine": machine, "section": section, "system": system}
    check_asked(out, onnx, {**asked, "parity": parity}, manifest)
    more: dict[str, Any] = {"run": run, "store": store, "progress": progress()}
    with failing():
        if out is not None:
            path = export_detector(manifest, out, with_checkpoints=with_checkpoints, **more)
            typer.echo(f"Detector: {path}, {path.stat().st_size / 1e6:.1f} MB")
            typer.echo(f"Next: asdcore detect {path} {_choices(manifest)}FILE.wav")
        if onnx is not None:
            print_lines(lines_of(write_onnx(manifest, onnx, asked, parity, **more)))


def detect(
    detector: Annotated[Path, typer.Argument(help="A detector (.asd).")],
    files: Annotated[list[Path], typer.Argument(help="Recordings, one clip each.")],
    machine: Machine = None,
    section: Section = None,
    system: System = None,
    key: PublicKey = None,
    as_json: Json = False,
) -> None:
    """Score recordings with a detector.

    Reads a detector and recordings, under any names. Prints a line of CSV for each: score, p-value among train
    normals, threshold, decision (1: anomalous) and the train clip that sounds most alike. --json adds the share of
    every branch and guard. A recording that is a train normal, in whatever file, is named. Exits with 1 if a recording
    was not scored.

    Example: asdcore detect first.asd --machine SynFan clip.wav
    """
    from asdcore.detector.load import load_detector

    with failing():
        loaded = load_detector(detector, public_key=key)
        for note in loaded.notes:
            typer.echo(f"note: {note}", err=True)
        clips, troubles = _clips(loaded, files)
        scored, unscored = _verdicts(loaded, clips, machine, section, system)
        learnt = _learnt(loaded, scored, machine, section)
        _note_level(loaded, scored, machine, section)
    if as_json:
        verdicts = [
            {"file": str(clip.file), **clip.verdict.as_json(), "learnt": learnt.get(str(clip.file))} for clip in scored
        ]
        print_json({"detector": loaded.name, "manifest_sha256": loaded.manifest_sha256, "clips": verdicts})
    else:
        write_answer(_csv(scored), end="")
    for trouble in (*troubles, *unscored):
        typer.echo(f"Error: {trouble}", err=True)
    if troubles or unscored:
        raise typer.Exit(FAILED)


def _clips(detector: Detector, files: list[Path]) -> tuple[list[Path], list[str]]:
    """Return the clips of files, windows if the detector learnt from such, and what is wrong with files without any."""
    from asdcore.data.clip_index.windows import windows_of

    if detector.windows is None:
        return files, []
    clips, troubles = [], []
    for file in files:
        try:
            windows, notes = windows_of(file, detector.windows.seconds, detector.windows.hop)
            clips += windows
            for note in notes:
                typer.echo(f"note: {file}: {note}", err=True)
        except DataError as error:
            troubles.append(f"{file}: {str(error).removeprefix(f'{file.name}: ')}")
    return clips, troubles


def _choices(manifest: Path) -> str:
    """Return the options that a detector of this manifest cannot do without, with a machine and system that it has."""
    from asdcore.frozen.manifest.statement import read_manifest

    pinned = read_manifest(manifest)
    systems, cells = sorted(pinned.predicate["portfolio"]["systems"]), pinned.cells
    machine, section = cells[0]
    options = f"--machine {machine} " if len({name for name, _ in cells}) > 1 else ""
    options += f"--section {section} " if [name for name, _ in cells].count(machine) > 1 else ""
    return options + (f"--system {systems[0]} " if len(systems) > 1 and pinned.predicate["name"] not in systems else "")


class _Scored(NamedTuple):
    """A recording, what it is, and the verdict on it."""

    file: Path
    facts: AudioFacts
    verdict: Verdict


def _verdicts(
    detector: Detector, files: list[Path], machine: str | None, section: str | None, system: str | None
) -> tuple[list[_Scored], list[str]]:
    """Return the verdict on every recording, and what is wrong with those that have none."""
    from asdcore.detector.recording import score_file

    detector.check_asked(machine, section, system)
    scored, troubles = [], _Troubles()
    for file in files:
        try:
            if file.is_dir():
                raise DataError(f"is a folder: name the files in it, such as {file / '*.wav'}")
            verdict, facts = score_file(detector, file, machine, section, system=system)
            scored.append(_Scored(file, facts, verdict))
        except (DataError, PluginError) as error:
            troubles.add(file, str(error).removeprefix(f"{file.name}: "))
    return scored, troubles.lines()


def _learnt(detector: Detector, scored: list[_Scored], machine: str | None, section: str | None) -> dict[str, str]:
    """Return the recordings that the detector has learnt, {file: the train normal that it is}, and say so."""
    import polars as pl

    from asdcore.data.clip_index.same_sound import SOUND, with_sounds
    from asdcore.detector.adapting.heard_before import heard_again_note, learnt_before

    if not scored:
        return {}
    rows = [(str(clip.file), clip.facts.sha256, clip.facts.sound) for clip in scored]
    clips = pl.DataFrame(rows, schema=dict.fromkeys(("clip", "sha256", SOUND), pl.String), orient="row")
    if detector.windows is not None:
        clips = with_sounds(clips.drop(SOUND), Path(), in_windows=True)
    learnt = learnt_before(clips, detector.known(machine, section))
    if learnt:
        typer.echo(f"note: {heard_again_note(learnt)}", err=True)
    return learnt


def _note_level(detector: Detector, scored: list[_Scored], machine: str | None, section: str | None) -> None:
    """Say so if recordings are far louder or softer than the train normals of every baseline."""
    from asdcore.data.clip_index.levels import level_note

    if levels := [clip.facts.level for clip in scored if clip.facts.level is not None]:
        learnt = detector.known(machine, section)
        where = f"{learnt.machine} section {learnt.section}"
        notes = [level_note(where, "recording", levels, normal) for normal in learnt.levels]
        if notes and all(notes):
            typer.echo(f"note: {notes[-1]}", err=True)


class _Troubles:
    """What is wrong with recordings: once for all windows of one with which the same is wrong."""

    def __init__(self) -> None:
        self._clips: dict[tuple[Path, str], list[Path]] = {}

    def add(self, clip: Path, what: str) -> None:
        """Take what is wrong with a clip."""
        self._clips.setdefault((recording_path(clip), what), []).append(clip)

    def lines(self) -> list[str]:
        """Return a line for each recording and trouble, with the first of its windows."""
        return [
            f"{clips[0]}: {what}" + (f" (the same of {len(clips) - 1} more of its windows)" if len(clips) > 1 else "")
            for (_, what), clips in self._clips.items()
        ]


COLUMNS = ["file", "machine", "section", "system", "score", "p_value", "threshold", "decision", "nearest"]


def _csv(scored: list[_Scored]) -> str:
    """Return a line for each recording."""
    lines = [_line(COLUMNS)]
    for file, _, verdict in scored:
        near = verdict.nearest
        values: list[Any] = [verdict.machine, verdict.section, verdict.system, verdict.score, verdict.p_value]
        lines.append(_line([file, *values, verdict.threshold, int(verdict.anomalous), near.clip if near else ""]))
    return "".join(lines)


def _line(values: list[Any]) -> str:
    """Return one line of CSV. A file's name may hold either character that ends a line; csv quotes its own alone."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(values)
    return text.getvalue().removesuffix("\r\n") + "\n"
