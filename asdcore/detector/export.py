"""Writes a detector: what a frozen run has learnt, in one file that needs neither its store nor its recordings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from asdcore.basics.paths import given_path, places
from asdcore.components.checkpoints import CHECKPOINT, resolved
from asdcore.contract.plugins import chosen, installed, loaded
from asdcore.detector.container import open_container, write_container
from asdcore.errors import ManifestError, StoreError
from asdcore.frozen.manifest.locations import Roots, roots_of
from asdcore.frozen.manifest.signing import signature_of
from asdcore.frozen.manifest.statement import Manifest, NothingToCheckError, read_manifest
from asdcore.frozen.pinning.hashing import hash_files
from asdcore.frozen.pinning.resources import Pinned, pinned_resources
from asdcore.frozen.verifying.code_differences import score_code_differences
from asdcore.frozen.verifying.refusal import shortened
from asdcore.portfolio import Portfolio, parse_portfolio
from asdcore.progress import Progress, Silent
from asdcore.runs.folder import PORTFOLIO_FILE, RUN_FILE
from asdcore.stages.notes_on_data import audio_empty_bands
from asdcore.store.fitted_state import read_state
from asdcore.store.tables import CLIP_INDEX, FULL, read_table

TABLES = ("run/clips.parquet", "run/scores.parquet", "run/systems.parquet")
SUFFIX = ".asd"


def export(
    manifest: str | Path,
    out: str | Path,
    *,
    with_checkpoints: bool = False,
    run: str | Path | None = None,
    store: str | Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write a frozen run as a detector: one file that scores a clip as ``infer`` would, without store or recordings.

    Parameters
    ----------
    manifest : path
        The manifest that :func:`asdcore.freeze` wrote. If it is signed, its signature goes along.
    out : path
        The file to write, with the suffix ``.asd``. A detector of the same manifest is replaced.
    with_checkpoints : bool, optional
        Put the checkpoints of encoders inside. By default the registry of the other machine must have them.
    run, store : path, optional
        The frozen run folder and store, if they have moved since.
    progress : Progress, optional
        Reports progress; silent by default.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ManifestError
        If this is not the manifest of a frozen run, what it pins has changed, or one of its encoders hears no sound.
        Nothing is written then.
    StoreError
        If ``out`` holds another file.

    Examples
    --------
    >>> manifest = asdcore.freeze("runs/first", "first.json")
    >>> asdcore.export("first.json", "first.asd").name
    'first.asd'
    """
    source, target = given_path(manifest, "the manifest"), given_path(out, "out")
    _check_frozen(source)
    pinned = read_manifest(source)
    _check_place(target, pinned)
    roots = roots_of(pinned, places(run=run, store=store))
    with chosen(loaded(row["plugin"] for row in pinned.predicate["plugins"])):
        _Export(pinned, roots, with_checkpoints, progress or Silent()).write(target)
    return target


def _check_frozen(path: Path) -> None:
    """Raise NothingToCheckError for a run that was not frozen."""
    folder = path if path.is_dir() else path.parent
    a_run = (folder / RUN_FILE).is_file() and (folder / PORTFOLIO_FILE).is_file()  # a manifest may be called run.json
    if a_run and (path.is_dir() or path.name == RUN_FILE):
        raise NothingToCheckError(
            f"{folder} is a run that is not frozen. 'asdcore freeze {folder} --out MANIFEST.json' freezes it; export "
            "that manifest."
        )


def _check_place(path: Path, manifest: Manifest) -> None:
    """Raise StoreError unless a detector can be written here without losing another file."""
    if path.suffix != SUFFIX:
        name = "NAME" if path.name == SUFFIX else path.stem
        raise StoreError(f"{path} does not end in {SUFFIX}. Choose a name such as {name}{SUFFIX}.")
    if not path.exists() and not path.is_symlink():
        return
    try:
        replaced = open_container(path).manifest.sha256 == manifest.sha256
    except ManifestError:
        replaced = False
    if not replaced:
        raise StoreError(f"{path} exists, and is not a detector of this manifest. Choose another name, or remove it.")


