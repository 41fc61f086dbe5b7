"""Lists the faults that somebody knows: a folder of recordings, or a table of them, and which machine each is of.

FOLDER/<machine>/<kind of fault>/*.wav     or FOLDER/<machine>/*.wav; of a run of one machine also FOLDER/*.wav
INDEX (.csv or .parquet)                   path (from the table's folder), machine, and perhaps section, kind, label

Of a run that cuts recordings into windows each fault is a recording, and its windows are heard.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.basics.paths import SOUNDS, files_below
from asdcore.basics.recording_parts import part_of, recording_path
from asdcore.basics.spreadsheets import read_spreadsheet
from asdcore.basics.table_files import read_foreign_parquet
from asdcore.data.clip_index.same_sound import sharing
from asdcore.data.clip_index.windows import windows_of
from asdcore.data.recordings.audio import AudioFacts, inspect_audio
from asdcore.errors import DataError, did_you_mean
from asdcore.evidence.selection.fault_kinds import check_comparable
from asdcore.portfolio import parse_portfolio
from asdcore.runs.folder import Run
from asdcore.runs.sounds import with_sounds
from asdcore.store.digests.digest import file_digest
from asdcore.store.tables import CELL, CLIP_INDEX

COLUMNS = ("path", "machine", "section", "kind", "label")
"""The columns of a table that are read."""

NORMAL = ("normal", "0", "0.0", "ok", "good", "false")
"""What a label may say of a clip without a fault, in small letters."""

_NORMAL_NAME = re.compile(r"(^|[_.-])normal([_.-]|$)")
_SECTION = re.compile(r"(?:^|_)section_(\d\d)(?:_|\.)")


@dataclass(frozen=True)
class Fault:
    """A recording of a known fault: its file, machine, section, kind ("" if nobody says it) and audio facts.

    copies : the digests of the run's clips of the same sound, in whatever format. windows : those of the recording, if
    the run cuts recordings into windows.
    """

    path: Path
    machine: str
    section: str
    kind: str
    facts: AudioFacts
    copies: tuple[str, ...] = ()
    windows: tuple[Fault, ...] = ()

    @property
    def sha256(self) -> str:
        """The digest of its file."""
        return self.facts.sha256

    @property
    def heard(self) -> tuple[Fault, ...]:
        """What the run's branches score of it: its windows, or all of it as one clip."""
        return self.windows or (self,)


def known_faults(place: Path, run: Run) -> list[Fault]:
    """List the known faults of the machines of a run.

    Parameters
    ----------
    place : pathlib.Path
        A folder, or a table.
    run : Run
        A finished run: its machines, and its train clips, none of which may be a fault.

    Returns
    -------
    list of Fault
        Sorted by path; none if the folder or the table is empty.

    Raises
    ------
    DataError
        If a clip is of no machine of the run, is a train clip or a test clip of another machine, is there twice, is
        silent or of another rate, unit or number of channels than the train clips, or is said to be normal (by a label,
        its name, or that of the run's test clip of the same content), or if some faults have a kind and others none.
    """
    if not place.exists():
        raise DataError(
            f"There are no known faults at {place}. Give a folder FOLDER/<machine>/<kind>/*.wav, or a table (.csv, "
            ".parquet) with the columns path and machine."
        )
    rows = _of_folder(place, run) if place.is_dir() else _of_table(place)
    faults = [_in_windows(_fault(row, run), run) for row in rows]
    _check_normals(rows)
    same = _same_sound(faults, run)
    _check_train(faults, same.filter(split="train"), run)
    check_comparable([(fault.path, (fault.machine, fault.section), fault.facts) for fault in faults], run.clips)
    _check_test(faults, same.filter(split="test"))
    copies = dict(same.group_by("fault").agg(pl.col("sha256").unique().sort()).rows())
    faults = [replace(fault, copies=tuple(copies.get(fault.sha256, ()))) for fault in faults]
    _check_once(faults)
    without = [fault for fault in faults if not fault.kind]
    if 0 < len(without) < len(faults):
        raise DataError(
            f"{len(without)} of {len(faults)} known faults have no kind, the first: {without[0].path}. Say the kind of "
            "all of them (in a folder of that name, or the column kind), or of none."
        )
    return faults


