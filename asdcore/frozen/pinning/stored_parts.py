"""List what a run took from its store: files of features, and the states of fitted scorers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from asdcore.compute.recipes import feature_recipe
from asdcore.compute.scoring.fitted import Model, read_kept
from asdcore.contract.plugins import Plugins
from asdcore.errors import ManifestError
from asdcore.frozen.pinning.clips_by_sound import ClipsBySound
from asdcore.held_out import Networks, branch_at
from asdcore.portfolio import Portfolio
from asdcore.runs.folder import Run
from asdcore.runs.portions import TablePortions
from asdcore.stages.scoring.score_jobs import plan
from asdcore.store.cache import Store
from asdcore.store.tables import CELL, FULL

FeatureFiles = dict[str, dict[str, list[tuple[str, str]]]]
"""{branch: {subject name of a file of features: the (machine, section) whose clips are read from it}}."""

States = dict[str, dict[str, list[str]]]
"""{branch: {machine/section: subject names of the states of its scorers}}."""


@dataclass(frozen=True)
class StoredParts:
    """What a finished run took from its store."""

    tables: TablePortions
    portfolio: Portfolio
    plugins: Plugins
    root: Path

    @property
    def run(self) -> Run:
        """The run."""
        return self.tables.run

    @cached_property
    def clips(self) -> ClipsBySound:
        """The clips of the run."""
        return ClipsBySound.of(self.tables.portions("clips"))

    @cached_property
    def networks(self) -> Networks:
        """The trained networks of the run."""
        return Networks.recorded(self.run.about, self.root)

    def trained(self) -> dict[str, tuple[list[str], str]]:
        """Return {subject name of a trained state: the branches that it is of, and the machine that it hears}.

        Raises StoreError if one is missing, damaged or another's.
        """
        self.networks.check()
        return {
            f"store/{row['state']}": (sorted({branch_at(place) for place in row["places"]}), row["machine"])
            for row in self.networks.rows
        }

    def shards(self, *, crossfit: bool = False) -> FeatureFiles:
        """Return the files of features that the run reads. Raises ManifestError if the store lacks a clip's.

        crossfit : those by the networks of a crossfit's folds, which hear train clips alone; else all others.
        """
        store, device = Store(self.root), self.run.about["device"]
        shards: FeatureFiles = {name: {} for name in self.portfolio.branches}
        for name, branch in self.portfolio.branches.items():
            for network in self.networks.of_branch(name, branch):
                if (network.fold != FULL) != crossfit:
                    continue
                wanted = self.clips.wanted(network.machine, train=crossfit)
                for part in network.branch.parts:
                    features = store.features(feature_recipe(part, self.plugins, device))
                    held, lost = self.clips.held_in(features.each_shard(), wanted)
                    if lost:
                        raise ManifestError(
                            f"{features.folder} lacks the features of {lost} clips of this run. {self._again}"
                        )
                    for path, cells in held.items():
                        shards[name][self._name(path)] = cells
        return shards

    @cached_property
    def states(self) -> States:
        """Return the states of the scorers that test clips are scored by.

        Raises ManifestError if one is missing, StoreError if one is damaged or of another scorer.
        """
        states: States = {branch: {} for branch in self.portfolio.branches}
        lost: dict[str, list[Path]] = {}
        for clips in self.tables.whole_cells("clips"):
            for branch, choice in self.portfolio.branches.items():
                for cell, models in self._models(branch, clips):
                    lost.setdefault(branch, []).extend(model.path for model in models if not model.path.exists())
                    for model in models:
                        if not lost[branch]:
                            read_kept(choice.scorer.name, model)
                    states[branch][cell] = [self._name(model.path) for model in models]
        for branch, paths in lost.items():
            if paths:
                raise ManifestError(
                    f"{paths[0].parent} lacks what {len(paths)} scorers of branch {branch!r} have learnt. {self._again}"
                )
        return states

    def _models(self, branch: str, clips: pl.DataFrame) -> Iterator[tuple[str, list[Model]]]:
        """Yield (machine/section, its fitted scorers) of some machines and sections."""
        device = self.run.about["device"]
        store, on = Store(self.root), None if device == "cpu" else str(device)
        jobs = plan(clips, branch, self.portfolio, store, self.plugins, on, self.networks)
        cells = clips.select(CELL).unique(maintain_order=True).rows()
        for (machine, section), job in zip(cells, jobs, strict=True):
            yield f"{machine}/{section}", list(job.models().values())

    def _name(self, path: Path) -> str:
        return f"store/{path.relative_to(self.root).as_posix()}"

    @property
    def _again(self) -> str:
        return f"Run the portfolio again into {self.run.folder}, with the same --store."
