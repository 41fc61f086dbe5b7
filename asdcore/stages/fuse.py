"""Fuses calibrated scores into systems: S = sum_b w_b phi(z_b) - sum_g lambda_g R_g, or another fusion of phi(z_b).

Everything that is fitted (transforms, fusions, guards) is fitted on the out-of-fold train normals of one machine and
section. Guards act one after another, each on the scores that the one before left, so each keeps its own promise about
the tail. A mirror is fitted once, on normals scored by models that had not seen them. It fuses each model's scores of a
test clip, and the clip's score is the mean over the models. Base, penalty and score are rounded on one grid, that of
the train normals' base (:mod:`asdcore.basics.rounding`). An ensemble over seeds fuses the mean over its seeds of z of
each branch, calibrated for each seed on its own train normals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.basics.rounding import Grid, settled
from asdcore.components.build import build
from asdcore.compute.component_checks.checked_outputs import finite, one_value_each
from asdcore.compute.component_checks.clip_by_clip import Call, Looks, Step
from asdcore.contract.plugins import Plugins
from asdcore.errors import DataError, PluginError, blamed, did_you_mean, located
from asdcore.fusion import Normals, fit_fusion
from asdcore.fusion.transforms import fit_transform
from asdcore.portfolio import GuardChoice, System
from asdcore.portfolio.seeds import at_seed, split_seed
from asdcore.stages.fuse_rows import OOF, Cell, Cells, cells_in_order
from asdcore.store.tables import FULL, SYSTEMS

Floats = NDArray[np.float64]
BASE = ""
"""The key of a guard's base scores among the z of branches, none of which has an empty name."""


def fuse(
    calibrated: pl.DataFrame,
    clips: pl.DataFrame,
    systems: dict[str, System],
    plugins: Plugins,
    mirrored: pl.DataFrame | None = None,
    *,
    rehearsed: bool = False,
) -> pl.DataFrame:
    """Fuse the branches of every system.

    Parameters
    ----------
    calibrated : polars.DataFrame
        z of every clip and branch: clip, branch, role, z.
    clips : polars.DataFrame
        The clip index.
    systems : dict of str to System
        The systems of the portfolio.
    plugins : Plugins
        Where guards are looked up.
    mirrored : polars.DataFrame, optional
        z by the models that lack one fold each, for the systems that mirror another.
    rehearsed : bool
        Whether a run has fused the same branches by the same parts, so that these need not prove again that each test
        clip stands alone. All clips go in one call, and values may round differently.

    Returns
    -------
    polars.DataFrame
        base, penalty and score of every clip and system, out-of-fold rows included.

    Raises
    ------
    DataError
        If a score is not finite.
    PluginError
        If a guard breaks its contract.

    """
    straight = {name: system for name, system in systems.items() if system.out_of_fold_mirror_of is None}
    full = calibrated.with_columns(fold=pl.lit(FULL, pl.Int32))
    parts = [_fused_systems(full, clips, straight, plugins, rehearsed)]
    if mirrored is not None:
        mirrors = {name: system for name, system in systems.items() if name not in straight}
        parts.append(_fused_systems(mirrored, clips, mirrors, plugins, rehearsed))
    # Frames that nothing else holds are freed as soon as they are put together.
    return SYSTEMS.check(pl.concat(chain.from_iterable(parts)))


def _fused_systems(
    calibrated: pl.DataFrame, clips: pl.DataFrame, systems: dict[str, System], plugins: Plugins, rehearsed: bool
) -> Iterator[pl.DataFrame]:
    looks = Looks()
    for (machine, section), cells in cells_in_order(calibrated, clips):
        for name, system in systems.items():
            # Overflow is refused below, with the system's name.
            where = f"system {name!r}, {machine} section {section}"
            with located(where), np.errstate(over="ignore", invalid="ignore"):
                applied = at_once if rehearsed else _Applied(looks, where)
                fused = fuse_cells(system, cells, applied, plugins)
                yield from _frames(name, fused, cells)
    looks.second()


