"""Knows which machines and sections have which sound, in some 40 bytes a clip: there may be a million."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from asdcore.errors import ManifestError
from asdcore.store.tables import CELL

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ClipsBySound:
    """The clips of a run, sorted by audio digest.

    Attributes
    ----------
    cells : list of (machine, section)
        Every machine and section, sorted.
    digests : numpy.ndarray
        (n_clips,) the audio digests, 32 bytes each.
    cell : numpy.ndarray
        (n_clips,) the place of each clip's machine and section among ``cells``.
    train : numpy.ndarray
        (n_clips,) whether it is a train clip.

    Examples
    --------
    >>> import polars as pl
    >>> from pathlib import Path
    >>> from asdcore.frozen.pinning.clips_by_sound import ClipsBySound
    >>> where = {"machine": ["fan", "pump"], "section": "00", "split": "test"}
    >>> clips = ClipsBySound.of([pl.DataFrame({"sha256": ["a" * 64, "b" * 64], **where})])
    >>> clips.held_in([(Path("one"), ["b" * 64])], clips.wanted())
    ({PosixPath('one'): [('pump', '00')]}, 1)
    """

    cells: list[tuple[str, str]]
    digests: NDArray[np.bytes_]
    cell: NDArray[np.int32]
    train: NDArray[np.bool_]

    @classmethod
    def of(cls, portions: Iterable[pl.DataFrame]) -> ClipsBySound:
        """Return the clips of a clip index that is read in portions; raises ManifestError if a digest is none."""
        places: dict[tuple[str, str], int] = {}
        parts: list[tuple[NDArray[np.bytes_], NDArray[np.int32], NDArray[np.bool_]]] = []
        for clips in portions:
            if not clips["sha256"].str.contains(f"^{_HEX.pattern}$").all():
                raise ManifestError("The clip index of this run holds audio digests that no run writes. Run it again.")
            cells = clips.select(CELL).rows()
            numbers = np.array([places.setdefault(cell, len(places)) for cell in cells], np.int32)
            parts.append((_bytes(clips["sha256"].to_list()), numbers, (clips["split"] == "train").to_numpy()))
        digests, numbers, train = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.argsort(digests, kind="stable")
        cells = sorted(places)
        rank = np.empty(len(cells), np.int32)
        rank[[places[cell] for cell in cells]] = np.arange(len(cells), dtype=np.int32)
        return cls(cells, digests[order], rank[numbers[order]], train[order])

    def wanted(self, machine: str = "", *, train: bool = False) -> NDArray[np.bool_]:
        """Return which clips (n_clips,) are of a machine, "" for all, and train clips if that is asked for."""
        of_machine = np.array([machine in ("", cell[0]) for cell in self.cells], bool)[self.cell]
        return of_machine & self.train if train else of_machine

    def held_in(
        self, shards: Iterable[tuple[Path, Sequence[str]]], wanted: NDArray[np.bool_]
    ) -> tuple[dict[Path, list[tuple[str, str]]], int]:
        """Return the shards that are read for the clips wanted, with these clips' cells, and how many sounds none has.

        shards : (path, the audio digests in it). Of several that hold a clip, the last is read.
        """
        paths: list[Path] = []
        held = np.full(len(self.digests), -1, np.int32)
        for path, names in shards:
            sought = _bytes([name for name in names if _HEX.fullmatch(name)])
            first, last = (np.searchsorted(self.digests, sought, side) for side in ("left", "right"))
            for twin in range(int((last - first).max(initial=0))):
                held[(first + twin)[first + twin < last]] = len(paths)
            paths.append(path)
        read = wanted & (held >= 0)
        of_shard: dict[Path, list[tuple[str, str]]] = {}
        pairs = np.unique(held[read].astype(np.int64) * len(self.cells) + self.cell[read])
        for shard, cell in zip(*(numbers.tolist() for numbers in np.divmod(pairs, len(self.cells))), strict=True):
            of_shard.setdefault(paths[shard], []).append(self.cells[cell])
        return of_shard, len(np.unique(self.digests[wanted & (held < 0)]))


def _bytes(digests: Sequence[str]) -> NDArray[np.bytes_]:
    """Return digests in hexadecimal as 32 bytes each."""
    return np.frombuffer(bytes.fromhex("".join(digests)), "S32")
