"""A fusion strategy that mixes two weightings by one gate for a whole machine and section."""

from __future__ import annotations

import numpy as np

from asdcore.errors import PortfolioError
from asdcore.fusion.train_normals import Fuse, Normals, added


def gate(normals: Normals, *, weights: dict[str, float], quantile: float = 0.95) -> Fuse:
    """g S_A + (1 - g) S_B for all clips of a cell: S_A by the system's weights, S_B by ``weights`` of the gate.

    g = 1 / (1 + max(0, i - 1)) measures how far S_A may be trusted in this machine and section: i is the share of its
    target train normals above the ``quantile`` of all, over the share 1 - quantile that belongs there. Without target
    clips g = 1.
    """
    if not 0 < quantile < 1:
        raise PortfolioError(f"quantile must lie between 0 and 1, not at {quantile}.")
    first = added(normals.weights, normals.phi)
    target = first[normals.domain == "target"]
    above = float(np.mean(target > np.quantile(first, quantile))) if len(target) else 0.0
    trust = 1.0 / (1.0 + max(0.0, above / (1.0 - quantile) - 1.0))
    second = {branch: float(weight) for branch, weight in sorted(weights.items()) if weight}
    return lambda phi: trust * added(normals.weights, phi) + (1.0 - trust) * added(second, phi)
