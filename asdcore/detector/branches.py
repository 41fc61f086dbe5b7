"""Scores one clip by the branches of one machine and section, with the frozen scorers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.basics.rounding import Grid
from asdcore.components.build import build
from asdcore.compute.scoring.fitted import Restored, revive
from asdcore.compute.scoring.scoring import Cell, Recipe, Rows, Scores, Without, Work, combined
from asdcore.contract.additive import is_additive
from asdcore.contract.plugins import Plugins
from asdcore.data.features.distances import PreparedBank
from asdcore.detector.container import Container
from asdcore.detector.feature_shares import Bank, Shares, check_sum, of_clip, usual
from asdcore.detector.listen import Features
from asdcore.detector.verdict import Nearest
from asdcore.errors import ManifestError, blamed, located
from asdcore.frozen.inference.bit_checks import prove_probes
from asdcore.portfolio import Named
from asdcore.stages.scoring.score_new import Grids, Probe, grids, on_grids
from asdcore.store.cache import rows_of
from asdcore.store.fitted_state import unpack
from asdcore.store.tables import FEATURES, FULL

Floats = NDArray[np.float64]


class FrozenCell(Cell):
    """The train features of one machine and section by one feature set, and the features of one clip.

    Train features are read from the detector's file when a scorer asks for them: those that keep all they need never
    do. All branches with these features share the clip's distances to them.

    Parameters
    ----------
    container : Container
        The detector's file.
    recipe : Recipe
        The feature sets.
    members : tuple of str
        The files of train features.
    normals : polars.DataFrame
        clip, sha256 and domain of the train normals, by name.
    """

    def __init__(self, container: Container, recipe: Recipe, members: tuple[str, ...], normals: pl.DataFrame) -> None:
        super().__init__(recipe, tuple(normals["sha256"]), tuple(normals["domain"]), ("clip",))
        self._container, self._recipe, self._members = container, recipe, members
        self.names = normals["clip"].to_list()
        self._heard: NDArray[np.float32] = np.empty((0, 0), np.float32)
        self._to_train: dict[str, Floats] = {}
        self._prepared: dict[str, PreparedBank] = {}

    def hear(self, features: Features) -> None:
        """Take the features of another clip."""
        self._heard, self._to_train = combined(self._recipe, features.__getitem__), {}

    @cached_property
    def train(self) -> NDArray[np.float32]:
        """The train features (n_train, ...)."""
        return combined(self._recipe, self._read)

    @property
    def test(self) -> NDArray[np.float32]:
        """The features (1, ...) of the clip."""
        return self._heard

    def to_train(self, metric: str, i: int) -> Floats:
        """Return the distances (1, n_train) of the clip, as a copy."""
        if metric not in self._to_train:
            if metric not in self._prepared:
                self._prepared[metric] = PreparedBank(self.train, metric)
            self._to_train[metric] = self._prepared[metric].distances(self._heard)
        return self._to_train[metric].copy()

    def nearest(self, metric: str) -> Nearest:
        """Return the train normal nearest to the clip."""
        to_train = self.to_train(metric, 0)[0]
        row = int(to_train.argmin())
        return Nearest(self.names[row], float(to_train[row]))

    def _read(self, folder: Path) -> NDArray[np.float32]:
        rows: dict[str, NDArray[np.float32]] = {}
        for name in self._members:
            if name.startswith(f"store/features/{folder.name}/"):
                frame = self._container.read_table(FEATURES, name)
                rows |= rows_of(frame, f"{self._container.path}: {name} holds rows that are not features of a clip")
        if lost := [normal for normal in self.normals if normal not in rows]:
            raise ManifestError(f"{self._container.path} lacks the train features of {len(lost)} clips")
        return np.stack([rows[normal] for normal in self.normals])


class FrozenBranch:
    """One branch of one machine and section: its scorer of all train normals, and for a mirror those of folds.

    Parameters
    ----------
    where : str
        Branch, machine and section, for messages.
    choice : Named
        Its entry in the portfolio.
    cell : FrozenCell
        Its features.
    kept : polars.DataFrame
        The frozen score rows of its train normals.
    states : mapping of str to bytes
        {member: the file of a scorer's state}.
    fitted : mapping of int to Rows
        {fold: the rows of the train normals that its scorer is fitted on}; FULL is no fold.
    plugins : Plugins
        Where its scorer is looked up.

    Raises
    ------
    ManifestError
        If a scorer gives its probe another score than when it was frozen, or has no state here.

    Attributes
    ----------
    scorer : str
        The name of its scorer.
    """

    def __init__(
        self,
        where: str,
        choice: Named,
        cell: FrozenCell,
        kept: pl.DataFrame,
        states: Mapping[str, bytes],
        fitted: Mapping[int, Rows],
        plugins: Plugins,
    ) -> None:
        make = partial(build, "scorer", choice.name, choice.parameters, plugins)
        self._where, self._cell, self._work = where, cell, Work(choice.name, make, cell)
        self.scorer, self._grids = choice.name, grids(kept)
        with located(where), blamed("scorer", choice.name):
            self._models = dict(self._restored(states, fitted))

    def __call__(self) -> dict[int, Scores]:
        """Return {fold: the scores (1,) of the clip by reference}, rounded as the frozen ones; FULL is no fold."""
        with located(self._where), blamed("scorer", self._work.name):
            return {
                fold: _rounded(self._work.clip(scorer, rows), fold, self._grids)
                for fold, (scorer, rows) in self._models.items()
            }

    @property
    def metric(self) -> str | None:
        """The metric of the distances that its scorer compares; None if it takes features."""
        return self._work.metric

    @property
    def train(self) -> NDArray[np.float32]:
        """The train features (n_train, ...)."""
        return self._cell.train

    def grids(self, fold: int) -> dict[str, Grid]:
        """Return {reference: what its scores of new clips are rounded to} by the scorer of a fold; FULL is no fold."""
        by_fold = fold != FULL
        return {reference: grid for (is_fold, reference), grid in sorted(self._grids.items()) if is_fold == by_fold}

    def frozen(self, fold: int) -> tuple[Any, Rows]:
        """Return the scorer of a fold, and the rows of the train normals it was fitted on; FULL is no fold."""
        return self._models[fold]

    def nearest(self) -> Nearest | None:
        """Return the nearest train normal; None if the scorer does not compare distances."""
        return None if self._work.metric is None else self._cell.nearest(self._work.metric)

    def feature_shares(self) -> Shares:
        """Divide the scores that the scorer of all train normals gives the clip among its features, by reference.

        Empty if the scorer is no sum over features.
        """
        (scorer, rows), name, cell = self._models[FULL], self._work.name, self._cell
        if not is_additive(scorer):
            return {}
        with located(self._where), blamed("scorer", name):
            # A scorer that works with features keeps what it needs of the train normals, and they are not in the file.
            metric = self._work.metric
            bank = None if metric is None else Bank(cell.train[rows], cell.to_train(metric, 0)[:, rows])
            shares = of_clip(scorer, name, cell.test, bank)
            check_sum(shares, self._work.clip(scorer, rows), name)
            return shares

    def usual_shares(self, without: Without) -> Shares:
        """Return the mean of the same over train normals, each without the rows that its score must not rest on."""
        scorer, rows = self._models[FULL]
        if self._work.metric is None:
            return {}
        with located(self._where), blamed("scorer", self._work.name):
            return usual(scorer, self._work.name, self._cell.train, self._cell.domain, rows, without)

    def _restored(
        self, states: Mapping[str, bytes], fitted: Mapping[int, Rows]
    ) -> Iterator[tuple[int, tuple[object, Rows]]]:
        """Yield {fold: the scorer, and the rows of the train normals it was fitted on}."""
        by_rows = {}
        for member, content in states.items():
            kept = unpack(content, member)
            rows = kept.about["rows"]
            by_rows[tuple(range(rows) if isinstance(rows, int) else rows)] = member, kept
        for fold, rows in sorted(fitted.items()):
            if (key := tuple(rows.tolist())) not in by_rows:
                raise ManifestError("the detector's file lacks the state of a scorer. Export the manifest again")
            member, kept = by_rows[key]
            back = revive(self._work, rows, kept, member)
            self._prove(back, fold, int(rows[0]))
            yield fold, (back.scorer, rows)

    def _prove(self, back: Restored, fold: int, row: int) -> None:
        probe = Probe(self._where, self._cell.normals[row], fold, back.then, back.now)
        prove_probes([on_grids(probe, self._grids)], dict(zip(self._cell.normals, self._cell.names, strict=True)))


def _rounded(scores: Scores, fold: int, by: Grids) -> Scores:
    """Round scores by the references that the frozen train normals have, and leave out others."""
    is_fold = fold != FULL
    return {
        reference: grid.rounded(scores[reference])
        for (kind, reference), grid in sorted(by.items(), key=lambda item: item[0])
        if kind == is_fold and reference in scores
    }
