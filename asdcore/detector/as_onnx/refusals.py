"""What cannot be one ONNX file, whatever its components: each in one message."""

from __future__ import annotations

from pathlib import Path

from asdcore.contract.onnx.onnx_graph import NotInOnnxError
from asdcore.detector.machine import FrozenMachine
from asdcore.detector.parts import Parts
from asdcore.errors import AsdcoreError, StoreError
from asdcore.portfolio import System

SUFFIX = ".onnx"


def frozen(parts: Parts) -> FrozenMachine:
    """Return what was frozen of the machine; an adapted one with several baselines is refused."""
    machine_data = parts.machine_data
    if not isinstance(machine_data, FrozenMachine):
        raise NotInOnnxError(
            f"{machine_data.machine} section {machine_data.section} is judged by several baselines, which cannot be "
            "written as one ONNX file. 'asdcore adapt --as replacement' gives a detector with one."
        )
    return machine_data


def of_one_seed(system: System, name: str) -> System:
    """Return a system that is not an ensemble."""
    if system.seeds is not None:
        raise NotInOnnxError(f"system {name!r} is an ensemble over seeds, which cannot be written as ONNX.")
    return system


def one_rate(rates: list[int]) -> int:
    """Return the one sample rate of train clips."""
    if len(rates) > 1:
        raise NotInOnnxError(
            f"the train clips have several sample rates ({', '.join(map(str, rates))} Hz), and an ONNX file takes one."
        )
    return rates[0]


def free(path: Path) -> Path:
    """Return the path of a new ONNX file, if one can be written here."""
    if path.suffix != SUFFIX:
        raise StoreError(f"{path} does not end in {SUFFIX}. Choose a name such as {path.stem}{SUFFIX}.")
    if path.exists() or path.is_symlink():
        raise StoreError(f"{path} exists and is not written over. Choose another name, or remove it.")
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError:
        raise AsdcoreError("ONNX files need the extra 'onnx': pip install 'asdcore[onnx]'.") from None
    return path
