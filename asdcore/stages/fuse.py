"""Calibrated scores -> systems: S = sum_b w_b phi(z_b) - sum_g lambda_g R_g, or another fusion of the phi(z_b).

Everything that is fitted (transforms, fusions, guards) is fitted on the out-of-fold train normals of one machine and
section. Guards act one after another, each on what the one before left: so each keeps its own promise about the tail. A
mirror is fitted once, on normals scored by models that had not seen them, and a test clip's score is the mean of what
it gives the scores of each model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.components import build
from asdcore.contract.plugins import Plugins
from asdcore.errors import DataError, PluginError, blamed, did_you_mean, located
from asdcore.fusion import Normals, fit_fusion
from asdcore.portfolio import GuardChoice, System
from asdcore.store.tables import FULL, SYSTEMS
from asdcore.transforms import fit_transform

Floats = NDArray[np.float64]
OOF = "oof"


@dataclass(frozen=True)
class Cell:
    """Some clips of one machine and section: clips (n,), domain (n,) and z of every branch (n,)."""

    clips: pl.Series
    domain: NDArray[np.str_]
    z: dict[str, Floats]


Cells = dict[str, Cell]
"""The train normals, named "oof", and the test clips: once, or once for each model of a mirror."""


def fuse(
    calibrated: pl.DataFrame,
    clips: pl.DataFrame,
    systems: dict[str, System],
    plugins: Plugins,
    mirrored: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return base, penalty and score of every clip and system, out-of-fold rows included.

    mirrored : z by the models that lack one fold each, for the systems that mirror another.
    """
    straight = {name: system for name, system in systems.items() if system.out_of_fold_mirror_of is None}
    parts = list(_fused_systems(calibrated.with_columns(fold=pl.lit(FULL)), clips, straight, plugins))
    if mirrored is not None:
        mirrors = {name: system for name, system in systems.items() if name not in straight}
        parts += _fused_systems(mirrored, clips, mirrors, plugins)
    return SYSTEMS.check(pl.concat(parts))


def _fused_systems(
    calibrated: pl.DataFrame, clips: pl.DataFrame, systems: dict[str, System], plugins: Plugins
) -> Iterator[pl.DataFrame]:
    wide = calibrated.with_columns(fold=pl.when(pl.col("role") == OOF).then(FULL).otherwise(pl.col("fold")))
    wide = wide.pivot("branch", index=["clip", "role", "fold"], values="z")
    wide = wide.join(clips.select("clip", "machine", "section", "domain", "sha256"), on="clip", validate="m:1")
    branches = calibrated["branch"].unique().sort().to_list()
    for (machine, section), rows in wide.group_by("machine", "section", maintain_order=True):
        groups = rows.sort("fold").partition_by("role", "fold", as_dict=True, maintain_order=True)
        cells = {OOF if role == OOF else f"{role} {fold}": _cell(one, branches) for (role, fold), one in groups.items()}
        for name, system in systems.items():
            # What overflows is refused below, by name.
            where = f"system {name!r}, {machine} section {section}"
            with located(where), np.errstate(over="ignore", invalid="ignore"):
                yield from _system(name, system, cells, plugins)


def _cell(rows: pl.DataFrame, branches: list[str]) -> Cell:
    rows = rows.sort("sha256", "clip")
    return Cell(
        rows["clip"],
        rows["domain"].fill_null("").to_numpy().astype(np.str_),
        {branch: rows[branch].to_numpy() for branch in branches},
    )


def _system(name: str, system: System, cells: Cells, plugins: Plugins) -> Iterator[pl.DataFrame]:
    """Fuse one system in one cell: a frame for each role that has clips."""
    base = _fused(system, cells)
    if lost := sum(int((~np.isfinite(one)).sum()) for one in base.values()):
        raise DataError(f"{lost} scores are not finite. Choose smaller weights.")
    penalty = {cell: np.zeros_like(values) for cell, values in base.items()}
    for choice in system.guards:
        left = {cell: base[cell] - penalty[cell] for cell in cells}
        for cell, found in _penalties(choice, left, cells, plugins).items():
            penalty[cell] += choice.strength * found
    yield _rows(name, OOF, cells[OOF].clips, base[OOF], penalty[OOF])
    if models := [cell for cell in cells if cell != OOF]:
        means = (np.mean([values[model] for model in models], axis=0) for values in (base, penalty))
        yield _rows(name, "test", cells[models[0]].clips, *means)


def _rows(name: str, role: str, clips: pl.Series, base: Floats, penalty: Floats) -> pl.DataFrame:
    columns = {"base": base, "penalty": penalty, "score": base - penalty}
    return clips.to_frame().with_columns(system=pl.lit(name), role=pl.lit(role), **columns)


def _penalties(choice: GuardChoice, left: dict[str, Floats], cells: Cells, plugins: Plugins) -> dict[str, Floats]:
    """Fit one guard on train normals and return {cell: R (n,)}. It gets copies: what it does to them stays with it."""
    guard = build("guard", choice.name, choice.parameters, plugins)
    copies = {cell: {branch: values.copy() for branch, values in cells[cell].z.items()} for cell in cells}
    with blamed("guard", choice.name):
        fitted = guard.fit(left[OOF].copy(), _Branches(copies[OOF]), cells[OOF].domain.copy())
        found = {cell: fitted.penalty(left[cell].copy(), _Branches(copies[cell])) for cell in cells}
        return {cell: _checked(found[cell], len(left[cell]), choice.name) for cell in cells}


class _Branches(dict[str, Floats]):
    """z by branch: to ask for one that is not there is a mistake in the portfolio."""

    def __missing__(self, branch: str) -> Floats:
        raise PluginError(f"a branch {branch!r} is asked for. {did_you_mean(branch, self)}")


def _fused(system: System, cells: Cells) -> dict[str, Floats]:
    """Return {cell: the fused phi(z_b) of the branches (n,)}."""
    phi: dict[str, dict[str, Floats]] = {cell: {} for cell in cells}
    for branch in sorted(system.fused):
        with located(f"transform {system.transform.name!r} of branch {branch!r}"):
            transform = fit_transform(system.transform.name, system.transform.parameters, cells[OOF].z[branch])
            for cell in cells:
                values = phi[cell][branch] = transform(cells[cell].z[branch])
                if not np.isfinite(values).all():
                    raise DataError(
                        f"{int((~np.isfinite(values)).sum())} values are not finite: choose a tamer transform"
                    )
    weights = {branch: weight for branch, weight in sorted(system.weights.items()) if weight}
    normals = Normals(phi[OOF], cells[OOF].domain, weights)
    fuse = fit_fusion(system.fusion.name, system.fusion.parameters, normals)
    return {cell: fuse(phi[cell]) for cell in cells}


def _checked(penalty: Floats, n: int, guard: str) -> Floats:
    penalty = np.asarray(penalty, dtype=np.float64)
    if penalty.shape != (n,):
        raise PluginError(f"guard {guard!r} gave a penalty {penalty.shape} for {n} clips; ({n},) is the contract.")
    if not np.isfinite(penalty).all():
        raise DataError(f"guard {guard!r} gave {int((~np.isfinite(penalty)).sum())} penalties that are not finite")
    if (penalty < 0).any():
        raise PluginError(f"guard {guard!r} gave a negative penalty ({penalty.min()}); a guard may only take back.")
    return penalty
