"""Verify a manifest: compare everything it pins with what is here, and list all differences at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.basics.paths import given_path, places
from asdcore.cluster.connection import check_workers, connected, seen_by
from asdcore.compute.kernels import kernel_changes
from asdcore.errors import AsdcoreError, ClusterError
from asdcore.frozen.manifest.lineage import reached
from asdcore.frozen.manifest.locations import Roots, roots_of
from asdcore.frozen.manifest.signing import check_signature, signature_of
from asdcore.frozen.manifest.statement import Manifest, Subject, read_manifest
from asdcore.frozen.pinning.environment import environment_now
from asdcore.frozen.pinning.hashing import DigestCache, hash_files
from asdcore.frozen.verifying.code_differences import environment_differences, plugin_versions
from asdcore.frozen.verifying.differences import CHANGED, MISSING, Difference, Verification, compared_file
from asdcore.frozen.verifying.new_files import new_files
from asdcore.frozen.verifying.recompute import recompute as rebuild
from asdcore.frozen.verifying.recomputed_sample import prove, recomputed_note, unproven_note
from asdcore.progress import Progress, Silent
from asdcore.runs.folder import RUN_FILE, load_run
from asdcore.store.cache import default_store
from asdcore.store.digests.digest import recipe_digest


def verify(
    manifest: str | Path,
    *,
    data: str | Path | None = None,
    run: str | Path | None = None,
    store: str | Path | None = None,
    recompute: bool = False,
    retrain: bool = False,
    trust_mtime: bool = False,
    public_key: str | Path | None = None,
    workers: int = 1,
    cluster: Any = None,
    progress: Progress | None = None,
) -> Verification:
    """Compare everything that a manifest pins with what is here.

    No code of a plugin runs, unless the processor or the kernels of a library are others: then a sample is computed
    again, to prove that the frozen bytes come out here too.

    Parameters
    ----------
    manifest : path
        The manifest that :func:`asdcore.freeze` wrote.
    data, run, store : path, optional
        The recordings, the run folder and the store, if they have moved since.
    recompute : bool, optional
        Also recompute every table from the recordings and compare; run folder and store may then be absent. Encoders
        that were trained are not: features come from their trained states, which the store must have.
    retrain : bool, optional
        Recompute, and train encoders anew, too.
    trust_mtime : bool, optional
        Skip files whose size and time of change are those of the last verification.
    public_key : path, optional
        Check the manifest's signature with this key.
    workers : int, optional
        Processes to recompute or prove in.
    cluster : str or distributed.Client, optional
        The Dask cluster whose workers recompute, as for :func:`asdcore.run`.
    progress : Progress, optional
        Reports progress; silent by default.

    Returns
    -------
    Verification
        ``passed``, all ``differences`` at once, the results that they affect, and the ``kernels`` that are others.

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
    if pinned.shards:
        pinned.shards.check_there()
    recompute = recompute or retrain
    check_workers(workers, cluster)
    if cluster is not None and not recompute:
        raise ClusterError("Only --recompute has work for a --cluster. Give both, or none.")
    notes = _signature(pinned, public_key)
    given = places(data=data, run=run, store=store)
    roots = roots_of(pinned, {name: seen_by(cluster, place) for name, place in given.items()})
    work = _Verify(pinned, roots, recompute, progress or Silent(), trust_mtime)
    result = work.compared(str(manifest), notes)
    if recompute:
        with connected(cluster, pinned.predicate["run"]["device"], work.progress) as connection:
            rows, changed = rebuild(
                pinned, roots, workers, work.progress, connection, retrain=retrain, kernels=result.kernels
            )
        return work.with_proof(replace(result, recomputed=rows), changed, recomputed_note(result.kernels, changed))
    if not result.kernels:
        return result
    if result.differences:
        return work.with_proof(result, [], unproven_note(result.kernels))
    proof = prove(pinned, roots, result.kernels, workers, work.progress)
    return work.with_proof(result, proof.differences, proof.note)


def compare(
    manifest: Manifest, roots: Roots, shown: str, progress: Progress, public_key: str | Path | None
) -> Verification:
    """Do what :func:`verify` does, but prove nothing on another processor: who calls this proves by itself.

    shown : the manifest's path, as given.
    """
    return _Verify(manifest, roots, False, progress, False).compared(shown, _signature(manifest, public_key))


