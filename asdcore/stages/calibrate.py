"""Calibrates the score table: puts each branch on the scale of its own train normals.

A normalizer is fitted on the out-of-fold scores of the train normals of one machine, section and branch, and then
applied to each clip alone. z is rounded on the grid of the train normals' z (:mod:`asdcore.basics.rounding`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.basics.rounding import settled
from asdcore.components.build import build
from asdcore.compute.checked_outputs import finite, one_value_each
from asdcore.compute.clip_by_clip import Call, Looks, Step
from asdcore.contract.plugins import Plugins
from asdcore.errors import blamed, located, warned
from asdcore.portfolio import Branch, Component
from asdcore.store.tables import CALIBRATED, FULL

Floats = NDArray[np.float64]


def calibrate(scores: pl.DataFrame, clips: pl.DataFrame, branches: dict[str, Branch], plugins: Plugins) -> pl.DataFrame:
    """Return z of every clip and branch, out-of-fold rows included: clip, branch, role, z."""
    return CALIBRATED.check(_calibrated(straight(scores), clips, branches, plugins).drop("fold"))


def straight(scores: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a score table that count for systems which mirror no other.

    A train normal counts with its leave-one-out score, or else with the score of the model without its fold; a test
    clip with the score of the model of all train normals.
    """
    full, oof = pl.col("fold") == FULL, pl.col("role") == "oof"
    left_out = (full & oof).any().over("machine", "section", "branch")
    return scores.filter(full | (oof & ~left_out))


def mirror(scores: pl.DataFrame, clips: pl.DataFrame, branches: dict[str, Branch], plugins: Plugins) -> pl.DataFrame:
    """Return z of every clip by the models of ``branches`` that lack one fold each: clip, branch, role, fold, z.

    A train normal has one row, from the model without its fold, and the normalizer is fitted on these rows. A test clip
    has one row for each model.
    """
    rows = scores.filter((pl.col("fold") != FULL) & pl.col("branch").is_in(list(branches)))
    return _calibrated(rows, clips, branches, plugins)


def _calibrated(
    scores: pl.DataFrame, clips: pl.DataFrame, branches: dict[str, Branch], plugins: Plugins
) -> pl.DataFrame:
    scores = scores.join(clips.select("clip", "sha256"), on="clip", validate="m:1")
    parts = []
    looks = Looks()
    for (machine, section, name), cell in scores.group_by("machine", "section", "branch", maintain_order=True):
        where = f"branch {name!r}, {machine} section {section}"
        with located(where), warned(where):
            normals, *tested = _at_once(cell)
            fitted = Calibration(branches[str(name)].normalizer, normals.scores, normals.domain, plugins)
            step, transform = fitted.step, fitted.transform
            with blamed(step.kind, step.name):
                of_tested = [looks.first(step, transform, each.scores, each.clips, where) for each in tested]
            calibrated = [fitted.z, *map(fitted.rounded, of_tested)]
            for rows, z in zip([normals, *tested], calibrated, strict=True):
                parts.append(rows.names.with_columns(branch=pl.lit(name), z=z))
    looks.second()
    return pl.concat(parts)


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
    """

    def __init__(
        self, choice: Component, scores: Mapping[str, Floats], domain: NDArray[np.str_], plugins: Plugins
    ) -> None:
        self.step = _step(choice, scores, domain, plugins)
        self.transform = self.step.fit()
        with blamed(self.step.kind, self.step.name):
            of_normals = self.transform(_copies(scores))
        self.z, self._grid = settled(finite(of_normals, str(self.step), "values"))

    def __call__(self, scores: Mapping[str, Floats]) -> Floats:
        """Return z (n_clips,) of new clips, rounded."""
        with blamed(self.step.kind, self.step.name):
            return self.rounded(self.transform(_copies(scores)))

    def rounded(self, values: Floats) -> Floats:
        """Round what the normalizer gave new clips."""
        return self._grid.rounded(finite(values, str(self.step), "values"))


@dataclass(frozen=True)
class ByReference:
    """Clips of one cell and branch: scores (n,) by reference, clip, role and fold (n,), and domain (n,)."""

    scores: dict[str, Floats]
    names: pl.DataFrame
    domain: NDArray[np.str_]

    @property
    def clips(self) -> list[str]:
        """The names of the clips."""
        return self.names["clip"].to_list()


def _copies(scores: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return copies of scores, so that a normalizer cannot change them for others."""
    return {reference: values.copy() for reference, values in scores.items()}


def _step(choice: Component, scores: Mapping[str, Floats], domain: NDArray[np.str_], plugins: Plugins) -> Step:
    """Return the normalizer of a branch, to be fitted on the out-of-fold train normals of a cell."""

    def fit() -> Call:
        normalizer = build("normalizer", choice.name, choice.parameters, plugins)
        with blamed("normalizer", choice.name):
            fitted = normalizer.fit(_copies(scores), domain.copy())
        who = f"normalizer {choice.name!r}"
        return lambda scores: one_value_each(fitted.transform(scores), _length(scores), who, "z")

    return Step("normalizer", choice.name, fit, plugins.component("normalizer", choice.name).bundled)


def _at_once(cell: pl.DataFrame) -> list[ByReference]:
    """Return the rows of the train normals, then those of the test clips by each model, with one row for each clip."""
    test = cell.filter(pl.col("role") == "test")
    together = [cell.filter(pl.col("role") == "oof"), *test.partition_by("fold", maintain_order=True)]
    return [by_reference(rows) for rows in together]


def by_reference(rows: pl.DataFrame) -> ByReference:
    """Lay scores out by reference, in the order of audio digests."""
    rows = rows.sort("sha256", "clip")
    by_reference = {str(key[0]): part for key, part in rows.group_by("reference", maintain_order=True)}
    first = next(iter(by_reference.values()))
    scores = {reference: part["score"].to_numpy() for reference, part in sorted(by_reference.items())}
    return ByReference(scores, first.select("clip", "role", "fold"), first["domain"].to_numpy().astype(np.str_))


def _length(scores: dict[str, Floats]) -> int:
    return len(next(iter(scores.values())))
