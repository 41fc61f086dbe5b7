"""Commands about plugins: plugins, new-plugin, check-plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asdcore.cli.output import terminal
from asdcore.cli.output.export import Csv, Latex, export
from asdcore.cli.shared import FAILED, Json, print_json, print_lines


def plugins(as_json: Json = False, csv: Csv = None, latex: Latex = None) -> None:
    """List plugins and what they offer.

    Prints kind, name, plugin, distribution and version of every installed component. With --json also the SHA-256 of
    each one's source, and the hooks that it has.

    Example: asdcore plugins
    """
    from asdcore.contract.interfaces import KINDS
    from asdcore.contract.plugins import installed

    loaded = installed()
    rows = [
        {
            "kind": component.kind,
            "name": component.name,
            "plugin": component.plugin,
            "distribution": component.distribution,
            "version": component.version,
            # Shown in the table it would double the time the command takes.
            **({"source_sha256": component.source_digest} if as_json else {}),
        }
        for kind in KINDS
        for component in loaded.components(kind).values()
    ]
    is_answered = export(rows, csv, latex)
    if as_json:
        print_json({"components": rows, "hooks": loaded.hooks})
    elif not is_answered:
        print_lines(terminal.table(rows, ("kind", "name", "plugin", "distribution", "version")))


def new_plugin(
    kind: Annotated[str, typer.Argument(help="dataset, view, encoder, scorer, normalizer or guard.")],
    name: Annotated[str, typer.Argument(help="Its name in portfolios: letters, digits and underscores.")],
    folder: Annotated[Path, typer.Option(help="Where to write the new distribution.")] = Path(),
    trainable: Annotated[bool, typer.Option(help="An encoder that is trained on train clips.")] = False,
) -> None:
    """Write a new plugin, with tests that pass.

    Writes a folder that can be installed: the plugin, its tests, and a README. Prints the commands that install and
    check it.

    Example: asdcore new-plugin encoder my_encoder
    """
    from asdcore.authoring.scaffold import command, install_command
    from asdcore.authoring.scaffold import new_plugin as write_plugin

    path = write_plugin(kind, name, folder, trainable=trainable)
    data = " --data ROOT" if kind == "dataset" else ""
    typer.echo(f"Wrote {path}. Next:")
    typer.echo(f"  {install_command(path)}\n  {command('asdcore')} check-plugin {name.replace('-', '_')}{data}")


def check_plugin(
    name: Annotated[str, typer.Argument(help="Name of an installed component.")],
    kind: Annotated[str | None, typer.Option(help="Its kind, if several have this name.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Recordings: to check a dataset reader on; for any other kind, to make a small run around the plugin "
            "and make it again under other names and with half of the test clips."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the conformance checks on a plugin.

    Builds an installed component. Prints a line for each check; if it fails, also what came, why it matters and the
    likely cause. Exits with 1 if any fails.

    Example: asdcore check-plugin knn
    """
    from asdcore.testing import check_installed

    results = check_installed(name, kind, data)
    if as_json:
        print_json({"checks": [vars(result) for result in results]})
    else:
        for result in results:
            typer.echo(f"{'passed' if result.passed else 'FAILED'}  {result.name}")
            if not result.passed:
                typer.echo("        " + result.message.replace("\n", "\n        "))
        failed = sum(not result.passed for result in results)
        typer.echo(f"{len(results) - failed} passed, {failed} failed")
    if not all(result.passed for result in results):
        raise typer.Exit(FAILED)
