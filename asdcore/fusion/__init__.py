"""Fusion strategies: the transformed scores phi of several branches -> one base score of a system.

transforms        transforms phi of a calibrated score z
fixed_transforms  those with a fixed formula
smooth_ecdf       the smooth CDF of train-normal scores
combine           sums, extremes and combined p-values of the branches
correlation       strategies that use correlations of branches
gate              the strategy that mixes two weightings by one gate
train_normals     what strategies are fitted on

phi {branch: (n_clips,) float64} -> base (n_clips,) float64, non-decreasing in every branch. A strategy learns its CDF,
deviation, correlations or gate from the out-of-fold train normals of one machine and section; afterwards each clip is
fused alone. Sums run over branches in the order of their names. F is the smooth train-normal CDF of a branch
(:class:`asdcore.SmoothEcdf`), p = 1 - F and n = Phi^-1(F).

``sum`` is eq. (3) of the DCASE 2026 report "Robust train-normal calibration for first-shot machine sound anomaly
detection". That report gives no formula for its global gate and its low-correlation repair; the formulas here are ours.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from asdcore.basics.parse import is_number
from asdcore.errors import PortfolioError, did_you_mean, located
from asdcore.fusion import combine, correlation
from asdcore.fusion.gate import gate
from asdcore.fusion.train_normals import Fuse, Normals

__all__ = ["FUSIONS", "Normals", "branches_named", "check_fusion", "fit_fusion"]

FUSIONS: dict[str, Callable[..., Fuse]] = {
    "cauchy": combine.cauchy,
    "copula": correlation.copula,
    "fisher": combine.fisher,
    "gate": gate,
    "harmonic": combine.harmonic,
    "inverse_correlation": correlation.inverse_correlation,
    "low_correlation": correlation.low_correlation,
    "max": combine.maximum,
    "median": combine.median,
    "stouffer": combine.stouffer,
    "sum": combine.weighted_sum,
    "trimmed_mean": combine.trimmed_mean,
    "zmin": combine.zmin,
}
LARGEST = 1e100
"""The largest weight: sums of squares of weights must be finite."""

UNWEIGHTED = ("max", "median", "trimmed_mean", "zmin")
"""Strategies that treat all branches with a weight alike: their weights must be equal."""


def check_fusion(name: str, parameters: Mapping[str, Any], weights: Mapping[str, float]) -> None:
    """Raise PortfolioError if no strategy has this name, or if it takes other parameters or no weights."""
    if name in UNWEIGHTED and len(set(filter(None, weights.values()))) > 1:
        raise PortfolioError(
            f"Fusion {name!r} does not weigh its branches, but they have different weights: "
            "give 1.0 to every branch that counts, 0.0 to the others."
        )
    used = {branch: float(weight) for branch, weight in weights.items() if weight}
    read = sorted(used.keys() | branches_named(parameters))
    trial = dict(zip(read, np.random.default_rng(0).standard_normal((len(read), 200)), strict=True))
    fit_fusion(name, parameters, Normals(trial, np.array(["source", "target"] * 100), used))


def branches_named(parameters: Mapping[str, Any]) -> set[str]:
    """Return the branches that a strategy's own parameters name: ``weights`` above 0, and ``auxiliary``."""
    weights, auxiliary = parameters.get("weights"), parameters.get("auxiliary")
    weighted = {branch for branch, weight in weights.items() if weight} if isinstance(weights, dict) else set()
    listed = {branch for branch in auxiliary if isinstance(branch, str)} if isinstance(auxiliary, list) else set()
    return weighted | listed


def fit_fusion(name: str, parameters: Mapping[str, Any], normals: Normals) -> Fuse:
    """Fit a strategy on the out-of-fold train normals of one cell."""
    if name not in FUSIONS:
        raise PortfolioError(f"No fusion is named {name!r}. {did_you_mean(name, FUSIONS)}")
    accepted = list(inspect.signature(FUSIONS[name]).parameters.values())[1:]
    names = [parameter.name for parameter in accepted]
    for key in parameters:
        if key not in names:
            raise PortfolioError(f"Fusion {name!r} takes no parameter {key!r}. {did_you_mean(key, names)}")
    for parameter in accepted:
        value = parameters.get(parameter.name, parameter.default)
        if not (allowed := _ALLOWED.get(parameter.name, _NUMBER))[0](value):
            got = "nothing" if value is parameter.empty else repr(value)
            raise PortfolioError(f"Fusion {name!r} needs {parameter.name} = {allowed[1]}, got {got}.")
    with located(f"fusion {name!r}"):
        return FUSIONS[name](normals, **parameters)


def _is_weighting(value: Any) -> bool:
    if not isinstance(value, dict) or not all(
        is_number(weight) and 0 <= weight <= LARGEST for weight in value.values()
    ):
        return False
    return any(value.values())


def _is_list_of_names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value)


_NUMBER = (is_number, "a number")
_ALLOWED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "weights": (_is_weighting, "{ branch = weight, ... } with weights of at least 0, at most 1e+100, not all 0"),
    "auxiliary": (_is_list_of_names, "a list of branches"),
}
