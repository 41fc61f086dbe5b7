"""How fast a manifest is read, and what it pins verified."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from figures import show

ROOT = Path(__file__).parents[1]


def hashing() -> list[bool]:
    """Verifying hashes runs at the rate of plain SHA-256 over the same files, or better: several are read at once."""
    import hashlib

    from asdcore.frozen.pinning.hashing import hash_files

    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{i}.wav" for i in range(1_000)]
        for i, file in enumerate(files):
            file.write_bytes(i.to_bytes(4, "little") * 80_000)
        seconds: dict[str, list[float]] = {"plain": [], "ours": []}
        for _ in range(5):
            started = time.perf_counter()
            for file in files:
                hashlib.sha256(file.read_bytes()).hexdigest()
            seconds["plain"].append(time.perf_counter() - started)
            started = time.perf_counter()
            hash_files(map(str, files), Path)
            seconds["ours"].append(time.perf_counter() - started)
    ours, plain = min(seconds["ours"]), min(seconds["plain"])
    show("hashing 1,000 files of 320 kB", 0.32 / ours, None, "GB/s")
    return [show("verifying hashes over plain SHA-256, seconds", ours / plain, 1 / 0.8, "times")]


def manifest() -> list[bool]:
    """A manifest of 20,000 recordings is read, checked, and the first file hashed: the shipped one, made large."""
    from asdcore.frozen.manifest.statement import Subject, read_manifest, write_manifest
    from asdcore.frozen.verify import verify

    tiny = read_manifest(ROOT / "manifests" / "tiny.json")
    names = [f"data/SynFan/train/section_00_source_train_normal_{i:05d}.wav" for i in range(20_000)]
    subjects = [one for one in tiny.subjects.values() if one.kind != "audio"]
    subjects += [Subject(name, "audio", 320_044, f"{i:064x}") for i, name in enumerate(names)]
    lineage = {
        node: [one for one in parents if not one.startswith("data/")] + names * (node == "clips/SynFan/00")
        for node, parents in tiny.predicate["lineage"].items()
    }
    predicate = {key: value for key, value in tiny.predicate.items() if key != "sealed"} | {"lineage": lineage}
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.json"
        write_manifest(large, subjects, predicate, "2026-01-01T00:00:00Z")
        first = _FirstFile()
        started = time.perf_counter()
        verify(large, progress=first)
        ready = first.reached - started
    return [show("20,000 recordings: from the manifest to the first hash", ready, 1.0, "s")]


class _FirstFile:
    """Progress that notes when the first file was done."""

    reached = 0.0

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Note the first advance."""

        def advance(_: int) -> None:
            self.reached = self.reached or time.perf_counter()

        yield advance

    def note(self, text: str) -> None:
        """Say nothing."""
