"""The command audit-views: what a portfolio's views do to faults."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asdcore.cli.output import terminal
from asdcore.cli.output.export import Csv, Latex, export
from asdcore.cli.shared import Json, PortfolioName, Task, print_json, print_lines, progress

if TYPE_CHECKING:
    from asdcore.preflight.view_audit import ViewAudit


def audit_views(
    portfolio: PortfolioName,
    data: Annotated[Path, typer.Option(help="Folder that holds <machine>/{train,test}/.")],
    task: Task = None,
    clips: Annotated[int, typer.Option(min=1, help="Train normals of each machine, section and domain.")] = 5,
    level: Annotated[float, typer.Option(help="RMS of a fault relative to the clip's, in dB.")] = -6.0,
    as_json: Json = False,
    csv: Csv = None,
    latex: Latex = None,
) -> None:
    """Try a portfolio's views on made-up faults.

    Reads a portfolio and two-channel train normals below --data, and adds pseudo-faults to these. Prints how much of
    the faults each view keeps, and how much of all else. Of a long recording the middle is heard: 1,048,576 samples, a
    minute at 16 kHz.

    Example: asdcore audit-views demo --data data
    """
    from asdcore.preflight.view_audit import audit_views as audit

    audited = audit(portfolio, data, task=task, clips=clips, level_db=level, progress=progress())
    is_answered = export(rows_of(audited), csv, latex)
    if as_json:
        print_json(audited.as_json())
    elif not is_answered:
        print_lines(lines(audited))


def lines(audited: ViewAudit) -> list[str]:
    """Return an audit as lines: a table, and how to read it."""
    rows = rows_of(audited)
    return [
        f"Pseudo-faults {-audited.level_db:g} dB below train normals, against the near channel as it was recorded.",
        "",
        *terminal.table(rows, list(rows[0])),
        "",
        "removed: how much quieter normal clips become. kept: the part of a fault's energy that comes through.",
        "gain: what a fault wins against the normal sound around it; below 0 it stands out less than before.",
        "own way: the share of a fault's energy that reaches the far microphone as the machine's own sound does, by",
        "the recordings; for the rest a room is made up.",
        "trust: faults are kept. trade: faults lose, all else loses more. avoid: faults lose most.",
    ]


def rows_of(audited: ViewAudit) -> list[dict[str, Any]]:
    """Return a row for each machine, section and view."""
    return [
        {
            "machine": finding.machine,
            "section": finding.section,
            "view": finding.view,
            # Adding 0 takes the sign off what is rounded to nothing.
            "removed dB": round(finding.removed_db, 2) + 0.0,
            "kept": finding.retention["median"],
            "kept, worst 5 %": finding.retention["q05"],
            "gain dB": round(finding.gain_db["median"], 2) + 0.0,
            "own way": finding.own_way,
            "verdict": finding.verdict,
        }
        for finding in audited.findings
    ]
