"""The part of ``asdcore export`` that writes ONNX files."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asdcore.errors import AsdcoreError

if TYPE_CHECKING:
    from asdcore.detector.as_onnx.write import OnnxFile

Onnx = Annotated[
    Path | None,
    typer.Option("--onnx", help="ONNX file to write (.onnx; extra onnx): waveform in, score and decision out."),
]
Parity = Annotated[
    Path | None,
    typer.Option(help="With --onnx: recordings that detector and file must agree on. Default: made-up clips."),
]


def write_onnx(source: Path, out: Path, asked: dict[str, Any], parity: Path | None, **more: Any) -> OnnxFile:
    """Write the ONNX file of a detector, or of a manifest, which is exported into a temporary folder."""
    from asdcore.detector.as_onnx.write import export_onnx
    from asdcore.detector.export import SUFFIX, export
    from asdcore.detector.load import load_detector

    with TemporaryDirectory(prefix="asdcore-onnx-") as folder:
        path = source if source.suffix == SUFFIX else export(source, Path(folder) / "detector.asd", **more)
        return export_onnx(load_detector(path), out, **asked, parity=parity)


def lines_of(file: OnnxFile) -> list[str]:
    """Return what was written as lines."""
    parity = file.parity
    clips = f"{parity.clips} {'recordings' if parity.given else 'made-up clips'}"
    channels = f"{file.channels} channel{'s' * (file.channels > 1)}"
    return [
        f"ONNX: {file.path}, {file.path.stat().st_size / 1e6:.1f} MB",
        f"Scores {file.machine} section {file.section} by system {file.system}; takes {channels} at "
        f"{file.sample_rate} Hz",
        f"Parity: on {clips} its scores differ from the detector's by at most {parity.share:.1e} of the spread of "
        "train normals; no decision differs",
    ]


def check_asked(out: Path | None, onnx: Path | None, only_onnx: dict[str, Any], source: Path) -> None:
    """Raise AsdcoreError unless the options say what to write, and fit together."""
    if out is None and onnx is None:
        raise AsdcoreError("Nothing is asked for: --out NAME.asd writes a detector, --onnx NAME.onnx an ONNX file.")
    if onnx is None and (given := sorted(name for name, value in only_onnx.items() if value is not None)):
        raise AsdcoreError(f"--{given[0]} goes with --onnx: a detector holds all machines and systems.")
    if out is not None and source.suffix == ".asd":
        raise AsdcoreError(f"{source} is a detector already. --onnx NAME.onnx writes an ONNX file of it.")
    if onnx is not None:
        from asdcore.detector.as_onnx.refusals import free

        free(onnx)  # before a detector is written beside it
