"""Writes a system as ONNX: z of its branches through transforms, fusion and guards to the score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from asdcore.basics.rounding import Grid
from asdcore.components.build import build
from asdcore.contract.onnx_graph import NotInOnnxError, OnnxValue
from asdcore.contract.plugins import Plugins
from asdcore.detector.as_onnx.branches import blaming
from asdcore.detector.as_onnx.rounding import on_grid
from asdcore.detector.systems import FrozenSystem
from asdcore.errors import located
from asdcore.portfolio import System
from asdcore.stages.fuse import BASE

Values = Mapping[str, OnnxValue]


def score_of(choice: System, system: FrozenSystem, z: Values, plugins: Plugins) -> OnnxValue:
    """Write a system: z (1,) of every branch -> the score (1,).

    Raises NotInOnnxError, naming the part, for a transform, fusion or guard that cannot be written.
    """
    transforms = [step for step in system.steps if step.kind == "transform"]
    phi = {}
    for branch, step in zip(sorted(choice.fused), transforms, strict=True):
        with _explained(f"transform {choice.transform.name!r}"):
            phi[branch] = step.call({branch: z[branch]})  # type: ignore[dict-item]  # it is elementwise
    (fusion,) = [step for step in system.steps if step.kind == "fusion"]
    grid = Grid.of(system.normals["base"])
    with _explained(f"fusion {choice.fusion.name!r}"):
        base = on_grid(fusion.call(phi), grid)  # type: ignore[arg-type]
    guards = [step for step in system.steps if step.kind == "guard"]
    penalty = None
    for guard, step in zip(choice.guards, guards, strict=True):
        left = base if penalty is None else on_grid(base - penalty, grid)
        normals = dict(step.normals)
        fitted = build("guard", guard.name, guard.parameters, plugins)
        fitted = fitted.fit(normals.pop(BASE), normals, system.domain)
        with blaming("guard", guard.name, fitted, "to_onnx", plugins):
            taken = guard.strength * fitted.to_onnx(left, z)
        penalty = on_grid(taken if penalty is None else penalty + taken, grid)
    return base if penalty is None else on_grid(base - penalty, grid)


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
