"""Freeze a run: pin recordings, features, code, plugins, checkpoints and tables in one manifest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from asdcore.basics.paths import given_path
from asdcore.basics.recording_parts import recording_name
from asdcore.compute.recipes import component_origins
from asdcore.contract.plugins import Plugins, installed
from asdcore.contract.source_code.files import framework_files
from asdcore.errors import ManifestError
from asdcore.evidence.ledger import count_looks
from asdcore.frozen.manifest import lineage
from asdcore.frozen.manifest.destination import check_place, moment_of
from asdcore.frozen.manifest.locations import Roots, code_roots, plugin_files, relative_roots
from asdcore.frozen.manifest.shards import Shards, is_sharded
from asdcore.frozen.manifest.statement import Manifest, Subject, write_manifest
from asdcore.frozen.pinning.complete_tables import check_whole
from asdcore.frozen.pinning.environment import environment
from asdcore.frozen.pinning.hashing import HashedFile
from asdcore.frozen.pinning.left_out_groups import split_rows
from asdcore.frozen.pinning.pinnable import pinnable, write_recordings
from asdcore.frozen.pinning.recording_names import sounds_below
from asdcore.frozen.pinning.resources import Pinned, pinned_modules, pinned_resources
from asdcore.frozen.pinning.score_packages import score_packages
from asdcore.frozen.pinning.stored_parts import FeatureFiles, StoredParts
from asdcore.frozen.pinning.unchanged_code import check_unchanged
from asdcore.portfolio import Portfolio, parse_portfolio
from asdcore.progress import Progress, Silent
from asdcore.runs.folder import PORTFOLIO_FILE, RUN_FILE, TABLES, Run, load_run
from asdcore.runs.portions import TablePortions
from asdcore.store.cache import FeatureSet, Store
from asdcore.store.digests.digest import bytes_digest, recipe_digest
from asdcore.store.disk.atomic import json_text
from asdcore.version import __version__


def freeze(
    run: Run | str | Path, out: str | Path, *, time: str | None = None, progress: Progress | None = None
) -> Manifest:
    """Freeze a finished run: pin everything that its results depend on in one manifest.

    Parameters
    ----------
    run : Run or path
        The finished run, or its folder.
    out : path
        The manifest to write. A manifest of the same run is replaced.
    time : str, optional
        The time in the manifest's seal; by default ``$SOURCE_DATE_EPOCH`` (seconds since 1970), else now (UTC).
    progress : Progress, optional
        Reports progress; silent by default.

    Returns
    -------
    Manifest
        The manifest, as read back: its ``path``, ``sha256``, ``subjects`` and ``predicate``.

    Raises
    ------
    ManifestError
        If recordings, code, plugins, checkpoints or libraries have changed since the run, if something is not in the
        registry, or if ``out`` holds another file. Nothing is written then.

    Examples
    --------
    >>> manifest = asdcore.freeze("runs/first", "first.json")
    >>> manifest.predicate["name"]
    'logmel-knn'
    >>> manifest.subjects["run/scores.parquet"].kind
    'table'
    """
    done = run if isinstance(run, Run) else load_run(run)
    path, moment = given_path(out, "out"), moment_of(time)
    check_place(path, recipe_digest(done.meaning))
    work = _Freeze(done, progress or Silent())
    check_unchanged(done, work.stored.networks, work.used, work.plugins)
    check_whole(work.tables, work.plan)
    shards, subjects = work.recordings(path), work.subjects()
    predicate = work.predicate(relative_roots(work.places, path), shards)
    return write_manifest(path, subjects, predicate, moment, shards.listed if shards else ())


@dataclass
class _Freeze:
    """One freeze under way."""

    run: Run
    progress: Progress

    @cached_property
    def plan(self) -> Portfolio:
        return parse_portfolio(self.run.about["portfolio"])

    @cached_property
    def plugins(self) -> Plugins:
        return installed()

    @cached_property
    def used(self) -> list[tuple[str, str]]:
        """(kind, name) of every component of the run."""
        return [("dataset", self.run.about["task"]), *self.plan.components()]

    @cached_property
    def plugin_names(self) -> list[str]:
        return sorted({self.plugins.component(*component).plugin for component in self.used})

    @cached_property
    def resources(self) -> list[Pinned]:
        return pinned_resources(self.plan)

    @cached_property
    def places(self) -> dict[str, Path]:
        about = self.run.about
        places = {"data": Path(about["data"]), "run": self.run.folder, "store": Path(about["store"])}
        return places | {resource.root: resource.folder for resource in self.resources if resource.is_elsewhere}

    @cached_property
    def tables(self) -> TablePortions:
        return TablePortions(self.run)

    @cached_property
    def stored(self) -> StoredParts:
        return StoredParts(self.tables, self.plan, self.plugins, self.places["store"])

    @cached_property
    def read(self) -> FeatureFiles:
        """The files of features that are read."""
        return self.stored.shards()

    @cached_property
    def crossfit(self) -> FeatureFiles:
        """Those by the networks of folds."""
        return self.stored.shards(crossfit=True)

    @cached_property
    def features(self) -> list[str]:
        """The names of all files of features, sorted."""
        return sorted({name for files in (*self.read.values(), *self.crossfit.values()) for name in files})

    @cached_property
    def is_sharded(self) -> bool:
        """Whether recordings are listed in shards."""
        return is_sharded(self.tables.n_clips)

    def recordings(self, path: Path) -> Shards | None:
        """Hash the recordings and write them into shards beside the manifest, if there are many."""
        return write_recordings(path, self.tables, self._roots, self.progress)

    def subjects(self) -> list[Subject]:
        """Hash everything, but recordings in shards, and return it as subjects."""
        tables = {f"run/{name}.parquet": self.tables.digest(name) for name in TABLES}
        kinds = dict.fromkeys(tables, "table") | {f"run/{PORTFOLIO_FILE}": "portfolio"}
        if not self.is_sharded:
            kinds |= {f"data/{clip}": "audio" for clip in self.run.clips["clip"]}
        kinds |= dict.fromkeys(self.features, "features")
        kinds |= dict.fromkeys(self.stored.trained(), "trained")
        kinds |= {
            state: "fitted" for cells in self.stored.states.values() for names in cells.values() for state in names
        }
        kinds |= {name: "checkpoint" for resource in self.resources for name in resource.subjects}
        kinds |= {name: "code" if name.startswith("asdcore/") else "plugin" for name in self.source_names()}
        files = self._hash(sorted(kinds))
        contents = tables | self._feature_digests()
        subjects = [
            Subject(name, kinds[name], file.size, file.sha256, contents.get(name)) for name, file in files.items()
        ]
        return [*subjects, Subject(f"run/{RUN_FILE}", "record", content=recipe_digest(self.run.meaning))]

    def source_names(self) -> list[str]:
        """Return the names of all pinned source files."""
        top, files = framework_files()
        return [*(f"asdcore/{file.relative_to(top).as_posix()}" for file in files), *self.sources]

    def predicate(self, roots: dict[str, str], shards: Shards | None) -> dict[str, Any]:
        """Return the predicate: everything in the manifest besides the subjects. shards : those of the recordings."""
        about = self.run.about
        named = [name for modules in self.modules.values() for name in modules]
        return {
            "asdcore": __version__,
            "name": self.plan.name,
            "portfolio": about["portfolio"],
            "seed": self.plan.seed,
            "run": {key: value for key, value in self.run.meaning.items() if key != "portfolio"},
            "roots": roots,
            "set_aside": self._set_aside(shards),
            "plugins": self._plugin_rows(),
            "resources": [resource.as_json() for resource in self.resources],
            "environment": self._environment(named),
            "splits": split_rows(self.tables, about["out_of_fold"]),
            "looks": count_looks(Store(self.places["store"]).looks, about["tables"]["systems"]),
            "lineage": self._lineage(),
        }

    def _environment(self, modules: list[str]) -> dict[str, Any]:
        """Return the environment; its processor is the one that the run noted, if it did."""
        sources, about = [*framework_files()[1], *self.sources.values()], self.run.about
        processor: dict[str, Any] = about.get("processor", {})
        needed = {"score_packages": score_packages(self.plan, self.plugins)}
        return environment(sources, modules, about["device"]) | processor | needed

    @cached_property
    def modules(self) -> dict[str, list[str]]:
        """{plugin: the modules named in parameters of its components}, as of the HEAR adapter."""
        return pinned_modules(self.plan)

    @cached_property
    def sources(self) -> dict[str, Path]:
        """{subject name: file} of the source of every plugin."""
        for component in (self.plugins.component(*used) for used in self.used):
            if component.source is None:
                raise ManifestError(f"The plugin {component.plugin!r} has no source file, so it cannot be pinned.")
        return plugin_files({name: self.modules.get(name, []) for name in self.plugin_names})

    def _plugin_rows(self) -> list[dict[str, Any]]:
        rows: dict[str, dict[str, Any]] = {}
        for origin in component_origins(self.used, self.plugins):
            row = {key: origin[key] for key in ("plugin", "distribution", "version", "source_sha256")}
            modules = {"modules": named} if (named := self.modules.get(origin["plugin"])) else {}
            rows.setdefault(origin["plugin"], {**row, **modules, "components": []})["components"].append(
                f"{origin['kind']} {origin['name']}"
            )
        return [rows[name] for name in sorted(rows)]

    def _hash(self, names: list[str]) -> dict[str, HashedFile]:
        """Hash every file; raises ManifestError with all that cannot be pinned."""
        had = {f"run/{PORTFOLIO_FILE}": bytes_digest(json_text(self.run.about["portfolio"]).encode())}
        if not self.is_sharded:
            had |= {f"data/{clip}": sha256 for clip, sha256 in self.run.clips.select("clip", "sha256").rows()}
        with self.progress.stage("hash", len(names)) as advance:
            return pinnable(names, self._roots, had, advance)

    @cached_property
    def _roots(self) -> Roots:
        kept = {resource.root: resource.folder for resource in self.resources}
        return Roots({**self.places, **kept, **code_roots(self.plugin_names)}, self.sources)

    def _feature_digests(self) -> dict[str, str]:
        root = self.places["store"]
        paths = {name: root / name.removeprefix("store/") for name in self.features}
        return {name: FeatureSet(path.parent).content(path) for name, path in paths.items()}

    def _set_aside(self, shards: Shards | None) -> list[str]:
        """Return the recordings below the data's root that the run left out, so that a later one is noticed as new."""
        folders = sounds_below(self.places["data"])
        if shards:
            others = shards.unlisted({f"data/{sound}" for sound in sounds} for sounds in folders)
            return sorted(name.removeprefix("data/") for name in others)
        listed = set(map(recording_name, self.run.clips["clip"]))
        return sorted(sound for sounds in folders for sound in sounds - listed)

    def _lineage(self) -> lineage.Lineage:
        names = self.source_names()
        files = {"code": [name for name in names if name.startswith("asdcore/")]}
        for plugin in self.plugin_names:
            files[f"plugin/{plugin}"] = [name for name in names if name.startswith(f"plugin/{plugin}/")]
        resources: dict[str, list[str]] = {}
        for resource in self.resources:
            for branch in sorted(resource.branches):
                resources.setdefault(branch, []).extend(resource.subjects)
        made_by = {component: self.plugins.component(*component).plugin for component in self.used}
        made = lineage.Ingredients(
            self.plan,
            self.run.about["task"],
            lineage.recordings_of(self.tables.portions("clips"), self.is_sharded),
            made_by,
            files,
            self.read,
            resources,
            self.stored.states,
            self.stored.trained(),
            self.crossfit,
            self.is_sharded,
        )
        return lineage.draw(made)
