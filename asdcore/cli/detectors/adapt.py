"""The command adapt: a detector learns that normal sound has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asdcore.cli.freeze import failing
from asdcore.cli.shared import StoreDir, Workers, progress


def adapt(
    detector: Annotated[Path, typer.Argument(help="A detector (.asd).")],
    normals: Annotated[Path, typer.Option(help="Folder of new normal recordings of one machine.")],
    out: Annotated[Path, typer.Option(help="Detector to write (.asd).")],
    way: Annotated[
        str,
        typer.Option("--as", help="second: what either baseline calls normal is. replacement: the new one alone."),
    ] = "second",
    machine: Annotated[
        str | None, typer.Option(help="The machine of the recordings. Default: the only one that the detector knows.")
    ] = None,
    section: Annotated[str | None, typer.Option(help="Its section. Default: the only one.")] = None,
    system: Annotated[
        str | None, typer.Option(help="The system that says whether they sound normal. Default: as detect.")
    ] = None,
    accept_faults: Annotated[
        bool, typer.Option("--accept-faults", help="Learn them though the detector calls some anomalous.")
    ] = False,
    store: StoreDir = None,
    workers: Workers = 1,
) -> None:
    """Adapt a detector to normal sound that has changed.

    Reads a detector and new normal recordings. Fits scorers, calibration and threshold on these. Writes a new detector
    that judges by both baselines, or by the new one alone. It names the detector that it was made of. The old one stays
    as it is.

    Example: asdcore adapt pump.asd --normals after-repair --out pump-2.asd
    """
    from asdcore.detector.adapting.adapt import adapt as adapt_detector

    asked = {"machine": machine, "section": section, "system": system}
    with failing():
        made = adapt_detector(
            detector,
            normals,
            out,
            way=way,
            accept_faults=accept_faults,
            store=store,
            workers=workers,
            progress=progress(),
            **asked,
        )
    anomalous = f", {len(made.above)} of them anomalous to {detector}" if made.above else ""
    typer.echo(f"Detector: {made.path}, {made.path.stat().st_size / 1e6:.1f} MB")
    typer.echo(f"Added: {made.clips} normals as {way} baseline{anomalous}")
    typer.echo(f"Next: asdcore detect {made.path} FILE.wav")
