"""Verify a manifest: compare everything it pins with what is here, and list all differences at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from asdcore.basics.paths import given_path, places
from asdcore.contract.folder_files import tree_files
from asdcore.contract.plugins import origin
from asdcore.contract.sources import framework_files
from asdcore.errors import AsdcoreError
from asdcore.frozen.differences import CHANGED, EXTRA, MISSING, VERSION, Difference, Verification
from asdcore.frozen.environment import changes, environment_now
from asdcore.frozen.hashing import DigestCache, HashedFile, hash_files
from asdcore.frozen.lineage import reached
from asdcore.frozen.locations import Roots, roots_of
from asdcore.frozen.manifest import Manifest, Subject, read_manifest
from asdcore.frozen.recompute import Rows
from asdcore.frozen.recompute import recompute as rebuild
from asdcore.frozen.recording_names import as_text, sounds_below
from asdcore.frozen.signing import check_signature, signature_of
from asdcore.progress import Progress, Silent
from asdcore.runs.folder import EVALUATION_FILE, PORTFOLIO_FILE, RUN_FILE, load_run
from asdcore.store.cache import default_store
from asdcore.store.digest import recipe_digest
from asdcore.version import __version__

BESIDE = {RUN_FILE, PORTFOLIO_FILE, EVALUATION_FILE, "report.html"}
"""Files that may lie in a run folder without being pinned as tables."""


def verify(
    manifest: str | Path,
    *,
    data: str | Path | None = None,
    run: str | Path | None = None,
    store: str | Path | None = None,
    recompute: bool = False,
    trust_mtime: bool = False,
    public_key: str | Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Verification:
    """Compare everything that a manifest pins with what is here. No code of a plugin runs.

    Parameters
    ----------
    manifest : path
        The manifest that :func:`asdcore.freeze` wrote.
    data, run, store : path, optional
        The recordings, the run folder and the store, if they have moved since.
    recompute : bool, optional
        Also recompute every table from the recordings and compare; run folder and store may then be absent.
    trust_mtime : bool, optional
        Skip files whose size and time of change are those of the last verification.
    public_key : path, optional
        Check the manifest's signature with this key.
    workers : int, optional
        Processes for ``recompute``.
    progress : Progress, optional
        Reports progress; silent by default.

    Returns
    -------
    Verification
        ``passed``, all ``differences`` at once, and the results that they affect.

    Raises
    ------
    ManifestError
        If the manifest is damaged, was changed, or is not signed by the key's owner.

    Examples
    --------
    >>> manifest = asdcore.freeze("runs/first", "first.json")
    >>> asdcore.verify("first.json").passed
    True
    >>> from pathlib import Path
    >>> Path("runs/first/scores.parquet").unlink()
    >>> [str(difference) for difference in asdcore.verify("first.json").differences]
    ['missing: run/scores.parquet']
    """
    pinned = read_manifest(given_path(manifest, "the manifest"))
    notes = _signature(pinned, public_key)
    roots = roots_of(pinned, places(data=data, run=run, store=store))
    seen = DigestCache(default_store() / "verified" / f"{pinned.sha256}.json", trust_mtime)
    work = _Verify(pinned, roots, seen, recompute, progress or Silent())
    files = list(work.files())
    extras = work.extras({difference.artifact for difference in files})
    differences = [*files, *extras, *work.record(), *work.plugins(), *work.environment()]
    seen.save()
    rows: Rows = []
    if recompute:
        rows, changed = rebuild(pinned, roots, workers, work.progress)
        differences += changed
    counted, all_notes = (pinned.sha256, len(pinned.subjects)), [*notes, *work.notes()]
    return Verification(
        str(manifest), *counted, differences, work.affected(differences), all_notes, rows, work.absent(files)
    )


@dataclass
class _Verify:
    """One verification under way."""

    manifest: Manifest
    roots: Roots
    seen: DigestCache
    recompute: bool
    progress: Progress

    def files(self) -> Iterator[Difference]:
        """Hash every pinned file and compare."""
        absent = tuple(f"{root}/" for root in ("run", "store") if self._will_be_rebuilt(root))
        subjects = self.manifest.subjects
        names = [
            name for name, subject in subjects.items() if subject.sha256 and not (absent and name.startswith(absent))
        ]
        with self.progress.stage("verify", len(names)) as advance:
            files = hash_files(names, self.roots.locate, self.seen, advance)
        for name, file in files.items():
            yield from _compare(subjects[name], file)

    def extras(self, damaged: set[str]) -> Iterator[Difference]:
        """Yield files that are new since the freeze and would be read. Files in ``damaged`` are not opened."""
        names = self.manifest.subjects.keys()
        data, run = self.roots.folders["data"], self.roots.folders["run"]
        if data.is_dir():
            before = {*names, *(f"data/{clip}" for clip in self.manifest.predicate["set_aside"])}
            yield from _extra("audio", {f"data/{clip}" for clip in sounds_below(data)} - before)
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

    def absent(self, files: list[Difference]) -> dict[str, str]:
        """Return {root: folder} of the roots without a single pinned file."""
        missing = Counter(difference.artifact.partition("/")[0] for difference in files if difference.kind == MISSING)
        pinned = Counter(name.partition("/")[0] for name, subject in self.manifest.subjects.items() if subject.sha256)
        roots = ("data", "run", "store")
        return {
            root: str(self.roots.folders[root]) for root in roots if missing[root] and missing[root] == pinned[root]
        }

    def record(self) -> Iterator[Difference]:
        """Compare the run's record, without timings and places."""
        folder, pinned = self.roots.folders["run"], self.manifest.subjects[f"run/{RUN_FILE}"]
        if self._will_be_rebuilt("run"):
            return
        try:
            meaning = load_run(folder).meaning
        except AsdcoreError as error:
            kind = CHANGED if (folder / RUN_FILE).exists() else MISSING
            yield Difference(kind, "record", pinned.name, str(error) if kind == CHANGED else "")
            return
        if recipe_digest(meaning) != pinned.content:
            frozen = self.manifest.predicate["run"] | {"portfolio": self.manifest.predicate["portfolio"]}
            keys = sorted(key for key in {*meaning, *frozen} if meaning.get(key) != frozen.get(key))
            yield Difference(CHANGED, "record", pinned.name, f"it differs in {', '.join(keys) or 'its form'}")

    def plugins(self) -> Iterator[Difference]:
        """Compare the versions of asdcore and of every plugin."""
        if (frozen := self.manifest.predicate["asdcore"]) != __version__:
            yield Difference(VERSION, "code", "code", f"asdcore {frozen}, here {__version__}")
        for row in self.manifest.predicate["plugins"]:
            artifact, place = f"plugin/{row['plugin']}", origin(row["plugin"])
            if place is None:
                yield Difference(
                    MISSING, "plugin", artifact, f"{row['distribution']} {row['version']} is not installed"
                )
            elif (place.distribution, place.version) != (row["distribution"], row["version"]):
                before, after = f"{row['distribution']} {row['version']}", f"{place.distribution} {place.version}"
                yield Difference(VERSION, "plugin", artifact, f"{before}, here {after}")

    def environment(self) -> Iterator[Difference]:
        """Compare Python, packages and processor."""
        recorded = self.manifest.predicate["environment"]
        for what, before, after in changes(recorded, environment_now(recorded)):
            yield Difference(VERSION, "environment", "environment", f"{what}: {before}, here {after}")

    def affected(self, differences: list[Difference]) -> list[str]:
        """Return the results that depend on what differs. A new file counts as the pinned files beside it."""
        lineage, changed = self.manifest.predicate["lineage"], set()
        for difference in differences:
            if difference.artifact in lineage or difference.artifact in self.manifest.subjects:
                changed.add(difference.artifact)
            else:
                beside = difference.artifact.rpartition("/")[0] + "/"
                among = {name for name in self.manifest.subjects if name.startswith(beside)}
                changed |= among or {"environment"}
        results = (node for node in reached(lineage, changed) if node.startswith("result/"))
        return sorted(node.removeprefix("result/") for node in results)

    def notes(self) -> list[str]:
        """Say which folders were not compared because they are absent."""
        absent = [name for name in ("run", "store") if self._will_be_rebuilt(name)]
        return [f"the {name} folder is absent: its tables were recomputed instead." for name in absent]

    def _will_be_rebuilt(self, root: str) -> bool:
        return self.recompute and not self.roots.folders[root].exists()

    def _extra_tables(self, run: Path) -> Iterator[Difference]:
        ours = {f"run/{name}" for name in BESIDE} | self.manifest.subjects.keys()
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
        clips = {subject.sha256 for subject in self.manifest.of_kind("audio")}
        names = {subject.name for subject in self.manifest.of_kind("features")}
        store = self.roots.folders["store"]
        for folder in sorted({name.rpartition("/")[0] for name in names}):
            files = sorted((store / folder.partition("/")[2]).glob("*.parquet"))
            here = {f"{folder}/{path.name}": path for path in files}
            held = {name: _held(path) for name, path in here.items() if name not in names}
            yield from (name for name, audio in held.items() if audio is None)
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
        return set(pl.read_parquet(path, columns=["audio_sha256"])["audio_sha256"]) if path.is_file() else None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return None


