"""Calibrates, fuses and decides one clip, with everything fitted once on the frozen train normals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.compute.component_checks.clip_by_clip import Call, Step
from asdcore.compute.scoring.scoring import Scores
from asdcore.contract.plugins import Plugins
from asdcore.detector.contributions import contributions
from asdcore.portfolio import Branch, Portfolio, System
from asdcore.stages.calibrate import Calibration, straight
from asdcore.stages.calibrate_rows import by_reference
from asdcore.stages.fuse import Fused, fuse_cells
from asdcore.stages.fuse_rows import OOF, Cell, Cells
from asdcore.store.tables import FULL

Floats = NDArray[np.float64]
LARGER_OR_SMALLER = (1.01, 0.99, 1.5, 0.5)
"""Factors of a score that show whether z hangs on it, the smallest steps first: ranks do not see these."""

BranchScores = Mapping[str, Mapping[int, Scores]]
"""{branch: {fold: the scores (1,) of a clip by reference}}."""


class Scale:
    """The calibrations of some branches of one machine and section, by the scorers of all train normals or of folds.

    Parameters
    ----------
    branches : mapping of str to Branch
        Their entries in the portfolio.
    scores : polars.DataFrame
        The frozen score rows of train normals that count for these systems.
    plugins : Plugins
        Where normalizers are looked up.
    folds : tuple of int
        The folds of the scorers: FULL alone, or those of a mirror.

    Attributes
    ----------
    calibrations : dict of str to Calibration
        Those of the branches.
    """

    def __init__(
        self, branches: Mapping[str, Branch], scores: pl.DataFrame, plugins: Plugins, folds: tuple[int, ...]
    ) -> None:
        self.folds = folds
        self.calibrations: dict[str, Calibration] = {}
        z: dict[str, Floats] = {}
        for name, branch in sorted(branches.items()):
            normals = by_reference(scores.filter(pl.col("branch") == name))
            self.calibrations[name] = Calibration(branch.normalizer, normals.scores, normals.domain, plugins)
            z[name] = self.calibrations[name].z
        self.normals = Cell(normals.names["clip"], normals.domain, z)

    def cells(self, scores: BranchScores) -> Cells:
        """Return z of the train normals, and of the clip by every scorer."""
        clip, domain = pl.Series(["clip"]), np.array([""])
        cells = {OOF: self.normals}
        for fold in self.folds:
            z = {name: calibration(scores[name][fold]) for name, calibration in self.calibrations.items()}
            cells[f"test {fold}"] = Cell(clip, domain, z)
        return cells

    def decisive(self, branch: str, scores: Scores, references: Sequence[str]) -> str:
        """Return the reference on which z of a clip hangs: whose score moves it most if it grows, or else shrinks.

        scores : {reference: (1,)} of the clip. references : those to choose from, the first one of equals.
        """
        calibration = self.calibrations[branch]
        for factor in LARGER_OR_SMALLER:
            moved = {
                name: abs(float((calibration({**scores, name: factor * scores[name]}) - calibration(scores)).item()))
                for name in references
            }
            if any(moved.values()):
                return max(references, key=moved.__getitem__)
        return references[0]

    def mean(self, cells: Cells, branch: str) -> float:
        """Return z of the clip, the mean over its scorers."""
        return float(np.mean([cells[f"test {fold}"].z[branch].item() for fold in self.folds]))


def scales_of(plan: Portfolio, scores: pl.DataFrame, plugins: Plugins) -> dict[bool, Scale]:
    """Return the calibrations by the scorers of all train normals (False), and for mirrors by those of folds (True).

    Parameters
    ----------
    plan : Portfolio
        Whose branches and mirrors they are.
    scores : polars.DataFrame
        The score rows of the train normals of one machine and section, with their clips' ``sha256``.
    plugins : Plugins
        Where normalizers are looked up.
    """
    scales = {False: Scale(plan.branches, straight(scores), plugins, (FULL,))}
    if plan.mirrored:
        mirrored = {name: plan.branches[name] for name in sorted(plan.mirrored)}
        in_folds = scores.filter((pl.col("fold") != FULL) & pl.col("branch").is_in(list(mirrored)))
        folds = tuple(sorted(in_folds["fold"].unique().to_list()))
        scales[True] = Scale(mirrored, in_folds, plugins, folds)
    return scales


@dataclass(frozen=True)
class Shares:
    """How the score of a clip is made up: what it is if all branches are as usual, and what each part adds."""

    usual: float
    branches: dict[str, float]
    guards: dict[str, float]


@dataclass(frozen=True)
class FittedStep:
    """A transform, fusion or guard of a system: what applies it, and what it was fitted on, columns (n_train,)."""

    kind: str
    call: Call
    normals: Mapping[str, Floats]


@dataclass
class _Remembered:
    """Applies steps that are fitted in the first pass and used again in every later one, in the same order.

    As :class:`asdcore.stages.fuse.Applied`.
    """

    steps: list[tuple[Step, Call, Floats]] = field(default_factory=list)
    columns: list[dict[str, dict[str, Floats]]] = field(default_factory=list)
    """What every step was given in the last pass."""

    def __call__(self, step: Step, columns: dict[str, dict[str, Floats]], cells: Cells) -> dict[str, Floats]:
        place = len(self.columns)
        self.columns.append(columns)
        if place == len(self.steps):
            call = step.fit()
            self.steps.append((step, call, call(_copies(columns[OOF]))))
        _, call, of_normals = self.steps[place]
        others = {cell: call(_copies(given)) for cell, given in columns.items() if cell != OOF}
        return {OOF: of_normals.copy(), **others}

    def again(self) -> None:
        """Begin another pass."""
        self.columns = []


class FrozenSystem:
    """One system of one machine and section.

    Parameters
    ----------
    system : System
        Its entry in the portfolio.
    scale : Scale
        The calibrations of its branches.
    plugins : Plugins
        Where guards are looked up.

    Attributes
    ----------
    normals : dict of str to ndarray of float64, shape (n_train,)
        base, penalty and score of the train normals.
    domain : ndarray of str, shape (n_train,)
        "source" or "target" of each.
    """

    def __init__(self, system: System, scale: Scale, plugins: Plugins) -> None:
        self._system, self._scale, self._plugins = system, scale, plugins
        self.domain = scale.normals.domain
        self._applied = _Remembered()
        self._medians: dict[str, float] = {}
        self.normals = self._fused({OOF: scale.normals}).of_normals()
        self._sorted = np.sort(self.normals["score"])

    def __call__(self, cells: Cells) -> dict[str, float]:
        """Return base, penalty and score of the clip."""
        columns = self._fused(cells).of_tested() or {}
        return {name: values.item() for name, values in columns.items()}

    @property
    def steps(self) -> list[FittedStep]:
        """Its transforms by the order of branches' names, its fusion and its guards, fitted on the train normals."""
        return [
            FittedStep(step.kind, call, columns[OOF])
            for (step, call, _), columns in zip(self._applied.steps, self._applied.columns, strict=True)
        ]

    def p_value(self, score: float) -> float:
        """Return (1 + the train normals that score at least as high) / (1 + all of them)."""
        n = len(self._sorted)
        return (1 + n - int(np.searchsorted(self._sorted, score, side="left"))) / (1 + n)

    def shares(self) -> Shares:
        """Return how the score of the last clip is made up: its parts add up to it, but for its rounding."""
        place = next(i for i, (step, _, _) in enumerate(self._applied.steps) if step.kind == "fusion")
        usual, branches = self._branch_shares(place)
        return Shares(usual, branches, self._guard_shares(place + 1))

    def _branch_shares(self, place: int) -> tuple[float, dict[str, float]]:
        (_, fuse, _), columns = self._applied.steps[place], self._applied.columns[place]
        models = [phi for cell, phi in columns.items() if cell != OOF]
        start, total = 0.0, dict.fromkeys(columns[OOF], 0.0)
        for phi in models:
            scores = {branch: values.item() for branch, values in phi.items()}
            start, parts = contributions(fuse, scores, self._usual(place))
            total = {branch: total[branch] + part / len(models) for branch, part in parts.items()}
        return start, total

    def _usual(self, place: int) -> dict[str, float]:
        """Return the median of the train normals by every branch, as the fusion gets it."""
        if not self._medians:
            of_normals = self._applied.columns[place][OOF]
            self._medians = {branch: float(np.median(values)) for branch, values in of_normals.items()}
        return self._medians

    def _guard_shares(self, place: int) -> dict[str, float]:
        shares: dict[str, float] = {}
        steps, columns = self._applied.steps[place:], self._applied.columns[place:]
        for choice, (_, penalty, _), given in zip(self._system.guards, steps, columns, strict=True):
            taken = [choice.strength * penalty(_copies(columns)) for cell, columns in given.items() if cell != OOF]
            shares[choice.name] = shares.get(choice.name, 0.0) - float(np.mean(taken))
        return shares

    def _fused(self, cells: Cells) -> Fused:
        self._applied.again()
        with np.errstate(over="ignore", invalid="ignore"):
            return fuse_cells(self._system, cells, self._applied, self._plugins)


def _copies(columns: Mapping[str, Floats]) -> dict[str, Floats]:
    return {name: values.copy() for name, values in columns.items()}
