"""Commands about external resources: registry list, verify, add, fetch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asdcore.cli.output import terminal
from asdcore.cli.output.export import Csv, Latex, export
from asdcore.cli.shared import FAILED, Json, print_json, print_lines, progress
from asdcore.errors import ResourceError

if TYPE_CHECKING:
    from asdcore.resources.entries import Resource

RegistryDir = Annotated[
    Path | None,
    typer.Option(
        "--registry",
        exists=True,
        file_okay=False,
        help="Folder of entries. Default: those that asdcore ships, and the user's own.",
    ),
]
Ids = Annotated[list[str] | None, typer.Argument(help="Ids of entries. Default: all.")]


def list_(as_json: Json = False, registry: RegistryDir = None, csv: Csv = None, latex: Latex = None) -> None:
    """List checkpoints and datasets.

    Prints of every entry in the registry its licence, the plugin that it is for, how its files are checked, and whether
    they are here. With --json also where each file comes from and its hash.

    Example: asdcore registry list
    """
    from asdcore.resources.registry import open_registry

    rows = [_row(entry) for entry in open_registry(registry).entries()]
    short = {row["id"]: str(row["licence"]).partition(" (")[0] for row in rows}
    shown = [{**row, "licence": short[row["id"]], "here": "yes" if row["here"] else "no"} for row in rows]
    columns = ("id", "kind", "plugin", "licence", "check", "here", "title")
    is_answered = export([{name: row[name] for name in columns} for row in shown], csv, latex)
    if as_json:
        print_json({"resources": rows})
    elif not is_answered:
        print_lines(terminal.table(shown, columns))


def verify(ids: Ids = None, registry: RegistryDir = None) -> None:
    """Check every entry, and hash every file that is here.

    Prints a line for each file. Exits with 1 if an entry or a file is wrong.

    Example: asdcore registry verify beats-iter3-plus-as2m
    """
    from asdcore.resources.registry import difference, open_registry, resource_folder

    try:
        resources = open_registry(registry)
    except ResourceError as error:
        typer.echo(f"WRONG  {error}")
        raise typer.Exit(FAILED) from error
    entries = [resources.entry(identifier) for identifier in ids] if ids else resources.entries()
    every = [(entry, file, resource_folder(entry.id) / file.name) for entry in entries for file in entry.files]
    here = [(entry, file, path) for entry, file, path in every if path.is_file()]
    problems = [difference(file, path) for _, file, path in here]
    for (entry, file, _), problem in zip(here, problems, strict=True):
        passed = "no hash is recorded" if file.check == "none" else f"{file.check} as recorded"
        typer.echo(f"WRONG  {entry.id}: {problem}" if problem else f"ok     {entry.id}: {file.name}, {passed}")
    wrong = len([problem for problem in problems if problem])
    typer.echo(f"{len(entries)} entries, {len(here)} files are here, {wrong} wrong")
    if wrong:
        raise typer.Exit(FAILED)


def add(
    file: Annotated[Path, typer.Argument(help="File, or folder of files, to record.")],
    identifier: Annotated[str | None, typer.Option("--id", help="Entry to complete or to make.")] = None,
    title: Annotated[str | None, typer.Option(help="What it is, in a few words.")] = None,
    source: Annotated[str | None, typer.Option(help="Address of the page that publishes it.")] = None,
    revision: Annotated[str | None, typer.Option(help="Commit, record or release that pins it there.")] = None,
    licence: Annotated[str | None, typer.Option(help="Its licence.")] = None,
    plugin: Annotated[str | None, typer.Option(help="Encoder or dataset reader that it is for.")] = None,
    kind: Annotated[str | None, typer.Option(help="checkpoint (the default) or dataset.")] = None,
    own: Annotated[bool, typer.Option("--own", help="You made it yourself: no --source or --licence.")] = False,
    registry: RegistryDir = None,
) -> None:
    """Record a local file's hash, and put it in place.

    Reads a file that you downloaded or made. Writes its size and hash into its entry, and puts it where asdcore looks
    for files. A hash that contradicts the recorded one is refused.

    Example: asdcore registry add model.pt --id my-model --title Mine --own
    """
    from asdcore.resources.add import add as adopt
    from asdcore.resources.registry import open_registry, resource_folder

    description = {
        "title": title,
        "source": source,
        "revision": revision,
        "licence": licence,
        "plugin": plugin,
        "kind": kind,
    }
    entry = adopt(
        file,
        open_registry(registry),
        identifier,
        own=own,
        **{key: value for key, value in description.items() if value},
    )
    typer.echo(f"{entry.id}: {resource_folder(entry.id)}")
    for recorded in entry.files:
        typer.echo(f"  {recorded.name}  {recorded.sha256 or 'no SHA-256'}")


def fetch(
    ids: Annotated[list[str], typer.Argument(help="Ids of entries.")],
    registry: RegistryDir = None,
) -> None:
    """Download files, resuming; keep only what has the recorded hash.

    Prints the path of every file.

    Example: asdcore registry fetch beats-iter3-plus-as2m
    """
    from asdcore.resources.downloads import fetch as download
    from asdcore.resources.registry import open_registry

    resources = open_registry(registry)
    for entry in [resources.entry(identifier) for identifier in ids]:
        for path in download(entry, progress()):
            typer.echo(path)


def _row(entry: Resource) -> dict[str, Any]:
    """Return what the list shows of an entry."""
    from asdcore.resources.registry import resource_folder

    paths = [resource_folder(entry.id) / file.name for file in entry.files]
    checks = {file.check for file in entry.files}
    return {
        **entry.model_dump(exclude={"files"}),
        "check": next(check for check in ("none", "md5", "sha256") if check in checks),
        "files": [{**file.model_dump(), "url": entry.url(file)} for file in entry.files],
        "here": all(path.is_file() for path in paths),
        "folder_on_disk": str(resource_folder(entry.id)),
    }