def at_once(step: Step, columns: dict[str, dict[str, Floats]], cells: Cells) -> dict[str, Floats]:
    """Apply a fitted step to all clips of each cell in one call: {cell: columns (n,) by name} -> {cell: values}."""
    call = step.fit()
    return {cell: call({name: values.copy() for name, values in given.items()}) for cell, given in columns.items()}


@dataclass(frozen=True)
class _Applied:
    """Applies a fitted step: to the train normals in one call, to each test clip alone."""

    looks: Looks
    where: str

    def __call__(self, step: Step, columns: dict[str, dict[str, Floats]], cells: Cells) -> dict[str, Floats]:
        """{cell: columns (n,) by name} -> {cell: values (n,)}."""
        call, results = step.fit(), {}
        for cell, given in columns.items():
            if cell == OOF:
                results[cell] = call({name: values.copy() for name, values in given.items()})
            else:
                results[cell] = self.looks.first(step, call, given, cells[cell].clips, self.where)
        return results


class Applied(Protocol):
    """Applies a fitted step to the train normals and to other clips: {cell: columns} -> {cell: values}."""

    def __call__(self, step: Step, columns: dict[str, dict[str, Floats]], cells: Cells) -> dict[str, Floats]:
        """Return {cell: values (n,)} of {cell: columns (n,) by name}."""
        ...


@dataclass(frozen=True)
class Fused:
    """A system's base scores and penalties (n,) by cell, and the mean over the models of a mirror, all rounded."""

    base: dict[str, Floats]
    penalty: dict[str, Floats]
    grid: Grid

    def of_normals(self) -> dict[str, Floats]:
        """Return base, penalty and score (n_train,) of the train normals."""
        return self._columns(self.base[OOF], self.penalty[OOF])

    def of_tested(self) -> dict[str, Floats] | None:
        """Return base, penalty and score (n_clips,) of the other clips; None if there are none."""
        if not (models := [cell for cell in self.base if cell != OOF]):
            return None
        means = (np.mean([values[model] for model in models], axis=0) for values in (self.base, self.penalty))
        return self._columns(*(self.grid.rounded(mean) for mean in means))

    def _columns(self, base: Floats, penalty: Floats) -> dict[str, Floats]:
        return {"base": base, "penalty": penalty, "score": self.grid.rounded(base - penalty)}


def fuse_cells(system: System, cells: Cells, applied: Applied, plugins: Plugins) -> Fused:
    """Fuse one system in one machine and section.

    Parameters
    ----------
    system : System
        Its weights, transform, fusion and guards.
    cells : Cells
        z of the train normals, on which everything is fitted, and of other clips.
    applied : Applied
        Applies each fitted step.
    plugins : Plugins
        Where guards are looked up.
    """
    cells = {name: as_written(system, cell) for name, cell in cells.items()}
    base = _fused(system, cells, applied)
    if lost := sum(int((~np.isfinite(values)).sum()) for values in base.values()):
        raise DataError(f"{lost} scores are not finite. Choose smaller weights.")
    normals, grid = settled(base[OOF])
    base = {**{cell: grid.rounded(values) for cell, values in base.items()}, OOF: normals}
    penalty = {cell: np.zeros_like(values) for cell, values in base.items()}
    for choice in system.guards:
        left = {cell: grid.rounded(base[cell] - penalty[cell]) for cell in cells}
        for cell, added in _penalties(choice, left, cells, applied, plugins).items():
            penalty[cell] = grid.rounded(penalty[cell] + choice.strength * added)
    return Fused(base, penalty, grid)


def as_written(system: System, cell: Cell) -> Cell:
    """Return z of the branches as written: for an ensemble each of them is the mean over its seeds."""
    z = {branch: values for branch, values in cell.z.items() if split_seed(branch) is None}
    seeds = system.seeds if isinstance(system.seeds, tuple) else ()
    for branch in system.named if seeds else ():
        z[branch] = np.mean([cell.z[at_seed(branch, seed)] for seed in seeds], axis=0)
    return replace(cell, z=z)


