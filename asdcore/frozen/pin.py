"""Freeze a run: pin everything that its results depend on in one manifest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from asdcore.basics.paths import given_path
from asdcore.compute.recipes import (
    changed_sources,
    component_origins,
    feature_recipe,
    features_digest,
    inputs_digest,
    library_versions,
)
from asdcore.contract.plugins import Plugins, installed
from asdcore.contract.sources import files_digest, framework_files
from asdcore.errors import ManifestError
from asdcore.evidence.ledger import count_looks
from asdcore.frozen import lineage
from asdcore.frozen.audio_files import sounds_below
from asdcore.frozen.complete_tables import check_whole
from asdcore.frozen.environment import environment
from asdcore.frozen.hashing import Found, hash_files
from asdcore.frozen.locations import Roots, code_roots, plugin_files, relative_roots
from asdcore.frozen.manifest import Manifest, Subject, check_name, write_manifest
from asdcore.frozen.manifest_path import check_place, moment_of
from asdcore.frozen.resources import Pinned, pinned_modules, pinned_resources
from asdcore.portfolio import Portfolio, parse_portfolio
from asdcore.progress import Progress, Silent
from asdcore.runs.folder import PORTFOLIO_FILE, RUN_FILE, TABLES, Run, load_run
from asdcore.store.atomic import json_text
from asdcore.store.cache import FeatureSet, Store
from asdcore.store.digest import bytes_digest, recipe_digest, table_digest
from asdcore.store.tables import FULL
from asdcore.version import __version__


def freeze(
    run: Run | str | Path, out: str | Path, *, time: str | None = None, progress: Progress | None = None
) -> Manifest:
    """Pin a finished run in the manifest ``out`` and return it.

    time : when it was frozen, as the seal says it; default ``$SOURCE_DATE_EPOCH``, else now (UTC).

    Raises ManifestError, with nothing written, where something is no longer as the run had it, or cannot be pinned.
    """
    done = run if isinstance(run, Run) else load_run(run)
    path, moment = given_path(out, "out"), moment_of(time)
    check_place(path, recipe_digest(done.meaning))
    work = _Freeze(done, progress or Silent())
    work.check_unchanged()
    check_whole(done, work.plan)
    return write_manifest(path, work.subjects(), work.predicate(relative_roots(work.places, path)), moment)


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
        return sorted({self.plugins.component(*one).plugin for one in self.used})

    @cached_property
    def resources(self) -> list[Pinned]:
        return pinned_resources(self.plan)

    @cached_property
    def places(self) -> dict[str, Path]:
        about = self.run.about
        places = {"data": Path(about["data"]), "run": self.run.folder, "store": Path(about["store"])}
        return places | {one.root: one.folder for one in self.resources if one.is_elsewhere}

    @cached_property
    def shards(self) -> dict[str, dict[str, set[str]]]:
        """{branch: {subject name of a shard: audio digests in it}}, of the shards that the run reads."""
        store, wanted = Store(self.places["store"]), set(self.run.clips["sha256"])
        found: dict[str, dict[str, set[str]]] = {}
        for name, branch in self.plan.branches.items():
            found[name] = {}
            for part in branch.parts:
                features = store.features(feature_recipe(part, self.plugins, self.run.about["device"]))
                if lost := features.missing(sorted(wanted)):
                    raise ManifestError(
                        f"{features.folder} lacks the features of {len(lost)} clips of this run. Run the portfolio "
                        f"again into {self.run.folder}, with the same --store."
                    )
                for path, held in features.shards_of(wanted).items():
                    found[name][f"store/{path.relative_to(store.root).as_posix()}"] = held
        return found

    def check_unchanged(self) -> None:
        """Raise where code, a plugin or a library is not what the run was made with: it would be pinned wrongly."""
        about, problems = self.run.about, []
        if "manifest" in about:
            raise ManifestError(
                f"{self.run.folder} is an inference: it rests on a manifest already. Freeze the run of a portfolio."
            )
        if about["code_sha256"] != files_digest(*framework_files()):
            problems.append(f"asdcore's own source has changed since (then {about['asdcore']}, now {__version__})")
        now = {(one["kind"], one["name"]): one for one in component_origins(self.used, self.plugins)}
        for then in about["plugins"]:
            if then != now.get((then["kind"], then["name"])):
                problems.append(f"the {then['kind']} {then['name']!r} of plugin {then['plugin']} has changed since")
        problems += [
            f"the source of plugin {name} has changed since" for name in changed_sources(self.used, self.plugins)
        ]
        inputs = {} if problems else inputs_digest(self.plan.choices(), self.plugins)
        if (then := about.get("inputs")) is not None:
            problems += [
                f"{where} would be built from something else now: what its parameters name has changed"
                for where in inputs
                if then.get(where) != inputs[where]
            ]
        for name, version in library_versions().items():
            if about["libraries"].get(name) != version:
                problems.append(f"{name} was {about['libraries'].get(name)}, it is {version}")
        for name, branch in self.plan.branches.items():
            features = features_digest(branch, self.plugins, about["device"])
            if not problems and about["features"].get(name) != features:
                problems.append(f"the features of branch {name!r} would no longer be the same")
        if problems:
            raise ManifestError(
                "\n  - ".join(
                    [
                        f"{self.run.folder} cannot be frozen: it was made with something else than what is here. Run "
                        "the portfolio again, then freeze.",
                        *problems,
                    ]
                )
            )

    def subjects(self) -> list[Subject]:
        """Hash everything and return it as subjects."""
        tables = {f"run/{name}.parquet": table_digest(getattr(self.run, name), TABLES[name].key) for name in TABLES}
        kinds = dict.fromkeys(tables, "table") | {f"run/{PORTFOLIO_FILE}": "portfolio"}
        kinds |= {f"data/{clip}": "audio" for clip in self.run.clips["clip"]}
        kinds |= {name: "features" for shards in self.shards.values() for name in shards}
        kinds |= {name: "checkpoint" for one in self.resources for name in one.subjects}
        kinds |= {name: "code" if name.startswith("asdcore/") else "plugin" for name in self.source_names()}
        found = self._hash(sorted(kinds))
        contents = tables | self._feature_digests()
        subjects = [Subject(name, kinds[name], one.size, one.sha256, contents.get(name)) for name, one in found.items()]
        return [*subjects, Subject(f"run/{RUN_FILE}", "record", content=recipe_digest(self.run.meaning))]

    def source_names(self) -> list[str]:
        """Return the names of all pinned source files."""
        top, files = framework_files()
        return [*(f"asdcore/{file.relative_to(top).as_posix()}" for file in files), *self.sources]

    def predicate(self, roots: dict[str, str]) -> dict[str, Any]:
        """Return what the manifest says besides the subjects."""
        about = self.run.about
        named = [name for modules in self.modules.values() for name in modules]
        return {
            "asdcore": __version__,
            "name": self.plan.name,
            "portfolio": about["portfolio"],
            "seed": self.plan.seed,
            "run": {key: value for key, value in self.run.meaning.items() if key != "portfolio"},
            "roots": roots,
            "set_aside": self._set_aside(),
            "plugins": self._plugin_rows(),
            "resources": [one.as_json() for one in self.resources],
            "environment": environment([*framework_files()[1], *self.sources.values()], named, about["device"]),
            "splits": _splits(self.run.scores, about["out_of_fold"]),
            "looks": count_looks(Store(self.places["store"]).looks, about["tables"]["systems"]),
            "lineage": self._lineage(),
        }

    @cached_property
    def modules(self) -> dict[str, list[str]]:
        """{plugin: the modules that its components are told by name}, as the HEAR adapter is."""
        return pinned_modules(self.plan)

    @cached_property
    def sources(self) -> dict[str, Path]:
        """{subject name: file} of the source of every plugin."""
        for one in (self.plugins.component(*used) for used in self.used):
            if one.source is None:
                raise ManifestError(f"The plugin {one.plugin!r} has no source file, so it cannot be pinned.")
        return plugin_files({name: self.modules.get(name, []) for name in self.plugin_names})

    def _plugin_rows(self) -> list[dict[str, Any]]:
        rows: dict[str, dict[str, Any]] = {}
        for one in component_origins(self.used, self.plugins):
            row = {key: one[key] for key in ("plugin", "distribution", "version", "source_sha256")}
            told = {"modules": named} if (named := self.modules.get(one["plugin"])) else {}
            rows.setdefault(one["plugin"], {**row, **told, "components": []})["components"].append(
                f"{one['kind']} {one['name']}"
            )
        return [rows[name] for name in sorted(rows)]

    def _hash(self, names: list[str]) -> dict[str, Found]:
        """Hash every file; ManifestError for all that cannot be pinned, at once."""
        kept = {one.root: one.folder for one in self.resources}
        roots = Roots({**self.places, **kept, **code_roots(self.plugin_names)}, self.sources)
        with self.progress.stage("hash", len(names)) as advance:
            found = hash_files(names, lambda name: roots.locate(check_name(name)), done=advance)
        had = {f"data/{clip}": digest for clip, digest in self.run.clips.select("clip", "sha256").rows()}
        had[f"run/{PORTFOLIO_FILE}"] = bytes_digest(json_text(self.run.about["portfolio"]).encode())
        problems = []
        for name, one in found.items():
            if one.trouble:
                problems.append(f"{name}: {one.trouble}")
            elif had.get(name, one.sha256) != one.sha256:
                problems.append(f"{name}: changed since the run")
        if problems:
            more = f", and {len(problems) - 20} more" * (len(problems) > 20)
            raise ManifestError("\n  - ".join(["This run cannot be frozen:", *problems[:20]]) + more)
        return found

    def _feature_digests(self) -> dict[str, str]:
        root = self.places["store"]
        paths = {name: root / name.removeprefix("store/") for shards in self.shards.values() for name in shards}
        return {name: FeatureSet(path.parent).content(path) for name, path in sorted(paths.items())}

    def _set_aside(self) -> list[str]:
        """Return the recordings below the data's root that the run did not take, so that a new one can be told."""
        return sorted(sounds_below(self.places["data"]) - set(self.run.clips["clip"]))

    def _lineage(self) -> lineage.Lineage:
        names = self.source_names()
        files = {"code": [name for name in names if name.startswith("asdcore/")]}
        for plugin in self.plugin_names:
            files[f"plugin/{plugin}"] = [name for name in names if name.startswith(f"plugin/{plugin}/")]
        resources: dict[str, list[str]] = {}
        for one in self.resources:
            for branch in sorted(one.branches):
                resources.setdefault(branch, []).extend(one.subjects)
        made_by = {one: self.plugins.component(*one).plugin for one in self.used}
        made = lineage.Ingredients(
            self.plan, self.run.about["task"], self.run.clips, made_by, files, self.shards, resources
        )
        return lineage.draw(made)


def _splits(scores: pl.DataFrame, out_of_fold: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Say how the train normals of each branch, machine and section were split to be scored out of fold.

    out_of_fold : what ``run.json`` says of it.
    """
    rows = []
    together = {
        (branch, row["machine"], row["section"]): row["by"]
        for row in out_of_fold
        for branch in row["branches"]
        if any(one["groups"] < one["clips"] for one in row["domains"].values())
    }
    held_out = scores.filter(pl.col("role") == "oof").select("branch", "machine", "section", "clip", "fold").unique()
    held_out = held_out.with_columns(alone=pl.col("fold") == FULL)
    groups = held_out.group_by("branch", "machine", "section", "alone")
    for (branch, machine, section, alone), cell in sorted(groups, key=_first):
        by = f" by {together[branch, machine, section]}" if (branch, machine, section) in together else ""
        scheme = ("leave-one-out" if alone else f"{cell['fold'].n_unique()} folds") + by
        digest = table_digest(cell.select("clip", "fold"), ("clip",))
        where = {"branch": branch, "machine": machine, "section": section}
        rows.append({**where, "scheme": scheme, "clips": len(cell), "clip_and_fold": digest})
    return rows


def _first(pair: Iterable[Any]) -> Any:
    return next(iter(pair))