def _compare(pinned: Subject, file: HashedFile) -> Iterator[Difference]:
    if file.trouble == "missing":
        yield Difference(MISSING, pinned.kind, pinned.name)
    elif file.trouble:
        yield Difference(CHANGED, pinned.kind, pinned.name, file.trouble)
    elif file.size != pinned.size:
        yield Difference(CHANGED, pinned.kind, pinned.name, f"{pinned.size} bytes, here {file.size}")
    elif file.sha256 != pinned.sha256:
        detail = f"sha256 {str(pinned.sha256)[:12]}..., here {file.sha256[:12]}..."
        yield Difference(CHANGED, pinned.kind, pinned.name, detail)


def _extra(group: str, names: set[str]) -> Iterator[Difference]:
    return (Difference(EXTRA, group, name) for name in sorted(map(as_text, names)))


def _below(top: Path, files: tuple[Path, ...]) -> list[str]:
    return [file.relative_to(top).as_posix() for file in files]


def _signature(manifest: Manifest, public_key: str | Path | None) -> list[str]:
    """Check the signature if a key is given, else note an unchecked one."""
    if public_key is not None:
        check_signature(manifest.path, Path(public_key))
        return ["the signature is that of the given key."]
    if signature_of(manifest.path).exists():
        return ["the manifest is signed; give the signer's public key with --key to check it."]
    return []