def _frames(name: str, fused: Fused, cells: Cells) -> Iterator[pl.DataFrame]:
    """Lay out a fused system: a frame for each role that has clips."""
    for role, columns in ((OOF, fused.of_normals()), ("test", fused.of_tested())):
        if columns is not None:
            clips = next(given.clips for cell, given in cells.items() if (cell == OOF) == (role == OOF))
            yield clips.to_frame().with_columns(system=pl.lit(name), role=pl.lit(role), **columns)


def _penalties(
    choice: GuardChoice, left: dict[str, Floats], cells: Cells, applied: Applied, plugins: Plugins
) -> dict[str, Floats]:
    """Fit one guard on train normals and return {cell: R (n,)}. The guard gets copies, so it cannot change others."""

    def fit() -> Call:
        guard = build("guard", choice.name, choice.parameters, plugins)
        z = _Branches({branch: values.copy() for branch, values in cells[OOF].z.items()})
        with blamed("guard", choice.name):
            fitted = guard.fit(left[OOF].copy(), z, cells[OOF].domain.copy())

        def penalty(columns: dict[str, Floats]) -> Floats:
            base = columns.pop(BASE)
            n = len(base)
            return one_value_each(fitted.penalty(base, _Branches(columns)), n, f"guard {choice.name!r}", "a penalty")

        return penalty

    step = Step("guard", choice.name, fit, plugins.component("guard", choice.name).bundled)
    with blamed("guard", choice.name):
        penalties = applied(step, {cell: {BASE: left[cell], **cells[cell].z} for cell in cells}, cells)
    return {cell: _checked(penalty, choice.name) for cell, penalty in penalties.items()}


class _Branches(dict[str, Floats]):
    """z by branch; asking for a missing branch raises PluginError, since the portfolio names it."""

    def __missing__(self, branch: str) -> Floats:
        raise PluginError(f"a branch {branch!r} is asked for. {did_you_mean(branch, self)}")


def _fused(system: System, cells: Cells, applied: Applied) -> dict[str, Floats]:
    """Return {cell: the fused phi(z_b) of the branches (n,)}."""
    phi: dict[str, dict[str, Floats]] = {cell: {} for cell in cells}
    for branch in sorted(system.fused):
        with located(f"transform {system.transform.name!r} of branch {branch!r}"):
            columns = {cell: {branch: given.z[branch]} for cell, given in cells.items()}
            for cell, values in applied(_transform(system, branch, cells[OOF]), columns, cells).items():
                phi[cell][branch] = values
                if not np.isfinite(values).all():
                    raise DataError(
                        f"{int((~np.isfinite(values)).sum())} values are not finite: choose a tamer transform"
                    )
    weights = {branch: weight for branch, weight in sorted(system.weights.items()) if weight}

    def fit() -> Call:
        normals = Normals({branch: values.copy() for branch, values in phi[OOF].items()}, cells[OOF].domain, weights)
        return fit_fusion(system.fusion.name, system.fusion.parameters, normals)

    return applied(Step("fusion", system.fusion.name, fit, ours=True), phi, cells)


def _transform(system: System, branch: str, normals: Cell) -> Step:
    """Return the transform of one branch, to be fitted on train normals."""

    def fit() -> Call:
        phi = fit_transform(system.transform.name, system.transform.parameters, normals.z[branch].copy())
        return lambda columns: phi(columns[branch])

    return Step("transform", system.transform.name, fit, ours=True)


def _checked(penalty: Floats, guard: str) -> Floats:
    finite(penalty, f"guard {guard!r}", "penalties")
    if (penalty < 0).any():
        raise PluginError(f"guard {guard!r} gave a negative penalty ({penalty.min()}); a guard may only take back.")
    return penalty
