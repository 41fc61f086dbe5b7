"""Models of the transformers library: their files, their weights, and what leaves each of their blocks.

The library's own modules compute; here is only how they are opened and watched. A checkpoint is a folder as the Hugging
Face Hub has it: ``config.json``, ``model.safetensors`` (or else ``pytorch_model.bin``) and, where it comes with one,
``preprocessor_config.json``; or the file of weights in such a folder. Nothing is downloaded, and no code that lies in
the folder is run.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from asdcore import DataError
from asdcore_plugins.nn.checkpoints.weights import fit, read, translated

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Files of weights, the one to prefer first."""

FINAL = "final"
"""The layer after the last block: what the model returns."""

WEIGHT_NORM = (
    (r"parametrizations\.weight\.original0$", "weight_g"),
    (r"parametrizations\.weight\.original1$", "weight_v"),
)
"""How torch's weight normalization is named in files written before torch 2.1."""

_COMPLETE = "A folder as the Hugging Face Hub has it is needed; 'asdcore registry fetch ID' downloads one."


@dataclass(frozen=True)
class Snapshot:
    """The files of a model: its weights, and what config.json and preprocessor_config.json say (empty if absent)."""

    weights: Path
    config: dict[str, Any]
    preprocessor: dict[str, Any]


def snapshot(checkpoint: str | Path, *model_types: str) -> Snapshot:
    """Return the files of a checkpoint whose config.json names one of ``model_types``; raises DataError."""
    path = Path(checkpoint)
    if not path.exists():
        hub = re.fullmatch(r"[\w.-]+/[\w.-]+", str(checkpoint))
        what = f"{checkpoint} may be a model on the Hugging Face Hub, but it" if hub else f"{checkpoint}"
        raise DataError(
            f"{what} is not a file or folder here, and an encoder downloads nothing. Give the path of one, or the name "
            "of a registry entry: 'asdcore registry list' shows them, 'asdcore registry fetch ID' downloads one."
        )
    folder = path if path.is_dir() else path.parent
    weights = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None) if path.is_dir() else path
    if weights is None:
        raise DataError(f"{folder} holds neither {' nor '.join(WEIGHTS)}. {_COMPLETE}")
    if not (folder / "config.json").is_file():
        raise DataError(f"{folder} holds no config.json, which says how large the model is. {_COMPLETE}")
    config = _read_json(folder / "config.json")
    if (model_type := config.get("model_type")) not in model_types:
        raise DataError(
            f"{folder / 'config.json'} describes a model {model_type!r}; needed is {' or '.join(model_types)}."
        )
    preprocessor = folder / "preprocessor_config.json"
    return Snapshot(weights, config, _read_json(preprocessor) if preprocessor.is_file() else {})


def files(checkpoint: str | Path) -> list[Path]:
    """Return every file that is read where a checkpoint is one file of weights: itself, and what describes it."""
    weights = Path(checkpoint)
    beside = (weights.parent / name for name in ("config.json", "preprocessor_config.json"))
    return [weights, *(file for file in beside if file.is_file())]


def configure(name: str, saved: Snapshot) -> Any:
    """Return the library's configuration object of class ``name``; raises DataError where it refuses config.json."""
    import transformers

    try:
        return getattr(transformers, name).from_dict(_sizes_alone(saved.config))
    except Exception as error:  # the library's own validation errors share no class
        raise _refused(saved, error) from error


def build(
    make: Callable[[], nn.Module],
    saved: Snapshot,
    *,
    prefixes: Sequence[str] = (),
    older: Iterable[tuple[str, str]] = (),
    ignore: Iterable[str] = (),
) -> Any:
    """Return the module that ``make`` makes, on the CPU and with the weights of the checkpoint, all in float32.

    prefixes : what may stand before every name in the file (the model inside a classifier).
    older : how names were spelt by former versions of the library: (regular expression, replacement).
    ignore : beginnings of names in the file that are not part of the encoder (a decoder, a head).

    Raises DataError that lists every missing, unexpected and misshapen tensor.
    """
    try:
        with torch.device("meta"):
            model = make()
    except Exception as error:  # sizes that do not go together fail in as many ways as there are layers
        raise _refused(saved, error) from error
    state = read(saved.weights)
    if not isinstance(state, Mapping):
        raise DataError(f"Checkpoint {saved.weights} holds a {type(state).__name__}, not a dictionary of tensors.")
    spellings = [[*rules, ("^", prefix)] for rules in ((), tuple(older)) for prefix in ("", *prefixes)]
    own = list(model.state_dict())
    names = max(spellings, key=lambda rules: sum(translated(name, rules) in state for name in own))
    where = f"Checkpoint {saved.weights}, read as {type(model).__name__},"
    fit(model, state, where=where, names=names, ignore=ignore)
    return model


class _Enough(Exception):  # noqa: N818  (no error: it ends a forward pass early)
    """Every layer asked for has been seen."""


def watch(blocks: Iterable[nn.Module], wanted: Iterable[int | str], forward: Callable[[], Any]) -> dict[int | str, Any]:
    """Run ``forward`` and return what its blocks passed on: 0 what entered the first, k what left block k.

    With :data:`FINAL` among the wanted, ``forward`` runs to its end and what it returned is kept; without it, the
    pass ends with the highest block asked for.
    """
    chain, layers, thread = list(blocks), set(wanted), threading.get_ident()
    seen: dict[int | str, Any] = {}

    def look(layer: int, value: Any) -> None:
        if threading.get_ident() != thread:  # hooks sit on the module, which another thread may be running
            return
        if layer in layers:
            seen[layer] = value[0] if isinstance(value, tuple) else value
        if seen.keys() == layers:
            raise _Enough

    def entered(_: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        look(0, given or named["hidden_states"])

    hooks = [chain[0].register_forward_pre_hook(entered, with_kwargs=True)]
    for k, block in enumerate(chain, start=1):
        hooks.append(block.register_forward_hook(lambda _, __, left, k=k: look(k, left)))
    try:
        seen[FINAL] = forward()
    except _Enough:
        pass
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def _sizes_alone(config: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a configuration, and of those within it, what says how the library is to run and what to return.

    An attention implementation may name code on the Hub, which the library would download and run.
    """
    return {
        key: _sizes_alone(value) if isinstance(value, dict) else value
        for key, value in config.items()
        if not key.endswith("_implementation")
        and key not in ("return_dict", "output_hidden_states", "output_attentions")
    }


def _read_json(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is not JSON ({error}). {_COMPLETE}") from error
    if not isinstance(values, dict):
        raise DataError(f"{file} holds a {type(values).__name__}, not an object. {_COMPLETE}")
    return values


def _refused(saved: Snapshot, error: Exception) -> DataError:
    reason = " ".join(str(error).split())
    return DataError(
        f"{saved.weights.parent / 'config.json'} describes no model that the installed transformers library can build "
        f"({type(error).__name__}: {reason}). Take the file that its authors publish."
    )
