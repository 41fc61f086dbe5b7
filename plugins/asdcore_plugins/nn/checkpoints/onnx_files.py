"""The files of an ONNX model: its own, and those beside it that hold its weights ("external data").

``torch.onnx.export`` writes weights into ``NAME.onnx.data`` by default, however small they are, so what a model
computes hangs on files that its own hash says nothing of.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from asdcore import DataError, PluginError


def onnx_files(file: Path) -> list[Path]:
    """Return the file of a model, then those beside it that hold its weights, sorted; of any other file, itself.

    Raises DataError where one is not there, or does not lie in the folder of the model, and PluginError if the
    package onnx, which reads this, is not installed.
    """
    return [file, *(_beside(file, location) for location in sorted(set(_locations(file))))]


def _locations(file: Path) -> Iterator[str]:
    """Yield where the tensors of a model lie, of those that lie in another file."""
    with file.open("rb") as opened:
        start = opened.read(8)
    if start[4:] in (b"TFL3", b"ORTM"):  # a flatbuffer, of TFLite or of onnxruntime
        return
    try:
        import onnx
    except ImportError as error:
        raise PluginError(f"{file} needs onnx, which is not installed: pip install 'asdcore[onnx]'.") from error
    try:
        model = onnx.load(str(file), load_external_data=False)
    except Exception:  # whatever is wrong with it, onnxruntime says it better
        return
    for tensor in _tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            yield {entry.key: entry.value for entry in tensor.external_data}.get("location", "")


def _tensors(message: Any) -> Iterator[Any]:
    """Yield every tensor in a protocol buffer, wherever it stands: initializers, attributes, graphs in graphs."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                if field.message_type.name == "TensorProto":
                    yield inner
                else:
                    yield from _tensors(inner)


def _beside(file: Path, location: str) -> Path:
    place = PurePosixPath(location)
    if not location or place.is_absolute() or ".." in place.parts:
        raise DataError(
            f"{file} keeps weights in {location!r}, and they must lie in its own folder. Save it again with "
            "onnx.save(onnx.load(FILE), FILE), or export it with torch.onnx.export(..., external_data=False)."
        )
    if not (file.parent / place).is_file():
        raise DataError(
            f"{file} keeps weights in a second file, {location}, which is not beside it. Put it into {file.parent}, or "
            "export the model into one file: torch.onnx.export(..., external_data=False)."
        )
    return file.parent / place
