"""What is asked of the scores of known faults: the choice, its optimism, and the gain on kinds that did not choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.evidence.selection.fault_clips import Fault
from asdcore.evidence.selection.fault_gains import CellScores
from asdcore.evidence.selection.shrunken_choice import Choice, choose, mixed

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

NORMAL_DRAWS = 100
"""Draws of the normals; draws of the faults are dealt among them."""


@dataclass
class Problem:
    """The parts of all branches on normals and faults, and the default's weights (n_branches,).

    The gain of a fault of which several windows are heard is the mean of theirs, so that a recording counts as one
    fault, however long it is: windows of one recording resemble one another.
    """

    cells: Sequence[CellScores]
    default: Floats
    faults: Sequence[Fault]
    replicates: int
    seed: int
    of_branches: Floats = field(init=False)
    of_default: Floats = field(init=False)
    drawn: tuple[Floats, Floats] = field(init=False)
    """Gains by branches (n_draws, n_faults, n_branches) and by the default (n_draws, n_faults), of drawn normals."""

    def __post_init__(self) -> None:
        n_branches, draws = len(self.default), max(1, min(NORMAL_DRAWS, self.replicates))
        n_heard = sum(len(fault.heard) for fault in self.faults)
        of_branches, of_default = np.zeros((draws, n_heard, n_branches)), np.zeros((draws, n_heard))
        undrawn = np.zeros((n_heard, n_branches))
        for i, cell in enumerate(self.cells):
            seed = self.seed + i
            undrawn[cell.rows] = cell.of_branches()
            of_branches[:, cell.rows] = cell.of_branches(draws, seed)
            of_default[:, cell.rows] = cell.of_sums(self.default[:, None], draws, seed)[..., 0]
        self.of_branches = self._of_faults(undrawn, axis=0)
        self.drawn = self._of_faults(of_branches, axis=1), self._of_faults(of_default, axis=1)
        self.of_default = self.gain(self.default)

    def _of_faults(self, of_heard: Floats, axis: int) -> Floats:
        """Return the gains of faults, along an axis that has those of their windows: the means of each."""
        counts = np.array([len(fault.heard) for fault in self.faults], np.intp)
        if (counts == 1).all():
            return of_heard
        places = np.repeat(np.arange(len(counts)), counts)
        shares = (places == np.arange(len(counts))[:, None]) / counts[:, None]  # (n_faults, n_windows)
        means: Floats = np.moveaxis(np.tensordot(shares, of_heard, axes=(1, axis)), 0, axis)
        return means

    def gain(self, weights: Floats) -> Floats:
        """Return the gain of every fault by weighted sums of branches, (n_faults,) or (n_faults, n_sums).

        weights : (n_branches,) or (n_branches, n_sums).
        """
        sums = weights.reshape(len(weights), -1)
        of_sums = np.zeros((sum(len(fault.heard) for fault in self.faults), sums.shape[1]))
        for cell in self.cells:
            of_sums[cell.rows] = cell.of_sums(sums)
        return self._of_faults(of_sums, axis=0).reshape(len(self.faults), *weights.shape[1:])

    def choice(self, rows: Rows, draws: int | None = None) -> Choice:
        """Return what some of the faults choose."""
        draws = self.replicates if draws is None else draws
        of_branches, of_default = self.drawn
        return choose(of_branches[:, rows], of_default[:, rows], draws=draws, seed=self.seed)

    def out_of_bag(self) -> tuple[float, float] | None:
        """Return the mean gain of what drawn faults choose on those not drawn, and the default's on the same."""
        draw, n_faults = np.random.default_rng(self.seed), len(self.faults)
        drawn = [draw.integers(0, n_faults, n_faults) for _ in range(self.replicates)]
        drawn = [rows for rows in drawn if len(np.unique(rows)) < n_faults]
        if not drawn:
            return None
        gain = self.gain(np.stack([mixed(self.default, self.choice(rows, draws=200)) for rows in drawn], axis=1))
        others = [np.setdiff1d(np.arange(n_faults), rows) for rows in drawn]
        after = [gain[rows, i].mean() for i, rows in enumerate(others)]
        return float(np.mean(after)), float(np.mean([self.of_default[rows].mean() for rows in others]))

    def facts(self, choice: Choice) -> dict[str, Any]:
        """Return the overall numbers."""
        if not self.faults:
            return {"faults": 0, "moved": 0.0}
        outside = self.out_of_bag() if len(self.faults) > 1 else None
        apparent = float(self.gain(mixed(self.default, choice)).mean())
        facts = {"faults": len(self.faults), "moved": choice.moved, "default_gain": float(self.of_default.mean())}
        facts |= {"apparent": apparent}
        if outside is not None:
            lead = outside[0] - outside[1]
            facts |= {"out_of_bag": facts["default_gain"] + lead, "optimism": apparent - facts["default_gain"] - lead}
        return facts

    def kinds(self) -> list[dict[str, Any]]:
        """Return for each kind of fault the gain by weights that the other kinds choose; none of fewer than two."""
        kinds = np.array([fault.kind for fault in self.faults])
        if len(set(kinds)) < 2:
            return []
        rows = []
        for kind in sorted(set(kinds)):
            inside, others = np.flatnonzero(kinds == kind), np.flatnonzero(kinds != kind)
            gain = self.gain(mixed(self.default, self.choice(others)))[inside].mean()
            before = float(self.of_default[inside].mean())
            rows.append({"kind": kind, "faults": len(inside), "default": before, "left_out": float(gain)})
        return rows

    def rows(self, names: Sequence[str], weights: Floats, choice: Choice) -> list[dict[str, Any]]:
        """Return a row for each branch with a weight, the heaviest first."""
        gain = self.of_branches.mean(axis=0) if len(self.of_branches) else [None] * len(names)
        columns = zip(names, gain, self.default, weights, strict=True)
        rows = [
            {"branch": name, "gain": None if mean is None else float(mean), "default": float(old), "weight": float(new)}
            for name, mean, old, new in columns
            if old or new
        ]
        return sorted(rows, key=lambda row: -row["weight"])
