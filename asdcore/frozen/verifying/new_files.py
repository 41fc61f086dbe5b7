"""Find the files that are new since a freeze and would be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from asdcore.basics.recording_parts import recording_name
from asdcore.basics.table_files import read_parquet
from asdcore.contract.source_code.files import framework_files
from asdcore.contract.source_code.folder_files import tree_files
from asdcore.frozen.manifest.locations import Roots
from asdcore.frozen.manifest.signing import signature_of
from asdcore.frozen.manifest.statement import Manifest
from asdcore.frozen.pinning.recording_names import as_text, sounds_below
from asdcore.frozen.verifying.differences import CHANGED, EXTRA, Difference
from asdcore.runs.folder import EVALUATION_FILE, PORTFOLIO_FILE, RUN_FILE

BESIDE = {RUN_FILE, PORTFOLIO_FILE, EVALUATION_FILE, "report.html"}
"""Files that may lie in a run folder without being pinned as tables."""


def new_files(manifest: Manifest, roots: Roots, damaged: set[str]) -> Iterator[Difference]:
    """Yield the files that a manifest does not pin and that a run would read.

    Parameters
    ----------
    manifest : Manifest
        The frozen run.
    roots : Roots
        Where its files are.
    damaged : set of str
        Pinned files that are not as they were frozen. They are not opened.
    """
    return _New(manifest, roots).all(damaged)


@dataclass(frozen=True)
class _New:
    """A manifest, and where its files are."""

    manifest: Manifest
    roots: Roots

    def all(self, damaged: set[str]) -> Iterator[Difference]:
        """Yield files that are new since the freeze and would be read. Files in ``damaged`` are not opened."""
        names = self.manifest.own.keys()
        data, run = self.roots.folders["data"], self.roots.folders["run"]
        if data.is_dir():
            yield from _extra("audio", self._other_recordings(data))
        if run.is_dir():
            yield from self._extra_tables(run)
        yield from _extra("features", set(self._other_shards(damaged)))
        yield from _extra("code", {f"asdcore/{path}" for path in _below(*framework_files())} - names)
        yield from _extra("plugin", self.roots.files.keys() - names)
        for resource in self.manifest.predicate["resources"]:
            root = f"resource/{resource['id']}"
            if resource.get("folder") is True and self.roots.folders[root].is_dir():
                here = {f"{root}/{path}" for path, _ in tree_files(self.roots.folders[root])}
                yield from _extra("checkpoint", here - names)

    def _other_recordings(self, data: Path) -> set[str]:
        """Return the recordings that the run neither read nor left out."""
        before = {*map(recording_name, self.manifest.own), *map("data/{}".format, self.manifest.predicate["set_aside"])}
        others = ({f"data/{sound}" for sound in sounds} - before for sounds in sounds_below(data))
        return self.manifest.shards.unlisted(others) if self.manifest.shards else set[str]().union(*others)

    @cached_property
    def _audio(self) -> set[str | None]:
        """The digests of all pinned recordings."""
        if self.manifest.shards:
            return {sha256 for frame in self.manifest.shards.frames() for sha256 in frame["sha256"]}
        return {subject.sha256 for subject in self.manifest.of_kind("audio")}

    def _extra_tables(self, run: Path) -> Iterator[Difference]:
        ours = {f"run/{name}" for name in BESIDE} | self.manifest.own.keys()
        if self.manifest.path.resolve().parent == run.resolve():
            ours |= {f"run/{self.manifest.path.name}", f"run/{signature_of(self.manifest.path).name}"}
        try:
            here = {f"run/{path.name}" for path in run.iterdir() if path.is_file() and not path.name.startswith(".")}
        except OSError as error:
            yield Difference(CHANGED, "table", "run", f"cannot be listed: {error.strerror}")
        else:
            yield from _extra("table", here - ours)

    def _other_shards(self, damaged: set[str]) -> Iterator[str]:
        """Yield feature files that are not pinned and would be read for a pinned clip, or are unreadable."""
        names = {subject.name for subject in self.manifest.of_kind("features")}
        store = self.roots.folders["store"]
        for folder in sorted({name.rpartition("/")[0] for name in names}):
            files = sorted((store / folder.partition("/")[2]).glob("*.parquet"))
            here = {f"{folder}/{path.name}": path for path in files}
            held = {name: _held(path) for name, path in here.items() if name not in names}
            yield from (name for name, audio in held.items() if audio is None)
            if not any(held.values()):
                continue
            clips = self._audio
            if all(clips.isdisjoint(audio or ()) for audio in held.values()):
                continue
            held |= {name: _held(here[name]) for name in (here.keys() & names) - damaged}
            # Of two files that hold a clip, FeatureSet reads the last.
            read_from = {clip: name for name in here for clip in clips & (held.get(name) or set())}
            yield from set(read_from.values()) - names


def _held(path: Path) -> set[str | None] | None:
    """Return the audio digests of a feature file, None if it is unreadable."""
    try:
        # polars would wait for a writer on a pipe that ends in .parquet.
        return set(read_parquet(path, columns=["audio_sha256"])["audio_sha256"]) if path.is_file() else None
    except (pl.exceptions.PolarsError, OSError):
        return None


def _extra(group: str, names: set[str]) -> Iterator[Difference]:
    return (Difference(EXTRA, group, name) for name in sorted(map(as_text, names)))


def _below(top: Path, files: tuple[Path, ...]) -> list[str]:
    return [file.relative_to(top).as_posix() for file in files]
