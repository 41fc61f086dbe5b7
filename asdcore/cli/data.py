"""Commands about datasets: data synth, data index, data fetch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from asdcore.cli.output import terminal
from asdcore.cli.output.export import Csv, Latex, export
from asdcore.cli.registry import RegistryDir
from asdcore.cli.shared import FAILED, Json, Task, Workers, print_json, print_lines, progress
from asdcore.errors import AsdcoreError, DatasetError, by_recording, did_you_mean

if TYPE_CHECKING:
    import polars as pl

    from asdcore.contract.interfaces import Dataset
    from asdcore.data.clip_index.noticed import Noticed


def synth(
    root: Annotated[Path, typer.Argument(help="New folder for the dataset.")],
    profile: Annotated[str, typer.Option(help="How much to make: tiny, demo or full.")] = "demo",
    seed: Annotated[int, typer.Option(min=0, help="Another seed makes other machines.")] = 0,
    workers: Workers = 1,
) -> None:
    """Synthesize two-channel machine sound.

    Writes recordings of made-up machines, normal and faulty, in the DCASE 2026 layout. The same seed gives the same
    bytes, with any number of workers.

    Example: asdcore data synth data --profile tiny
    """
    synthesize(root, profile, seed, workers)
    typer.echo(f"Next: asdcore run demo --data {root} --task dcase2026 --out runs/mine")


def index(
    root: Annotated[Path, typer.Argument(help="Folder that holds <machine>/{train,test}/, under any file names.")],
    task: Task = None,
    write: Annotated[
        Path | None,
        typer.Option(
            "--write-index", help="New .csv or .parquet: a row for each recording, to fill in what is unknown."
        ),
    ] = None,
    as_json: Json = False,
    csv: Csv = None,
    latex: Latex = None,
) -> None:
    """List what a dataset holds, and what is wrong.

    Reads the recordings below ROOT. Prints the clips of each machine, section and split. The columns source and target
    count the clips of each domain; the domain of a test clip stays hidden. A second table counts the train clips whose
    order is known, and the recordings that they were cut from (0 if the dataset does not say). Then every problem is
    printed; exits with 1 if there is any. Files that are not named as in the challenge are read by their folders, or by
    a table ROOT/clips.csv, which --write-index begins.

    Example: asdcore data index data --task dcase2026
    """
    if write is not None and (as_json or csv or latex):
        raise AsdcoreError(f"--write-index writes {write}, and no other table: leave out --json, --csv and --latex.")
    read = _read(root, task, any_names=write is not None)
    if write is not None:
        _write_index(read, root, write)
        return
    _show(read, root, named=task is not None, as_json=as_json, csv=csv, latex=latex)
    if read.problems:
        raise typer.Exit(FAILED)


class _Read(NamedTuple):
    """What a dataset reader says of a folder: its name, the clip index, all problems, and what was noticed of files."""

    name: str
    reader: Dataset
    clips: pl.DataFrame
    problems: list[str]
    noticed: Noticed


def _read(root: Path, task: str | None, *, any_names: bool) -> _Read:
    """Read a folder; raises DatasetError if nothing was understood, unless names may be any."""
    import polars as pl

    from asdcore.components.readers import reader_of
    from asdcore.contract.plugins import installed
    from asdcore.data.clip_index.clips import completed
    from asdcore.data.clip_index.noticed import noticing

    name, reader = reader_of(task, root, installed())
    with noticing() as noticed:
        try:
            return _Read(name, reader, completed(reader.clips(root)), [], noticed)
        except DatasetError as error:
            if not any_names and (error.clips is None or error.clips.is_empty()):
                raise
            clips = pl.DataFrame() if error.clips is None else error.clips
            return _Read(name, reader, clips, error.problems, noticed)


def _write_index(read: _Read, root: Path, file: Path) -> None:
    """Write a table of all recordings, with what the reader understood of them."""
    from asdcore.components.readers import recordings_by
    from asdcore.data.clip_index.index_file import write_index

    clips, truth = (None, None) if read.clips.is_empty() else (read.clips, read.reader.ground_truth(root))
    count = write_index(root, file, clips, truth, recordings_by(read.reader, root))
    typer.echo(f"{file} lists {count} recordings. Fill in machine and split (train or test), and what else you know.")
    typer.echo(f"Next: asdcore data index {root}")


def _show(read: _Read, root: Path, *, named: bool, as_json: bool, csv: Path | None, latex: Path | None) -> None:
    """Print what the reader says, or write it as a table. named : whether the reader was named."""
    from asdcore.components.readers import set_aside_by
    from asdcore.data.clip_index.clips import count_clips, count_recordings
    from asdcore.data.clip_index.remarks import remarks_on

    machines, recordings = count_clips(read.clips), count_recordings(read.clips)
    notes = [*remarks_on(read.clips, read.noticed), *set_aside_by(read.reader, root)]
    result = {"machines": machines, "recordings": recordings, "problems": read.problems, "notes": notes}
    is_answered = export(machines, csv, latex)
    if as_json:
        print_json({"reader": read.name, **result})
    elif not is_answered:
        if not named:
            typer.echo(f"Read by: {read.name}")
        print_lines(terminal.table(machines, ("machine", "section", "split", "clips", "source", "target")))
        typer.echo()
        print_lines(terminal.table(recordings, ("machine", "section", "train", "ordered", "recordings")))
        print_lines([f"note: {note}" for note in notes])
        print_lines([f"problem: {problem}" for problem in by_recording(read.problems)])


def fetch(
    name: Annotated[str, typer.Argument(metavar="TASK|ID", help="Such as dcase2026, or one entry of the registry.")],
    out: Annotated[Path, typer.Option(help="Folder that gets <machine>/{train,test}/.")],
    machines: Annotated[str | None, typer.Option(help="Only these machines, with commas between them.")] = None,
    split: Annotated[str | None, typer.Option(help="Only dev, train (additional training) or eval.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the archives beside what was unpacked of them.")] = False,
    registry: RegistryDir = None,
) -> None:
    """Download a challenge's recordings and unpack them.

    Writes <machine>/{train,test}/ below --out. A stopped download goes on when the command is given again. If the
    organisers replaced an archive, the corrected one is taken. Mind the licence: 'asdcore registry list' shows it.

    Example: asdcore data fetch dcase2026 --out data --split dev
    """
    from asdcore.resources.archives import fetch_data
    from asdcore.resources.registry import open_registry

    wanted = [name.strip() for name in machines.split(",")] if machines else []
    resources = open_registry(registry)
    unpacked = fetch_data(name, out, resources, machines=wanted, split=split, keep=keep, progress=progress())
    typer.echo(f"{unpacked} archives were unpacked into {out}")
    typer.echo(f"Next: asdcore data index {out}")


def synthesize(root: Path, profile: str, seed: int, workers: int) -> None:
    """Make a synthetic dataset, with progress on stderr."""
    from asdcore.data.synth import PROFILES, clip_count
    from asdcore.data.synth import synthesize as make

    if profile not in PROFILES:
        raise AsdcoreError(f"There is no profile {profile!r}. {did_you_mean(profile, PROFILES)}")
    with progress().stage("synth", clip_count(profile)) as advance:
        make(root, profile, seed, workers, lambda: advance(1))