@dataclass
class _Export:
    """One export under way."""

    manifest: Manifest
    roots: Roots
    with_checkpoints: bool
    progress: Progress

    def write(self, target: Path) -> None:
        """Check everything that goes inside, and write it."""
        self._check_hears()
        states = self.states
        self._refuse([str(difference) for difference in score_code_differences(self.manifest, self.roots)])
        names = [*TABLES, *states, *self.features, *self.networks]
        checkpoints = self.checkpoints if self.with_checkpoints else {}
        names += [subject.name for subject in self.manifest.of_kind("checkpoint")] if checkpoints else []
        self._check(names)
        for note in self._notes():
            self.progress.note(note)
        signature = signature_of(self.manifest.path)
        write_container(
            target,
            (self.manifest.path.name, self.manifest.path.read_bytes()),
            signature.read_bytes() if signature.is_file() else None,
            {name: self._path(name) for name in names},
            checkpoints,
        )

    def _notes(self) -> list[str]:
        """Say which encoders hear bands without sound; whoever uses the detector cannot change that."""
        clips = read_table(CLIP_INDEX, self._path(TABLES[0]), "Run and freeze anew.")
        return audio_empty_bands.notes(clips, self.plan.branches, installed(), None)

    def _check_hears(self) -> None:
        """Raise ManifestError if a branch knows recordings and hears no sound: it could score nothing new."""
        for name, branch in self.plan.branches.items():
            for part in branch.parts:
                encoder = installed().component("encoder", part.encoder.name)
                if hasattr(encoder.factory, "prepare_recording"):
                    raise ManifestError(
                        f"{self.manifest.path}: branch {name!r} has the encoder {encoder.name!r}, which knows "
                        "recordings and hears no sound, so a detector could score nothing new. Run, freeze and "
                        "export a portfolio with the encoder that made the features; 'asdcore infer' scores recordings "
                        "that have some."
                    )

    @cached_property
    def plan(self) -> Portfolio:
        return parse_portfolio(self.manifest.predicate["portfolio"])

    @cached_property
    def states(self) -> list[str]:
        """The states of all scorers."""
        names = [subject.name for subject in self.manifest.of_kind("fitted")]
        if not names:
            raise ManifestError(
                f"{self.manifest.path} was frozen before asdcore kept what scorers learn, so it has nothing to export. "
                "Freeze anew: asdcore run PORTFOLIO --data ROOT --out RUN; asdcore freeze RUN --out NEW.json"
            )
        return names

    @property
    def networks(self) -> list[str]:
        """The trained states of the networks that hear new clips: those of a crossfit's folds stay at home."""
        rows = self.manifest.predicate["run"].get("trained", [])
        return sorted({f"store/{row['state']}" for row in rows if row["fold"] == FULL})

    @cached_property
    def features(self) -> list[str]:
        """The files of train features that scorers need who keep no features themselves."""
        self._check(self.states)
        needed = {name for name in self.states if self._needs_features(name)}
        parents = (
            parent
            for node, above in self.manifest.predicate["lineage"].items()
            if node in needed
            for parent in above
            if parent.startswith("store/features/")
        )
        return sorted(set(parents))

    def _needs_features(self, state: str) -> bool:
        about = read_state(self._path(state)).about
        return about["fitted_on"] != "features" or not about["restores"]

    @cached_property
    def checkpoints(self) -> dict[str, str]:
        """{a checkpoint as the portfolio names it: the member that is its file, or the folder of members}."""
        resources = pinned_resources(self.plan)
        return dict(self._named(resources))

    def _named(self, resources: list[Pinned]) -> Iterator[tuple[str, str]]:
        for choice in self.plan.choices():
            path = resolved(choice.named.parameters).get(CHECKPOINT)
            for resource in resources:
                if isinstance(path, Path) and (path == resource.folder or path.is_relative_to(resource.folder)):
                    inside = path.relative_to(resource.folder).as_posix()
                    yield (
                        str(choice.named.parameters[CHECKPOINT]),
                        resource.root if inside == "." else f"{resource.root}/{inside}",
                    )

    def _check(self, names: list[str]) -> None:
        """Raise ManifestError unless these files are as they were frozen."""
        with self.progress.stage("verify", len(names)) as advance:
            files = hash_files(names, self.roots.locate_text, done=advance)
        changed = [
            f"{name}: {file.trouble or 'changed'}"
            for name, file in files.items()
            if file.sha256 != self.manifest.subjects[name].sha256
        ]
        self._refuse(changed)

    def _refuse(self, changed: list[str]) -> None:
        """Raise ManifestError with everything that has changed, if there is anything."""
        if changed:
            path = self.manifest.path
            first = f"{path} does not fit what is here, so nothing was exported:"
            last = f"'asdcore verify {path}' says more. If run or store lie elsewhere now: --run DIR, --store DIR."
            raise ManifestError("\n".join([first, *shortened(changed), last]))

    def _path(self, name: str) -> Path:
        path = self.roots.locate(name)
        if path is None:
            raise ManifestError(f"{name} is not on this machine")
        return path
