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
from asdcore.held_out import Networks, branch_at
from asdcore.portfolio import Portfolio
from asdcore.runs.folder import Run
from asdcore.stages.scoring.score_jobs import plan
from asdcore.store.cache import Store
from asdcore.store.tables import CELL, FULL

Shards = dict[str, dict[str, set[str]]]
"""{branch: {subject name of a file of features: audio digests in it}}."""

States = dict[str, dict[str, list[str]]]
"""{branch: {machine/section: subject names of the states of its scorers}}."""


@dataclass(frozen=True)
class StoredParts:
    """What a finished run took from its store."""

    run: Run
    portfolio: Portfolio
    plugins: Plugins
    root: Path

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

    def shards(self, *, crossfit: bool = False) -> Shards:
        """Return the files of features that the run reads. Raises ManifestError if the store lacks a clip's.

        crossfit : those by the networks of a crossfit's folds, which hear train clips alone; else all others.
        """
        store, clips = Store(self.root), self.run.clips
        shards: Shards = {name: {} for name in self.portfolio.branches}
        for name, branch in self.portfolio.branches.items():
            for network in self.networks.of_branch(name, branch):
                if (network.fold != FULL) != crossfit:
                    continue
                heard = clips.filter(pl.col("machine") == network.machine) if network.machine else clips
                wanted = set((heard.filter(pl.col("split") == "train") if crossfit else heard)["sha256"])
                for part in network.branch.parts:
                    features = store.features(feature_recipe(part, self.plugins, self.run.about["device"]))
                    if lost := features.missing(sorted(wanted)):
                        raise ManifestError(
                            f"{features.folder} lacks the features of {len(lost)} clips of this run. {self._again}"
                        )
                    for path, held in features.shards_of(wanted).items():
                        shards[name][self._name(path)] = held
        return shards

    @cached_property
    def states(self) -> States:
        """Return the states of the scorers that test clips are scored by.

        Raises ManifestError if one is missing, StoreError if one is damaged or of another scorer.
        """
        cells = [f"{machine}/{section}" for machine, section in self.run.clips.select(CELL).unique().sort(CELL).rows()]
        states: States = {}
        for branch, choice in self.portfolio.branches.items():
            by_cell = dict(self._models(branch))
            models = [model for of_cell in by_cell.values() for model in of_cell]
            if lost := [model.path for model in models if not model.path.exists()]:
                raise ManifestError(
                    f"{lost[0].parent} lacks what {len(lost)} scorers of branch {branch!r} have learnt. {self._again}"
                )
            for model in models:
                read_kept(choice.scorer.name, model)
            states[branch] = {cell: [self._name(model.path) for model in by_cell[cell]] for cell in cells}
        return states

    def _models(self, branch: str) -> Iterator[tuple[str, list[Model]]]:
        """Yield (machine/section, its fitted scorers)."""
        device = self.run.about["device"]
        store, on = Store(self.root), None if device == "cpu" else str(device)
        jobs = plan(self.run.clips, branch, self.portfolio, store, self.plugins, on, self.networks)
        cells = self.run.clips.select(CELL).unique(maintain_order=True).rows()
        for (machine, section), job in zip(cells, jobs, strict=True):
            yield f"{machine}/{section}", list(job.models().values())

    def _name(self, path: Path) -> str:
        return f"store/{path.relative_to(self.root).as_posix()}"

    @property
    def _again(self) -> str:
        return f"Run the portfolio again into {self.run.folder}, with the same --store."