@dataclass
class _Verify:
    """One verification under way."""

    manifest: Manifest
    roots: Roots
    recompute: bool
    progress: Progress
    trust_mtime: bool

    @cached_property
    def seen(self) -> DigestCache:
        return DigestCache(default_store() / "verified" / f"{self.manifest.sha256}.json", self.trust_mtime)

    @cached_property
    def now(self) -> dict[str, Any]:
        """The present environment."""
        return environment_now(self.manifest.predicate["environment"])

    def compared(self, shown: str, notes: list[str]) -> Verification:
        """Compare everything that is pinned, and find the kernels that are others."""
        files = list(self.files())
        extras = new_files(self.manifest, self.roots, {difference.artifact for difference in files})
        differences = [*files, *extras, *self.record(), *self.code()]
        self.seen.save()
        return Verification(
            shown,
            self.manifest.sha256,
            len(self.manifest.subjects),
            differences,
            self.affected(differences),
            [*notes, *self.notes()],
            absent=self.absent(files),
            kernels=kernel_changes(self.manifest.predicate["environment"], self.now),
        )

    def with_proof(self, result: Verification, more: list[Difference], note: str) -> Verification:
        """Return a verification with the differences that a proof found, and its note."""
        differences = [*result.differences, *more]
        notes = [*result.notes, *([note] if note else [])]
        return replace(result, differences=differences, affected=self.affected(differences), notes=notes)

    def files(self) -> Iterator[Difference]:
        """Hash every pinned file and compare."""
        absent = tuple(f"{root}/" for root in ("run", "store") if self._will_be_rebuilt(root))
        subjects, shards = self.manifest.own, self.manifest.shards
        names = [
            name for name, subject in subjects.items() if subject.sha256 and not (absent and name.startswith(absent))
        ]
        with self.progress.stage("verify", len(names) + (len(shards) if shards else 0)) as advance:
            files = hash_files(names, self.roots.locate_text, self.seen, advance)
            for name, file in files.items():
                yield from compared_file(subjects[name], file)
            if shards:
                for shard in shards.listed:
                    yield from self._recordings(shards.frame(shard), shard.sha256, advance)

    def _recordings(self, frame: pl.DataFrame, shard: str, advance: Callable[[int], None]) -> Iterator[Difference]:
        """Hash the recordings of one shard and compare."""
        seen = DigestCache(self.seen.path.with_suffix("") / f"{shard}.json", self.trust_mtime)
        files = hash_files(frame["name"], self.roots.locate_text, seen, advance)
        for name, size, sha256, _ in frame.iter_rows():
            file = files[name]
            if (file.size, file.sha256, file.trouble) != (size, sha256, ""):
                yield from compared_file(Subject(name, "audio", size, sha256), file)
        seen.save()

    def absent(self, files: list[Difference]) -> dict[str, str]:
        """Return {root: folder} of the roots without a single pinned file."""
        missing = Counter(difference.artifact.partition("/")[0] for difference in files if difference.kind == MISSING)
        pinned = Counter(name.partition("/")[0] for name, subject in self.manifest.own.items() if subject.sha256)
        pinned["data"] += len(self.manifest.shards or ())
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

    def code(self) -> list[Difference]:
        """Compare the versions of asdcore and of every plugin, Python and packages."""
        predicate = self.manifest.predicate
        return [
            *plugin_versions(predicate["plugins"], predicate["asdcore"]),
            *environment_differences(predicate["environment"], self.now),
        ]

    def affected(self, differences: list[Difference]) -> list[str]:
        """Return the results that depend on what differs. A new file counts as the pinned files beside it."""
        lineage, changed = self.manifest.predicate["lineage"], set()
        for difference in differences:
            if difference.artifact in lineage:
                changed.add(difference.artifact)
            elif (node := self.manifest.node(difference.artifact)) is not None:
                changed.add(node)
            else:
                beside = difference.artifact.rpartition("/")[0] + "/"
                changed |= self.manifest.nodes_below(beside) or {"environment"}
        results = (node for node in reached(lineage, changed) if node.startswith("result/"))
        return sorted(node.removeprefix("result/") for node in results)

    def notes(self) -> list[str]:
        """Say which folders were not compared because they are absent."""
        absent = [name for name in ("run", "store") if self._will_be_rebuilt(name)]
        return [f"the {name} folder is absent: its tables were recomputed instead." for name in absent]

    def _will_be_rebuilt(self, root: str) -> bool:
        return self.recompute and not self.roots.folders[root].exists()


def _signature(manifest: Manifest, public_key: str | Path | None) -> list[str]:
    """Check the signature if a key is given, else note an unchecked one."""
    if public_key is not None:
        check_signature(manifest.path, Path(public_key))
        return ["the signature is that of the given key."]
    if signature_of(manifest.path).exists():
        return ["the manifest is signed; give the signer's public key with --key to check it."]
    return []
