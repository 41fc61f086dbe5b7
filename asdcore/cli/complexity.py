"""The command complexity: what a portfolio costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from asdcore.cli.output import terminal
from asdcore.cli.output.export import Csv, Latex, export
from asdcore.cli.shared import Json, PortfolioName, print_json, print_lines, progress

if TYPE_CHECKING:
    from asdcore.preflight.complexity import Complexity


def complexity(
    portfolio: PortfolioName,
    seconds: Annotated[float, typer.Option(help="Length of the clip.")] = 10.0,
    as_json: Json = False,
    csv: Csv = None,
    latex: Latex = None,
) -> None:
    """Count parameters and multiply-accumulates.

    Reads a portfolio and builds its encoders. Prints the counts for one clip, by branch, by system and in total.
    Encoders are counted by thop and by torch's FlopCounterMode.

    Example: asdcore complexity default --seconds 10
    """
    from asdcore.preflight.complexity import complexity as count

    counted = count(portfolio, seconds, progress=progress())
    is_answered = export(branches_of(counted), csv, latex)
    if as_json:
        print_json(counted.as_json())
    elif not is_answered:
        print_lines(lines(counted))


def lines(counted: Complexity) -> list[str]:
    """Return what a portfolio costs as lines: branches, totals, notes."""
    branches = branches_of(counted)
    totals = [
        {"system": name, **_figures(cost.parameters, cost.thop_macs, cost.torch_macs)}
        | {"scorer MACs": _millions(cost.scorer_macs)}
        for name, cost in ({**counted.systems, "(all branches)": counted.total}).items()
    ]
    return [
        f"One clip of {counted.seconds:g} s, scored against {counted.train_clips} train normals. All in millions;",
        "MACs are multiply-accumulates of the encoders, counted by thop and by torch's FlopCounterMode.",
        "",
        *terminal.table(branches, list(branches[0])),
        "",
        *terminal.table(totals, list(totals[0])),
        *([""] if counted.notes else []),
        *(f"note: {note}" for note in counted.notes),
    ]


def branches_of(counted: Complexity) -> list[dict[str, Any]]:
    """Return a row for each branch, its costs in millions."""
    return [
        {"branch": name, "view": cost.view, "encoder": cost.encoder, "layer": _layers(cost.layer)}
        | _figures(cost.parameters, cost.thop_macs, cost.torch_macs)
        | {"features": cost.features, "scorer": cost.scorer, "scorer MACs": _millions(cost.scorer_macs)}
        for name, cost in counted.branches.items()
    ]


def _layers(layer: int | str | tuple[int | str, ...]) -> str:
    return ", ".join(map(str, layer)) if isinstance(layer, tuple) else str(layer)


def _figures(parameters: int, thop: int, torch: int) -> dict[str, float | None]:
    return {"parameters": _millions(parameters), "MACs (thop)": _millions(thop), "MACs (torch)": _millions(torch)}


def _millions(count: int | None) -> float | None:
    return None if count is None else count / 1e6
