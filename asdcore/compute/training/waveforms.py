"""Keeps the sound of train clips for a training: decoded, viewed and resampled once, then memory-mapped.

    STORE/waveforms/<recipe>/<clips>.safetensors    the waveforms of a chunk of clips, by one view at one sample rate

A file is written, and checked against its seal when it is opened, portion by portion; then it is mapped. So waveforms
take the memory of what a training looks at, however long they are. What a training gets of one is an array: it leads to
no path. The files may go at any time; whoever has mapped one keeps its content.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asdcore.errors import StoreError
from asdcore.store.arrays_on_disk import InPortions, read_places, read_sealed, write_arrays
from asdcore.store.digests.digest import recipe_digest

Waveform = NDArray[np.float32]

KIND = "waveforms"


@dataclass(frozen=True)
class WaveformSet:
    """The waveforms of train clips by one view, at one sample rate; ``folder`` is named by their recipe."""

    folder: Path

    def held(self) -> set[str]:
        """Return the audio digests of all clips in the set. Raises StoreError if a file is damaged."""
        held: set[str] = set()
        for path in sorted(self.folder.glob("*.safetensors")):
            with suppress(FileNotFoundError), path.open("rb") as file:  # another run may remove it
                try:
                    held |= read_places(file).keys()
                except StoreError as error:
                    raise _damaged(path, error) from None
        return held

    def write(self, waveforms: Mapping[str, Waveform | InPortions]) -> None:
        """Add a file with the waveforms of some clips, by their audio digests."""
        name = recipe_digest({"clips": sorted(waveforms)})
        arrays = {clip: _in_portions(waveform) for clip, waveform in waveforms.items()}
        write_arrays(self.folder / f"{name}.safetensors", arrays, {"kind": KIND, "recipe": name})

    def map(self, audio: Sequence[str]) -> dict[str, Waveform]:
        """Map the waveforms of some clips, by their audio digests; those that the set lacks are left out.

        Raises StoreError if a file is damaged.
        """
        wanted, mapped = set(audio), {}
        for path in sorted(self.folder.glob("*.safetensors")):
            for name, waveform in _mapped(path, wanted):
                mapped[name] = waveform
        return mapped


def _in_portions(waveform: Waveform | InPortions) -> InPortions:
    return InPortions(waveform.shape, [waveform]) if isinstance(waveform, np.ndarray) else waveform


def _mapped(path: Path, wanted: set[str]) -> Iterator[tuple[str, Waveform]]:
    """Yield the waveforms of a file that are wanted. A file that has just been removed has none."""
    try:
        with path.open("rb") as file:
            # Read, not looked at through the map: pages of a map count as memory of this process.
            about, places = read_sealed(file)
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        return
    except StoreError as error:
        raise _damaged(path, error) from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read: {error}. {_repair(path)}") from None
    if about.get("kind") != KIND or about.get("recipe") != path.stem:
        raise StoreError(f"{path} does not hold the waveforms that its name says. {_repair(path)}")
    for name, (start, shape) in places.items():
        if name in wanted:
            yield name, np.frombuffer(content, dtype="<f4", count=prod(shape), offset=start).reshape(shape)


def _damaged(path: Path, error: StoreError) -> StoreError:
    return StoreError(f"{path} is damaged: {error}. {_repair(path)}")


def _repair(path: Path) -> str:
    return f"Remove it with 'rm {path}' and run again: it is then made anew."
