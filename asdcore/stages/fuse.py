"""Calibrated scores -> systems: S = sum_b w_b phi(z_b) - sum_g lambda_g R_g, or another fusion of the phi(z_b).

Everything that is fitted (transforms, fusions, guards) is fitted on the out-of-fold train normals of one machine and
section. Guards act one after another, each on what the one before left: so each keeps its own promise about
the tail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.components import build
from asdcore.contract.plugins import Plugins
from asdcore.errors import DataError, PluginError, blamed, did_you_mean, located
from asdcore.fusion import Normals, fit_fusion
from asdcore.portfolio import GuardChoice, System
from asdcore.store.tables import SYSTEMS
from asdcore.transforms import fit_transform

Floats = NDArray[np.float64]
ROLES = ("oof", "test")


@dataclass(frozen=True)
class Cell:
    """One machine and section in one role: clips (n,), domain (n,) and z of every branch (n,)."""

    clips: pl.Series
    domain: NDArray[np.str_]
    z: dict[str, Floats]


def fuse(calibrated: pl.DataFrame, clips: pl.DataFrame, systems: dict[str, System], plugins: Plugins) -> pl.DataFrame:
    """Return base, penalty and score of every clip and system, out-of-fold rows included."""
    wide = calibrated.pivot("branch", index=["clip", "role"], values="z")
    wide = wide.join(clips.select("clip", "machine", "section", "domain", "sha256"), on="clip", validate="m:1")
    branches = calibrated["branch"].unique().sort().to_list()
    parts = []
    for (machine, section), rows in wide.group_by("machine", "section", maintain_order=True):
        cells = {role: _cell(rows, role, branches) for role in ROLES}
        for name, system in systems.items():
            # What overflows is refused below, by name.
            where = f"system {name!r}, {machine} section {section}"
            with located(where), np.errstate(over="ignore", invalid="ignore"):
                parts += _system(name, system, cells, plugins)
    return SYSTEMS.check(pl.concat(parts))


def _cell(rows: pl.DataFrame, role: str, branches: list[str]) -> Cell:
    rows = rows.filter(pl.col("role") == role).sort("sha256", "clip")
    return Cell(
        rows["clip"],
        rows["domain"].fill_null("").to_numpy().astype(np.str_),
        {branch: rows[branch].to_numpy() for branch in branches},
    )


def _system(name: str, system: System, cells: dict[str, Cell], plugins: Plugins) -> list[pl.DataFrame]:
    """Fuse one system in one cell: a frame for each role that has clips."""
    base = _fused(system, cells)
    if lost := sum(int((~np.isfinite(base[role])).sum()) for role in ROLES):
        raise DataError(f"{lost} scores are not finite. Choose smaller weights.")
    penalty = {role: np.zeros_like(base[role]) for role in ROLES}
    for choice in system.guards:
        left = {role: base[role] - penalty[role] for role in ROLES}
        for role, found in _penalties(choice, left, cells, plugins).items():
            penalty[role] += choice.strength * found
    return [
        cells[role]
        .clips.to_frame()
        .with_columns(
            system=pl.lit(name),
            role=pl.lit(role),
            base=base[role],
            penalty=penalty[role],
            score=base[role] - penalty[role],
        )
        for role in ROLES
        if len(cells[role].clips)
    ]


def _penalties(
    choice: GuardChoice, left: dict[str, Floats], cells: dict[str, Cell], plugins: Plugins
) -> dict[str, Floats]:
    """Fit one guard on train normals and return {role: R (n,)}. It gets copies: what it does to them stays with it."""
    guard = build("guard", choice.name, choice.parameters, plugins)
    copies = {role: {branch: values.copy() for branch, values in cells[role].z.items()} for role in ROLES}
    with blamed("guard", choice.name):
        fitted = guard.fit(left["oof"].copy(), _Branches(copies["oof"]), cells["oof"].domain.copy())
        found = {role: fitted.penalty(left[role].copy(), _Branches(copies[role])) for role in ROLES}
        return {role: _checked(found[role], len(left[role]), choice.name) for role in ROLES}


class _Branches(dict[str, Floats]):
    """z by branch: to ask for one that is not there is a mistake in the portfolio."""

    def __missing__(self, branch: str) -> Floats:
        raise PluginError(f"a branch {branch!r} is asked for. {did_you_mean(branch, self)}")


def _fused(system: System, cells: dict[str, Cell]) -> dict[str, Floats]:
    """Return {role: the fused phi(z_b) of the branches (n,)}."""
    phi: dict[str, dict[str, Floats]] = {role: {} for role in ROLES}
    for branch in sorted(system.fused):
        with located(f"transform {system.transform.name!r} of branch {branch!r}"):
            transform = fit_transform(system.transform.name, system.transform.parameters, cells["oof"].z[branch])
            for role in ROLES:
                values = phi[role][branch] = transform(cells[role].z[branch])
                if not np.isfinite(values).all():
                    raise DataError(
                        f"{int((~np.isfinite(values)).sum())} values are not finite: choose a tamer transform"
                    )
    weights = {branch: weight for branch, weight in sorted(system.weights.items()) if weight}
    normals = Normals(phi["oof"], cells["oof"].domain, weights)
    fuse = fit_fusion(system.fusion.name, system.fusion.parameters, normals)
    return {role: fuse(phi[role]) for role in ROLES}


def _checked(penalty: Floats, n: int, guard: str) -> Floats:
    penalty = np.asarray(penalty, dtype=np.float64)
    if penalty.shape != (n,):
        raise PluginError(f"guard {guard!r} gave a penalty {penalty.shape} for {n} clips; ({n},) is the contract.")
    if not np.isfinite(penalty).all():
        raise DataError(f"guard {guard!r} gave {int((~np.isfinite(penalty)).sum())} penalties that are not finite")
    if (penalty < 0).any():
        raise PluginError(f"guard {guard!r} gave a negative penalty ({penalty.min()}); a guard may only take back.")
    return penalty