def test_index(faults: list[Fault]) -> pl.DataFrame:
    """Return a clip index of faults, or of their windows, as test clips that are named by their absolute paths."""
    rows = [
        {
            "clip": str(fault.path.absolute()),
            "machine": fault.machine,
            "section": fault.section,
            "split": "test",
            **{name: getattr(fault.facts, name) for name in ("channels", "sample_rate", "n_samples", "sha256")},
        }
        for fault in faults
    ]
    lacking = [name for name in CLIP_INDEX.columns if not rows or name not in rows[0]]
    frame = pl.DataFrame(rows, schema={name: kind for name, kind in CLIP_INDEX.columns.items() if name not in lacking})
    return CLIP_INDEX.check(frame.with_columns(pl.lit(None, CLIP_INDEX.columns[name]).alias(name) for name in lacking))


Row = Mapping[str, Any]


def _of_folder(folder: Path, run: Run) -> list[Row]:
    machines = run.clips["machine"].unique().sort().to_list()
    rows: list[Row] = []
    for path in _sounds(folder):
        *parents, name = path.relative_to(folder).parts
        if parents and parents[0] in machines:
            machine, *kinds = parents
        elif len(machines) == 1:
            machine, kinds = machines[0], parents
        else:
            raise DataError(
                f"{path}: which machine is this a fault of? Put it into {folder}/<machine>/. The machines of the run: "
                f"{', '.join(machines)}."
            )
        rows.append({"path": path, "machine": machine, "kind": "/".join(kinds), "name": name})
    return rows


def _sounds(folder: Path) -> Iterator[Path]:
    """Yield the recordings below a folder, in order, without hidden ones."""
    for path in files_below(folder):
        if path.suffix.lower() in SOUNDS and path.is_file():
            yield path


def _of_table(table: Path) -> list[Row]:
    try:
        frame = read_foreign_parquet(table) if table.suffix == ".parquet" else read_spreadsheet(table)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise DataError(
            f"{table} cannot be read as a table ({str(error).splitlines()[0]}). A .csv or .parquet file with the "
            "columns path and machine is allowed, and section, kind and label beside them."
        ) from None
    if missing := [name for name in ("path", "machine") if name not in frame.columns]:
        raise DataError(
            f"{table} lacks the column {missing[0]}; it has {', '.join(frame.columns)}. Needed are path and machine, "
            "and allowed section, kind and label."
        )
    columns = [name for name in COLUMNS if name in frame.columns]
    if wrong := [name for name in columns if frame.schema[name].is_nested() or frame.schema[name] == pl.Binary]:
        raise DataError(f"{table}, column {wrong[0]!r} holds {frame.schema[wrong[0]]}. Text and numbers are allowed.")
    texts = frame.select(pl.col(columns).cast(pl.String, strict=False).fill_null("")).sort("path")
    return [{**row, "path": table.parent / row["path"], "name": Path(row["path"]).name} for row in texts.to_dicts()]


def _fault(row: Row, run: Run) -> Fault:
    path, machine = Path(row["path"]), str(row["machine"])
    sections = run.clips.filter(pl.col("machine") == machine)["section"].unique().sort().to_list()
    if not sections:
        machines = run.clips["machine"].unique().to_list()
        raise DataError(f"{path}: {machine!r} is not a machine of the run. {did_you_mean(machine, machines)}")
    if not recording_path(path).is_file():
        raise DataError(f"There is no recording {path}. Repair its path in the table of known faults.")
    named = _SECTION.search(str(row["name"]))
    section = str(row.get("section") or (named[1] if named else "") or (sections[0] if len(sections) == 1 else ""))
    if section not in sections:
        raise DataError(
            f"{path}: {f'there is no section {section} of' if section else 'which section of'} {machine}"
            f"{'.' if section else ' is this?'} The run has {', '.join(sections)}. Name it section_NN_..., or give the "
            "column section."
        )
    return Fault(path, machine, section, str(row.get("kind") or ""), inspect_audio(path))


def _in_windows(fault: Fault, run: Run) -> Fault:
    """Return the fault with its windows, if the run cuts recordings into such."""
    windows = parse_portfolio(run.about["portfolio"]).windows
    if windows is None:
        return fault
    try:
        paths, _ = windows_of(fault.path, windows.seconds, windows.hop)
    except DataError as error:
        raise DataError(
            f"{error}. The run cuts recordings into windows of {windows.seconds:g} s, and a known fault must have at "
            "least one: leave this one out, or give a longer recording of it."
        ) from None
    return replace(fault, windows=tuple(replace(fault, path=path, facts=inspect_audio(path)) for path in paths))


