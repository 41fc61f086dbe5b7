"""Writes a system as ONNX: z of its branches through transforms, fusion and guards to the score."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any

import numpy as np

from asdcore.basics.rounding import Grid
from asdcore.components.build import build
from asdcore.contract.onnx.onnx_graph import NotInOnnxError, OnnxValue
from asdcore.contract.plugins import Plugins
from asdcore.detector.as_onnx.branches import blaming
from asdcore.detector.as_onnx.rounding import on_grid
from asdcore.detector.systems import FrozenSystem
from asdcore.errors import located
from asdcore.portfolio import GuardChoice, System
from asdcore.stages.fuse import BASE

Values = Mapping[str, OnnxValue]


def score_of(choice: System, system: FrozenSystem, models: Sequence[Values], plugins: Plugins) -> OnnxValue:
    """Write a system: z (1,) of every branch by every model -> the score (1,).

    There is one model, of all train normals; of a mirror one for each fold, and the score is their mean.

    Raises NotInOnnxError, naming the part, for a transform, fusion or guard that cannot be written.
    """
    grid, guards = Grid.of(system.normals["base"]), list(_guards(choice, system, plugins))
    bases = [_base(choice, system, z, grid) for z in models]
    score = base = mean_of(bases, grid)
    if guards:
        taken = [_penalty(guards, of_model, z, grid, plugins) for of_model, z in zip(bases, models, strict=True)]
        score = on_grid(base - mean_of(taken, grid), grid)
    return score


def mean_of(values: Sequence[OnnxValue], grid: Grid | None = None) -> OnnxValue:
    """Return the mean over models (1,), rounded to a grid if there is one."""
    if len(values) == 1:
        return values[0]
    mean = reduce(operator.add, values) / len(values)
    return mean if grid is None else on_grid(mean, grid)


def _base(choice: System, system: FrozenSystem, z: Values, grid: Grid) -> OnnxValue:
    """Write transforms and fusion of one model."""
    transforms = [step for step in system.steps if step.kind == "transform"]
    phi = {}
    for branch, step in zip(sorted(choice.fused), transforms, strict=True):
        with _explained(f"transform {choice.transform.name!r}"):
            phi[branch] = step.call({branch: z[branch]})  # type: ignore[dict-item]  # it is elementwise
    (fusion,) = [step for step in system.steps if step.kind == "fusion"]
    with _explained(f"fusion {choice.fusion.name!r}"):
        return on_grid(fusion.call(phi), grid)  # type: ignore[arg-type]


def _guards(choice: System, system: FrozenSystem, plugins: Plugins) -> Iterator[tuple[GuardChoice, Any]]:
    """Yield every guard, fitted on the train normals."""
    steps = [step for step in system.steps if step.kind == "guard"]
    for guard, step in zip(choice.guards, steps, strict=True):
        normals = dict(step.normals)
        fitted = build("guard", guard.name, guard.parameters, plugins)
        yield guard, fitted.fit(normals.pop(BASE), normals, system.domain)


def _penalty(
    guards: Sequence[tuple[GuardChoice, Any]], base: OnnxValue, z: Values, grid: Grid, plugins: Plugins
) -> OnnxValue:
    """Write what the guards take off the base of one model, one after another."""
    penalty = base * 0.0
    for i, (guard, fitted) in enumerate(guards):
        left = on_grid(base - penalty, grid) if i else base
        with blaming("guard", guard.name, fitted, "to_onnx", plugins):
            penalty = on_grid(penalty + guard.strength * fitted.to_onnx(left, z), grid)
    return penalty


@contextmanager
def _explained(part: str) -> Iterator[None]:
    """Say of which part it is that a formula cannot be written."""
    with located(part):
        try:
            yield
        except (TypeError, AttributeError) as error:
            raise NotInOnnxError(f"its formula cannot be written as ONNX ({error})") from error


def p_value_of(score: OnnxValue, normals: np.ndarray) -> OnnxValue:
    """Write (1 + the train normals that score at least as high) / (1 + all of them), (1,)."""
    as_high = (score.graph.constant(normals) >= score).astype(np.float64).sum(0, keepdims=True)
    return (as_high + 1.0) / (1.0 + len(normals))
