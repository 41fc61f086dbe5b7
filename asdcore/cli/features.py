"""Commands about features from elsewhere: features import, features export."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from asdcore.cli.shared import Json, StoreDir, Task, print_json, print_lines


def import_(
    table: Annotated[Path, typer.Argument(help="Parquet, npz or a folder of npy: clip or SHA-256 -> features.")],
    name: Annotated[str, typer.Option(help="What the features are called, such as fisher-tiny.")],
    version: Annotated[str | None, typer.Option(help="Which of several under this name, such as 1.0.")] = None,
    source: Annotated[str | None, typer.Option(help="Where they come from: an address, or some words.")] = None,
    licence: Annotated[str | None, typer.Option(help="Their licence. Default: own.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder that holds <machine>/{train,test}/; every clip in it must have features."),
    ] = None,
    task: Task = None,
    seconds: Annotated[
        float | None, typer.Option(help="The table is of windows of this length, as 'asdcore run' cuts them.")
    ] = None,
    hop: Annotated[float | None, typer.Option(help="Seconds from one window to the next. Default: the length.")] = None,
    store: StoreDir = None,
    as_json: Json = False,
) -> None:
    """Import features that another program computed.

    Reads a table with a vector for each clip, or frames: a Parquet table with a column 'clip' or 'audio_sha256' and a
    column of lists, an npz file with an array for each clip, or a folder of CLIP.npy files. Writes them to one file of
    the registry, which branches name by the encoder 'imported'. Clip names need --data, which tells the recordings. Of
    clips cut from recordings, columns 'start' and 'end' (or 'length'), in seconds, and 'channel' say which a row is of.

    Example: asdcore features import vectors.npz --name my-model --data sound
    """
    from asdcore.exchange.imported import ENCODER, import_features

    about = {"version": version, "source": source, "licence": licence}
    imported = import_features(table, name, data=data, task=task, store=store, seconds=seconds, hop=hop, **about)
    if as_json:
        print_json({**asdict(imported), "path": str(imported.path)})
        return
    unused, clips = len(imported.unused), "clip" if imported.recordings == 1 else "clips"
    print_lines(
        [
            f"{imported.name}: features {imported.shape} of {imported.recordings} {clips}, in {imported.path}",
            *([f"{unused} of no clip here, and left out, such as {imported.unused[0]}."] if unused else []),
            "A branch names them so:",
            f'  encoder = {{ name = "{ENCODER}", checkpoint = "{imported.name}" }}',
        ]
    )


def export(
    run: Annotated[Path, typer.Argument(help="Finished run folder.")],
    out: Annotated[Path, typer.Option(help="New NAME.parquet, NAME.npz, or a folder of npy files.")],
    branch: Annotated[str | None, typer.Option(help="Whose features. Needed if the run has several branches.")] = None,
    store: StoreDir = None,
) -> None:
    """Export the features of one branch of a run.

    Reads a run and the store that it was made with. Writes the features of every clip, train and test, by clip name
    (and SHA-256 in Parquet): {file: embedding}, as benchmarks of embeddings read them.

    Example: asdcore features export runs/first --out features.npz
    """
    from asdcore.exchange.exported import export_features

    typer.echo(export_features(run, out, branch=branch, store=store))