def _check_normals(rows: list[Row]) -> None:
    normal = [
        row
        for row in rows
        if str(row.get("label", "")).strip().lower() in NORMAL or _NORMAL_NAME.search(Path(row["name"]).stem)
    ]
    if normal:
        only = " There is no fault among them." if len(normal) == len(rows) else ""
        raise DataError(
            f"{len(normal)} of {len(rows)} known faults are normal clips by name or label, the first: "
            f"{normal[0]['path']}.{only} Normals come from the train clips of the run: give faults alone."
        )


def _same_sound(faults: list[Fault], run: Run) -> pl.DataFrame:
    """Return the clips of a run that are known faults, ``fault`` the digest of which: the same file, or same sound.

    So are clips that share a stretch of a file with a fault, wherever each of them begins and ends.
    """
    schema = dict.fromkeys(("fault", "heard", "sound"), pl.String)
    heard = [(fault.sha256, part.sha256, part.facts.sound or None) for fault in faults for part in fault.heard]
    digests = pl.DataFrame(heard, schema=schema, orient="row")
    if not faults:
        return run.clips.clear().with_columns(fault=pl.lit(None, pl.String))
    files = run.clips.join(digests.select("fault", sha256="heard"), on="sha256")
    sounds = with_sounds(run, run.clips).join(digests.drop("heard").drop_nulls(), on="sound")
    stretches = {fault.sha256: (_file_digest(fault), part_of(fault.path.name)) for fault in faults}
    shared = run.clips.join(sharing(run.clips, stretches).rename({"key": "fault"}), on="clip").select(files.columns)
    return pl.concat([files, sounds.select(files.columns), shared]).unique(["fault", "clip"]).sort("clip")


def _file_digest(fault: Fault) -> str:
    is_all = part_of(fault.path.name).is_whole
    return fault.sha256 if is_all else file_digest(recording_path(fault.path))


def _check_train(faults: list[Fault], train: pl.DataFrame, run: Run) -> None:
    """Raise DataError if a fault is one of these train clips, or of a machine and section without normals."""
    heard = dict(train.select("fault", "clip").rows())
    if trained := [fault for fault in faults if fault.sha256 in heard]:
        raise DataError(
            f"{len(trained)} of {len(faults)} known faults are train clips of the run, the first: {trained[0].path} is "
            f"{heard[trained[0].sha256]}. If they are faults, take them out of train/ and run again; if they are "
            "normal, leave them out here."
        )
    normals = set(run.clips.filter(pl.col("split") == "train").select(CELL).unique().rows())
    for fault in faults:
        if (fault.machine, fault.section) not in normals:
            raise DataError(f"{fault.path}: the run has no train normals of {fault.machine} section {fault.section}.")


def _check_test(faults: list[Fault], test: pl.DataFrame) -> None:
    """Raise DataError if a fault is one of these test clips, which is of another machine or section, or named normal.

    A clip that lies in several places may be of any of them.
    """
    for fault in faults:
        clips = test.filter(pl.col("fault") == fault.sha256)
        own = clips.filter((pl.col("machine") == fault.machine) & (pl.col("section") == fault.section))
        if len(clips) and own.is_empty():
            raise DataError(
                f"{fault.path} is said to be of {fault.machine} section {fault.section}, and is the test clip "
                f"{clips['clip'][0]} of the run. Say the machine and section that it is of."
            )
        if normal := [clip for clip in clips["clip"] if _NORMAL_NAME.search(Path(clip).stem)]:
            raise DataError(
                f"{fault.path} is the test clip {normal[0]} of the run, which is normal by its name. Give faults alone."
            )


def _check_once(faults: list[Fault]) -> None:
    paths: dict[str, Path] = {}
    for fault in faults:
        own = {fault.facts.sound or fault.sha256, *(window.sha256 for window in fault.windows)}
        if same := next((paths[digest] for digest in own if digest in paths), None):
            raise DataError(
                f"{fault.path} and {same} are the same recording. Give each fault once: it would count double."
            )
        paths |= dict.fromkeys(own, fault.path)
