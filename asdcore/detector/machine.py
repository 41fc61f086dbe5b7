"""Everything that a detector knows of one machine and section, brought back once and then asked clip after clip."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from asdcore.components.seeds import seeded
from asdcore.compute.scoring.scoring import Recipe, Rows, Without
from asdcore.contract.plugins import Plugins
from asdcore.data.clip_index.recording_kind import RecordingKind, kind_of
from asdcore.detector.branches import FrozenBranch, FrozenCell
from asdcore.detector.container import Container
from asdcore.detector.feature_shares import FeatureShares, Shares
from asdcore.detector.listen import Features
from asdcore.detector.systems import BranchScores, FrozenSystem, Scale, scales_of
from asdcore.detector.verdict import BranchShare, Nearest, Verdict
from asdcore.errors import ManifestError, located
from asdcore.held_out import held_out_by, system_groups
from asdcore.portfolio import Decision, Named, Portfolio
from asdcore.runs.folder import TABLES
from asdcore.stages.decide import thresholds
from asdcore.stages.fuse import as_written
from asdcore.store.tables import FULL


class Frozen:
    """The tables of a detector's file: the train normals of all machines.

    Parameters
    ----------
    container : Container
        The file.
    plan : Portfolio
        Its portfolio.
    """

    def __init__(self, container: Container, plan: Portfolio) -> None:
        self.container, self.plan = container, plan

    @cached_property
    def clips(self) -> pl.DataFrame:
        """The clip index of the train normals."""
        return self._table("clips").filter(pl.col("split") == "train").sort("clip")

    @cached_property
    def scores(self) -> pl.DataFrame:
        """Their out-of-fold scores."""
        return self._table("scores").filter(pl.col("role") == "oof")

    @cached_property
    def systems(self) -> pl.DataFrame:
        """Their system scores."""
        return self._table("systems").filter(pl.col("role") == "oof")

    def _table(self, name: str) -> pl.DataFrame:
        return self.container.read_table(TABLES[name], f"run/{name}.parquet")


class OfOneKind(ABC):
    """What is known of a machine: its train clips are of one kind, and so must be every clip to judge."""

    @property
    @abstractmethod
    def kind(self) -> RecordingKind:
        """Channels, sample rates and unit of the train clips."""

    @property
    def channels(self) -> int:
        """How many channels the train clips have."""
        return self.kind.channels

    @property
    def sample_rates(self) -> list[int]:
        """Which sample rates in Hz the train clips have."""
        return list(self.kind.sample_rates)


class FrozenMachine(OfOneKind):
    """One machine and section of a detector.

    Parameters
    ----------
    frozen : Frozen
        The tables of the detector's file.
    recipes : mapping of str to Recipe
        {branch: its feature sets}.
    machine, section : str
        Which one.
    plugins : Plugins
        Where components are looked up.

    Raises
    ------
    ManifestError
        If this machine computes other numbers than were frozen.
    """

    def __init__(
        self, frozen: Frozen, recipes: Mapping[str, Recipe], machine: str, section: str, plugins: Plugins
    ) -> None:
        self.machine, self.section, self._plan = machine, section, frozen.plan
        here = (pl.col("machine") == machine) & (pl.col("section") == section)
        self._clips = frozen.clips.filter(here)
        scores = frozen.scores.filter(here).join(self._clips.select("clip", "sha256"), on="clip", validate="m:1")
        self._check_scored(scores, frozen.container.path)
        of_run = frozen.container.manifest.predicate["run"]
        self._recorded: list[dict[str, Any]] = of_run.get("out_of_fold", [])
        levels = {(row["machine"], row["section"]): row for row in of_run.get("levels", [])}
        self.levels: list[dict[str, Any]] = [row for cell, row in levels.items() if cell == (machine, section)]
        self._cells: dict[Recipe, FrozenCell] = {}
        self._usual_shares: dict[str, Shares] = {}
        self._branches = {
            name: self._branch(name, recipes[name], frozen.container, scores, plugins) for name in self._plan.branches
        }
        self._scales = scales_of(self._plan, scores, plugins)
        self._systems = {
            name: FrozenSystem(system, self._scale(name), plugins) for name, system in self._plan.systems.items()
        }
        self._thresholds = self._prove_systems(frozen)

    def _check_scored(self, scores: pl.DataFrame, path: Path) -> None:
        """Raise ManifestError unless there are train clips, and every branch has scores of each."""
        scored = dict(scores.group_by("branch").agg(pl.col("clip").n_unique()).rows())
        if self._clips.is_empty() or any(scored.get(name) != len(self._clips) for name in self._plan.branches):
            raise ManifestError(
                f"{path} is sealed, but holds what no freeze writes: of {self.machine} section {self.section} it lacks "
                "train clips or their scores. 'asdcore export MANIFEST --out NAME.asd' makes it anew."
            )

    @cached_property
    def kind(self) -> RecordingKind:
        """What its train clips are."""
        return kind_of(f"{self.machine} section {self.section}", self._clips)

    @cached_property
    def seconds(self) -> float:
        """How long the shortest train clip is."""
        return float((self._clips["n_samples"] / self._clips["sample_rate"]).min() or 0.0)  # type: ignore[arg-type]

    @property
    def sha256(self) -> dict[str, str]:
        """{train normal: the SHA-256 of its recording}."""
        return dict(self._clips.select("clip", "sha256").rows())

    @property
    def sounds(self) -> dict[str, str]:
        """{digest of a sound: the train normal that sounds so}; empty if none was taken."""
        digested = self._clips.drop_nulls("sound") if "sound" in self._clips.columns else self._clips.clear()
        return {} if digested.is_empty() else dict(digested.select("sound", "clip").rows())

    def normals(self, system: str) -> pl.DataFrame:
        """Return the train normals by a system: clip, score and the group that was left out with it."""
        rows = self._rows.filter(pl.col("system") == system)
        return rows.join(self._groups, on=["system", "clip"]).select("clip", "score", "group")

    def branch(self, name: str) -> FrozenBranch:
        """Return a branch: its scorers and train normals."""
        return self._branches[name]

    def system(self, name: str) -> tuple[FrozenSystem, Scale]:
        """Return a system, and the calibrations of its branches."""
        return self._systems[name], self._scale(name)

    def threshold(self, system: str) -> float:
        """Return the frozen threshold of a system."""
        return self._thresholds[system]

    def limit(self, system: str, decision: Decision) -> float:
        """Return the threshold of a system by another rule; raises DataError if there are too few train normals."""
        rows = self._rows.filter(pl.col("system") == system)
        return float(thresholds(rows, self._clips, decision, self._groups)["threshold"].item())

    def rate_above(self, system: str, threshold: float) -> float:
        """Return (1 + the train normals above a threshold) / (1 + all of them)."""
        scores = self.normals(system)["score"]
        return (1 + int((scores > threshold).sum())) / (1 + len(scores))

    def groups(self, system: str) -> int:
        """Return how many groups of train normals there are, each left out together."""
        return int(self.normals(system)["group"].n_unique())

    def verdicts(self, features: Features, systems: list[str]) -> dict[str, Verdict]:
        """Return what some systems say of one clip."""
        for cell in self._cells.values():
            cell.hear(features)
        scores = {name: branch() for name, branch in self._branches.items()}
        nearest = {name: branch.nearest() for name, branch in self._branches.items()}
        return {name: self._verdict(name, scores, nearest) for name in systems}

    def feature_shares(self, features: Features, branches: Iterable[str]) -> dict[str, FeatureShares]:
        """Divide the scores that some branches give a clip among its features; those that can are in the result."""
        for cell in self._cells.values():
            cell.hear(features)
        divided = {}
        for name in branches:
            branch = self._branches[name]
            if shares := branch.feature_shares():
                reference = self._scales[False].decisive(name, branch()[FULL], list(shares))
                if name not in self._usual_shares:
                    self._usual_shares[name] = branch.usual_shares(self._without(name))
                divided[name] = FeatureShares(reference, shares[reference], self._usual_shares[name].get(reference))
        return divided

    def _without(self, branch: str) -> Without:
        """Return which rows of the train normals the score of each of them does not rest on."""
        ((_, _, _, held),) = held_out_by(self._clips, self._plan.out_of_fold, self._recorded, [branch])
        return held.without

    def _verdict(self, name: str, scores: BranchScores, nearest: Mapping[str, Nearest | None]) -> Verdict:
        system, scale = self._systems[name], self._scale(name)
        cells = scale.cells(scores)
        with located(f"system {name!r}"):
            score = system(cells)["score"]
        shares = system.shares()
        written = {cell: as_written(self._plan.systems[name], given) for cell, given in cells.items()}
        return Verdict(
            machine=self.machine,
            section=self.section,
            system=name,
            score=score,
            p_value=system.p_value(score),
            threshold=self._thresholds[name],
            anomalous=score > self._thresholds[name],
            branches={
                branch: BranchShare(scale.mean(written, branch), share, nearest[branch])
                for branch, share in shares.branches.items()
            },
            guards=shares.guards,
            usual=shares.usual,
        )

    def _branch(
        self, name: str, recipe: Recipe, container: Container, scores: pl.DataFrame, plugins: Plugins
    ) -> FrozenBranch:
        parents = container.manifest.predicate["lineage"].get(f"branch/{name}/{self.machine}/{self.section}", [])
        inside = tuple(parent for parent in parents if parent in container.members)
        if recipe not in self._cells:
            self._cells[recipe] = FrozenCell(container, recipe, inside, self._clips)
        states = {member: container.read(member) for member in inside if member.startswith("store/fitted/")}
        where = f"branch {name!r}, {self.machine} section {self.section}"
        kept, fitted = scores.filter(pl.col("branch") == name), self._fitted(name, container)
        scorer, seed = self._plan.branches[name].scorer, self._plan.seed_of(name)
        given = seeded(plugins.component("scorer", scorer.name), scorer.parameters, seed)
        choice = Named(name=scorer.name, **given)
        return FrozenBranch(where, choice, self._cells[recipe], kept, states, fitted, plugins)

    def _fitted(self, branch: str, container: Container) -> dict[int, Rows]:
        """Return {fold: the rows of the train normals that the scorer of a branch is fitted on}, as the run chose them.

        Folds are dealt again: with a gap around it a fold's scorer lacks clips of other folds, too.
        """
        everyone = {FULL: np.arange(len(self._clips), dtype=np.intp)}
        if branch not in self._plan.mirrored:
            return everyone
        recorded = container.manifest.predicate["run"].get("out_of_fold", [])
        ((_, _, cell, held),) = held_out_by(self._clips, self._plan.out_of_fold, recorded, [branch])
        folds = held.folds(tuple(cell["sha256"]), self._plan.folds, self._plan.seed_of(branch))
        return everyone | {fold: rest for fold, (_, rest) in enumerate(folds)}

    def _scale(self, system: str) -> Scale:
        return self._scales[self._plan.systems[system].out_of_fold_mirror_of is not None]

    def _prove_systems(self, frozen: Frozen) -> dict[str, float]:
        """Return {system: threshold}; raises ManifestError unless train normals get their frozen system scores."""
        clips = self._scales[False].normals.clips
        again = pl.concat(
            [
                pl.DataFrame({"clip": clips, "system": [name] * len(clips), "role": "oof", **system.normals})
                for name, system in self._systems.items()
            ]
        )
        then = frozen.systems.join(self._clips.select("clip"), on="clip", how="semi")
        key = ["system", "clip"]
        if not then.sort(key).equals(again.select(then.columns).sort(key)):
            raise ManifestError(
                f"{self.machine} section {self.section}: the frozen train normals do not get their frozen system "
                "scores on this machine. Other kernels may be why: 'asdcore verify MANIFEST' names them."
            )
        self._rows, self._groups = again, system_groups(self._clips, self._plan, self._recorded)
        limits = thresholds(again, self._clips, self._plan.decision, self._groups)
        return dict(limits.select("system", "threshold").rows())
