"""The records of a checkpoint that ``torch.save`` wrote as a zip archive, checked before their bytes become weights.

``torch.load`` with ``mmap=True`` takes as many bytes as the pickle asks for from where a record begins. It looks
neither at the record's size nor at how it is packed nor at its checksum: of a short or compressed record it takes the
bytes of the neighbours. So all that is checked here.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

BLOCK = 1 << 20
"""Bytes of a record read at once."""

NO_CHECKSUM = 0
"""What torch writes where it was told to leave out checksums (``torch.serialization.set_crc32_options(False)``)."""


class RecordError(ValueError):
    """A record is not what its archive, or the pickle in it, says."""


def check_records(file: Path) -> bool:
    """Check every record of an archive; returns whether all are stored as they are, so that they can be mapped.

    Raises RecordError or zipfile.BadZipFile for a record that is absent, too short, too long, there twice, or whose
    bytes do not have their checksum.
    """
    with zipfile.ZipFile(file) as archive:
        records = {record.filename: record for record in archive.infolist()}
        if len(records) < len(archive.infolist()):
            raise RecordError("two of its records have the same name")
        for record in records.values():
            if record.CRC == NO_CHECKSUM:
                del record.CRC  # then zipfile compares the size alone
        sizes = dict(_expected(archive, records))
        for name, size in sizes.items():
            if name not in records:
                raise RecordError(f"record {name} is not there")
            if records[name].file_size != size:
                raise RecordError(f"record {name} holds {records[name].file_size} bytes, {size} are needed")
        for record in records.values():
            with archive.open(record) as opened:  # zipfile compares size and checksum at the end
                while opened.read(BLOCK):
                    pass
        return all(records[name].compress_type == zipfile.ZIP_STORED for name in sizes)


def _expected(archive: zipfile.ZipFile, records: dict[str, zipfile.ZipInfo]) -> Iterator[tuple[str, int]]:
    """Yield (record, bytes) of every storage that the pickle of an archive asks for."""
    for name in records:
        folder, _, base = name.rpartition("/")
        if base == "data.pkl":
            reader = _Storages(io.BytesIO(archive.read(records[name])))
            reader.load()
            yield from ((f"{folder}/data/{key}", size) for key, size in reader.sizes.items())


class _Anything:
    """Stands for whatever a pickle names: takes any arguments and entries, and keeps none."""

    def __new__(cls, *_: object) -> _Anything:
        return super().__new__(cls)

    def __setstate__(self, _: object) -> None:
        pass

    def __setitem__(self, *_: object) -> None:
        pass

    def append(self, _: object) -> None:
        pass

    def extend(self, _: object) -> None:
        pass


class _Storages(pickle.Unpickler):
    """Reads of a pickle nothing but which storages it asks for. It imports nothing and calls nothing."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.sizes: dict[str, int] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module in ("torch", "torch.storage") and name.endswith("Storage"):
            return getattr(torch, name, _Anything)
        return _Anything

    def persistent_load(self, named: Any) -> _Anything:
        _, kind, key, _, count = named
        item = 1 if kind is torch.UntypedStorage else kind.dtype.itemsize
        self.sizes[str(key)] = int(count) * item
        return _Anything()
