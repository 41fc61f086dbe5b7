"""Calibrates the score table: puts each branch on the scale of its own train normals.

A normalizer is fitted on the out-of-fold scores of the train normals of one machine, section and branch, and then
applied to each clip alone. z is rounded on the grid of the train normals' z (:mod:`asdcore.basics.rounding`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.basics.rounding import settled
from asdcore.components.build import build
from asdcore.compute.component_checks.checked_outputs import finite, one_value_each
from asdcore.compute.component_checks.clip_by_clip import Call, Looks, Step
from asdcore.compute.scoring.clip_order import BranchRows, ClipOrder
from asdcore.contract.plugins import Plugins
from asdcore.errors import blamed, located, warned
from asdcore.portfolio import Branch, Component
from asdcore.stages.calibrate_rows import CellRows, Cells
from asdcore.store.tables import CALIBRATED, FULL

Floats = NDArray[np.float64]
Counts = Callable[[pl.DataFrame], pl.DataFrame]
"""The rows of one branch -> those that count."""


def calibrate(scores: pl.DataFrame, clips: pl.DataFrame, branches: dict[str, Branch], plugins: Plugins) -> pl.DataFrame:
    """Return z of every clip and branch, out-of-fold rows included: clip, branch, role, z."""
    return CALIBRATED.check(_calibrated(scores, clips, branches, plugins, straight)[list(CALIBRATED.columns)])


def straight(scores: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a score table that count for systems which mirror no other.

    A train normal counts with its leave-one-out score, or else with the score of the model without its fold; a test
    clip with the score of the model of all train normals.
    """
    if (scores["fold"] == FULL).all():
        return scores
    full, oof = pl.col("fold") == FULL, pl.col("role") == "oof"
    left_out = (full & oof).any().over("machine", "section", "branch")
    return scores.filter(full | (oof & ~left_out))


def mirror(scores: pl.DataFrame, clips: pl.DataFrame, branches: dict[str, Branch], plugins: Plugins) -> pl.DataFrame:
    """Return z of every clip by the models of ``branches`` that lack one fold each: clip, branch, role, fold, z.

    A train normal has one row, from the model without its fold, and the normalizer is fitted on these rows. A test clip
    has one row for each model.
    """
    rows = scores.filter((pl.col("fold") != FULL) & pl.col("branch").is_in(list(branches)))
    return _calibrated(rows, clips, branches, plugins, lambda of_branch: of_branch)


def _calibrated(
    scores: pl.DataFrame, clips: pl.DataFrame, branches: dict[str, Branch], plugins: Plugins, counts: Counts
) -> pl.DataFrame:
    """Calibrate the rows of each branch that count, branch after branch; cells in the order of the score table."""
    by_branch, looks = BranchRows(scores), Looks()
    cells, parts = Cells(ClipOrder(clips.select("clip", "sha256"))), []
    for name in by_branch.names:
        of_branch, z = cells(counts(by_branch[name])), list[Floats]()
        for cell in of_branch.cells:
            where = f"branch {name!r}, {cell.machine} section {cell.section}"
            with located(where), warned(where):
                z += _calibrated_cell(cell, branches[name].normalizer, plugins, looks, where)
        parts.append(_named(name, of_branch.names, np.concatenate([[], *z])))
    looks.second()
    return pl.concat(parts)


def _calibrated_cell(cell: CellRows, normalizer: Component, plugins: Plugins, looks: Looks, where: str) -> list[Floats]:
    """Return z (n,) of the train normals, then of the test clips by each model."""
    fitted = Calibration(normalizer, cell.normals.scores, cell.normals.domain, plugins)
    step, transform = fitted.step, fitted.transform
    with blamed(step.kind, step.name):
        tested = [looks.first(step, transform, part.scores, part.names["clip"], where) for part in cell.tested]
    return [fitted.z, *map(fitted.rounded, tested)]


def _named(branch: str, names: pl.DataFrame, z: Floats) -> pl.DataFrame:
    """Return clip, branch, role, fold and z.

    Each column is one piece, the names those of other branches with the same clips: later queries copy none of them.
    """
    named = pl.repeat(branch, len(names), dtype=pl.String, eager=True).alias("branch")
    return pl.DataFrame([names["clip"], named, names["role"], names["fold"], pl.Series("z", z, pl.Float64)])


class Calibration:
    """The normalizer of a branch, fitted on the out-of-fold scores of the train normals of one machine and section.

    Parameters
    ----------
    choice : Component
        The normalizer and its parameters.
    scores : mapping of str to ndarray of float64, shape (n_train,)
        The scores of the train normals by reference.
    domain : ndarray of str, shape (n_train,)
        "source" or "target".
    plugins : Plugins
        Where it is looked up.

    Attributes
    ----------
    z : ndarray of float64, shape (n_train,)
        The train normals on the new scale, rounded.
    grid : Grid
        What z of other clips is rounded to.
    """

    def __init__(
        self, choice: Component, scores: Mapping[str, Floats], domain: NDArray[np.str_], plugins: Plugins
    ) -> None:
        self._fit = partial(_fitted, choice, scores, domain, plugins)
        self.step = _step(choice, scores, domain, plugins)
        self.transform = self.step.fit()
        with blamed(self.step.kind, self.step.name):
            of_normals = self.transform(_copies(scores))
        self.z, self.grid = settled(finite(of_normals, str(self.step), "values"))

    def __call__(self, scores: Mapping[str, Floats]) -> Floats:
        """Return z (n_clips,) of new clips, rounded."""
        with blamed(self.step.kind, self.step.name):
            return self.rounded(self.transform(_copies(scores)))

    def normalizer(self) -> Any:
        """Return the normalizer itself, fitted anew."""
        return self._fit()

    def rounded(self, values: Floats) -> Floats:
        """Round what the normalizer gave new clips."""
        return self.grid.rounded(finite(values, str(self.step), "values"))


def _copies(scores: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return copies of scores, so that a normalizer cannot change them for others."""
    return {reference: values.copy() for reference, values in scores.items()}


def _step(choice: Component, scores: Mapping[str, Floats], domain: NDArray[np.str_], plugins: Plugins) -> Step:
    """Return the normalizer of a branch, to be fitted on the out-of-fold train normals of a cell."""

    def fit() -> Call:
        fitted = _fitted(choice, scores, domain, plugins)
        who = f"normalizer {choice.name!r}"
        return lambda scores: one_value_each(fitted.transform(scores), _length(scores), who, "z")

    return Step("normalizer", choice.name, fit, plugins.component("normalizer", choice.name).bundled)


def _fitted(choice: Component, scores: Mapping[str, Floats], domain: NDArray[np.str_], plugins: Plugins) -> Any:
    """Return a normalizer, fitted on copies."""
    normalizer = build("normalizer", choice.name, choice.parameters, plugins)
    with blamed("normalizer", choice.name):
        return normalizer.fit(_copies(scores), domain.copy())


def _length(scores: dict[str, Floats]) -> int:
    return len(next(iter(scores.values())))
