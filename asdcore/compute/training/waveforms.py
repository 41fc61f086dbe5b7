"""Keeps the sound of train clips for a training: decoded, viewed and resampled once, then memory-mapped.

    STORE/waveforms/<recipe>/<clips>.safetensors    the waveforms of a chunk of clips, by one view at one sample rate

A file is mapped whole and checked against its seal when it is opened. What a training gets of it is an array: it leads
to no path. The files may go at any time; whoever has mapped one keeps its content.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.errors import StoreError
from asdcore.store.digests.digest import recipe_digest
from asdcore.store.disk.atomic import write_bytes
from asdcore.store.fitted_state import pack, unpack

Waveform = NDArray[np.float32]

KIND = "waveforms"


@dataclass(frozen=True)
class WaveformSet:
    """The waveforms of train clips by one view, at one sample rate; ``folder`` is named by their recipe."""

    folder: Path

    def held(self) -> set[str]:
        """Return the audio digests of all clips in the set."""
        held: set[str] = set()
        for path in sorted(self.folder.glob("*.safetensors")):
            with suppress(FileNotFoundError), path.open("rb") as opened:  # another run may remove it
                length = opened.read(8)
                held |= set(_places(length + opened.read(int.from_bytes(length, "little")), path))
        return held

    def write(self, waveforms: dict[str, Waveform]) -> None:
        """Add a file with the waveforms of some clips, by their audio digests."""
        name = recipe_digest({"clips": sorted(waveforms)})
        write_bytes(self.folder / f"{name}.safetensors", pack(waveforms, {"kind": KIND, "recipe": name}))

    def map(self, audio: Sequence[str]) -> dict[str, Waveform]:
        """Map the waveforms of some clips, by their audio digests; those that the set lacks are left out.

        Raises StoreError if a file is damaged.
        """
        wanted, mapped = set(audio), {}
        for path in sorted(self.folder.glob("*.safetensors")):
            for name, waveform in _mapped(path, wanted):
                mapped[name] = waveform
        return mapped


def _mapped(path: Path, wanted: set[str]) -> Iterator[tuple[str, Waveform]]:
    """Yield the waveforms of a file that are wanted. A file that has just been removed has none."""
    try:
        with path.open("rb") as opened:
            content = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read: {error}. {_repair(path)}") from None
    unpacked = unpack(content[:], str(path))  # checks the seal
    if unpacked.about.get("kind") != KIND or unpacked.about.get("recipe") != path.stem:
        raise StoreError(f"{path} does not hold the waveforms that its name says. {_repair(path)}")
    for name, (start, shape) in _places(content, path).items():
        if name in wanted:
            flat = np.frombuffer(content, dtype="<f4", count=int(np.prod(shape)), offset=start)
            yield name, flat.reshape(shape)


def _places(content: Any, path: Path) -> dict[str, tuple[int, tuple[int, ...]]]:
    """Return {audio digest: where its waveform begins in the file, and its shape}."""
    try:
        length = int.from_bytes(content[:8], "little")
        entries = json.loads(content[8 : 8 + length])
        return {
            name: (8 + length + entry["data_offsets"][0], tuple(entry["shape"]))
            for name, entry in entries.items()
            if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StoreError(f"{path} is damaged. {_repair(path)}") from None


def _repair(path: Path) -> str:
    return f"Remove it with 'rm {path}' and run again: it is then made anew."
