"""Checkpoints: files of weights, read without running what they hold, and loaded to the last tensor.

:func:`read` opens safetensors files and what ``torch.save`` wrote. A pickle may name any function to be called; only
tensors and plain values are restored here. Two harmless things that training scripts leave beside the weights, the
arguments of the run and NumPy numbers, come back as empty placeholders; whatever else a file names is refused.

:func:`fit` gives a module exactly the values of a state dictionary: a name too few, a name too many or a shape that
differs is an error that lists them all, in the words of the file.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from asdcore import DataError
from asdcore_plugins.nn.checkpoints.zip_records import check_records

INERT = (
    "argparse.Namespace",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
)
"""What may stand in a checkpoint beside tensors and plain values: it is neither imported nor called."""

_AGAIN = "Compare its size and SHA-256 with those its authors publish, and download it again."


class Placeholder:
    """Stands for something in a checkpoint that is not needed: takes any arguments and state, and keeps none."""

    def __new__(cls, *_: object) -> Placeholder:
        """Ignore the arguments."""
        return super().__new__(cls)

    def __setstate__(self, _: object) -> None:
        """Forget the state."""


def read(path: str | Path) -> Any:
    """Return what a checkpoint holds, its tensors on the CPU; of a folder, what its ``model.safetensors`` holds.

    Raises DataError for a file that is missing, cut short or otherwise damaged, no checkpoint, or that would run code
    when read.
    """
    file = Path(path)
    if file.is_dir():
        file = file / "model.safetensors"
    form = _form(file)
    if form == "safetensors":
        return _read_safetensors(file)
    try:
        with _placeholders():
            # A zip archive is mapped into memory if possible: what is not loaded into a module takes none.
            mapped = form == "zip" and check_records(file)
            return torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # torch names no set of errors for damaged files
        if call := re.search(r"GLOBAL (\S+)|Unsupported (operand \d+)", str(error)):
            raise DataError(
                f"Checkpoint {file} is refused: reading it would call {call[1] or call[2]}, and a checkpoint may "
                "hold nothing but tensors and plain values. Take the file that its authors publish; if it is that "
                "file and you trust it, save its state dictionary as safetensors."
            ) from error
        raise DataError(f"Checkpoint {file} is cut short or damaged ({_first_sentence(error)}). {_AGAIN}") from error


def fit(
    module: nn.Module,
    state: Mapping[str, Any],
    *,
    where: str,
    names: Iterable[tuple[str, str]] = (),
    ignore: Iterable[str] = (),
) -> None:
    """Give ``module``, which may lie on the meta device, the values of ``state``, converted to float32.

    where : the file and what it was taken for, for messages.
    names : how the module's names become the file's: (regular expression, replacement), applied one after the other.
    ignore : beginnings of names in ``state`` that are not part of the module (a decoder, a classifier).

    Raises DataError that lists every missing, unexpected and misshapen tensor.
    """
    own = module.state_dict()
    official = {name: translated(name, names) for name in own}
    left_out = tuple(ignore)
    expected = set(official.values())
    missing = [name for name in official.values() if name not in state]
    unexpected = [name for name in state if name not in expected and not name.startswith(left_out)]
    misshapen = [
        f"{theirs} is {_shape(state[theirs])}, not {tuple(own[ours].shape)}"
        for ours, theirs in official.items()
        if theirs in state and _shape(state[theirs]) != tuple(own[ours].shape)
    ]
    problems = {"missing": missing, "unexpected": unexpected, "misshapen": misshapen}
    if any(problems.values()):
        lines = [f"  {kind} ({len(those)}): {', '.join(those)}" for kind, those in problems.items() if those]
        hint = "Give the checkpoint, and the parameters, of one and the same model."
        raise DataError("\n".join([f"{where} does not fit:", *lines, hint]))
    module.load_state_dict({ours: _converted(state[official[ours]], own[ours]) for ours in own}, assign=True)


def translated(name: str, names: Iterable[tuple[str, str]]) -> str:
    """Return a module's name as the file has it."""
    for pattern, replacement in names:
        name = re.sub(pattern, replacement, name)
    return name


def entry(content: Any, key: str, *, where: str) -> dict[str, Any]:
    """Return the dictionary that a checkpoint holds under ``key``; raises DataError where there is none."""
    part = content.get(key) if isinstance(content, Mapping) else None
    if not isinstance(part, Mapping):
        raise DataError(f"{where} holds no dictionary {key!r}; it holds {contents(content)}.")
    return dict(part)


def weights(content: Any) -> Any:
    """Return the state dictionary that a checkpoint holds under ``model``, or that it is."""
    inner = content.get("model") if isinstance(content, Mapping) else None
    return inner if isinstance(inner, Mapping) else content


def shape(state: Any, name: str, rank: int, *, where: str) -> tuple[int, ...]:
    """Return the shape of a tensor, from which a model's size is read; raises DataError where it cannot be."""
    tensor = state.get(name) if isinstance(state, Mapping) else None
    if tensor is None:
        raise DataError(f"{where} has no tensor {name!r}; it holds {contents(state)}.")
    if len(_shape(tensor)) != rank:
        raise DataError(f"{where}: {name} has the shape {_shape(tensor)}, where {rank} axes are needed.")
    return _shape(tensor)


def depth(state: Mapping[str, Any], blocks: str) -> int:
    """Return how many blocks a state dictionary holds: ``blocks`` is what stands before their numbers."""
    matches = (re.match(re.escape(blocks) + r"(\d+)\.", name) for name in state)
    return len({number[1] for number in matches if number})


def contents(content: Any) -> str:
    """Say in a few words what a checkpoint holds, for messages."""
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    names = [repr(name) for name in content]
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") or "nothing"


def _form(file: Path) -> str:
    """Tell a file's format by its first bytes: "safetensors", "zip" or "pickle"."""
    if not file.is_file():
        raise DataError(
            f"There is no checkpoint {file}. Give the path of a file, or the name of a registry entry: "
            "'asdcore registry list' shows them, 'asdcore registry fetch' downloads one."
        )
    with file.open("rb") as opened:
        start = opened.read(9)
    if start[:4] == b"PK\x03\x04":
        return "zip"
    if start[8:] == b"{" or file.suffix == ".safetensors":
        return "safetensors"
    if start[:2] == b"\x80\x02":
        return "pickle"
    note = " It is a Python pickle, and reading one may run any code." if start[:1] == b"\x80" else ""
    raise DataError(f"{file} is not a checkpoint: neither safetensors nor a file that torch.save wrote.{note} {_AGAIN}")


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"Checkpoint {file} is cut short or damaged ({_first_sentence(error)}). {_AGAIN}") from error
    return tensors


@contextlib.contextmanager
def _placeholders() -> Iterator[None]:
    """Let torch put placeholders where a file names what is inert, and keep its warnings about old formats quiet."""
    with warnings.catch_warnings(), torch.serialization.safe_globals([(Placeholder, name) for name in INERT]):
        warnings.simplefilter("ignore")
        yield


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(value.shape) if hasattr(value, "shape") else ()


def _converted(value: Tensor, own: Tensor) -> Tensor:
    """Copy a tensor out of the file: floating point becomes float32, anything else the module's own type."""
    dtype = torch.float32 if own.is_floating_point() else own.dtype
    return value.detach().to(dtype, memory_format=torch.contiguous_format, copy=True)


def _first_sentence(error: Exception) -> str:
    return str(error).split(". ")[0].split("\n")[0] or type(error).__name__
