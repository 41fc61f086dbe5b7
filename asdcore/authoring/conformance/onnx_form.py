"""Checks of the optional ``to_onnx``: what a component writes as ONNX gives the numbers that the component gives.

A component without it passes, one that refuses (:class:`asdcore.DataError`) too; so does any where onnx or onnxruntime
are not installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.authoring.conformance.bench.driver import Bench, Rows, difference, join, require
from asdcore.authoring.conformance.kinds.encoder import EncoderBench
from asdcore.authoring.conformance.kinds.guard import GuardBench
from asdcore.authoring.conformance.kinds.normalizer import NormalizerBench
from asdcore.authoring.conformance.kinds.scorer import ScorerBench
from asdcore.authoring.conformance.kinds.view import SAMPLE_RATE, ViewBench
from asdcore.authoring.conformance.shared_distances import distances_of
from asdcore.contract.onnx.onnx_graph import IR_VERSION, OPSET, OnnxGraph, OnnxValue
from asdcore.errors import DataError

Floats = NDArray[np.float64]
Values = Mapping[str, OnnxValue]

ALIKE = 1e-5
"""By which share of the outputs' scale both may differ: networks compute in float32."""

CLIPS = 3
"""Ordinary clips, and as many extreme ones."""


def check_onnx_form(bench: Bench) -> None:
    """What ``to_onnx`` writes gives each clip what the component gives it, within rounding."""
    component = bench.ready() if isinstance(bench, EncoderBench) else bench.build()
    if hasattr(component, "to_onnx") and _can_run():
        fitted = bench.fit(component, bench.inputs(bench.train())) if bench.train() else component
        rows = join(bench.rows(CLIPS, seed=8), bench.far(CLIPS, seed=8))
        for i in range(2 * CLIPS):
            given = {name: array[i : i + 1].copy() for name, array in rows.items()}
            _require_alike(_wanted(bench, fitted, given), partial(_written, bench, fitted, given))


def check_onnx_form_by_distances(bench: ScorerBench) -> None:
    """What ``distances_to_onnx`` writes gives each clip what ``score_distances`` gives it."""
    scorer = bench.build()
    if hasattr(scorer, "distances_to_onnx") and _can_run():
        train, rows = bench.inputs(bench.train()), bench.inputs(bench.rows(CLIPS, seed=8))
        bank = train["features"]
        fitted = scorer.fit_distances(distances_of(bank, bank, scorer.metric), train["domain"].copy())
        for row in distances_of(rows["features"], bank, scorer.metric):
            expected = {name: np.asarray(values) for name, values in fitted.score_distances(row[None].copy()).items()}
            _require_alike(expected, partial(_written_by_distances, fitted, row[None]))


def _can_run() -> bool:
    return all(find_spec(name) is not None for name in ("onnx", "onnxruntime"))


def _require_alike(expected: Rows, write: Callable[[OnnxGraph], Values]) -> None:
    """Raise AssertionError unless what is written gives what is expected; a refusal will do."""
    graph = OnnxGraph()
    try:
        values = write(graph)
    except DataError:
        return
    observed = f"to_onnx gave {', '.join(values)}, and the component {', '.join(expected)}."
    require(
        values.keys() == expected.keys(), observed, "an exported detector reads all of them.", "a forgotten output."
    )
    gap = difference(expected, _computed(graph, values), ALIKE)
    why = "an exported detector would give other scores; the exporter refuses it."
    require(not gap, f"In what to_onnx writes, {gap}.", why, "another formula, an axis, or float32 in between.")


def _wanted(bench: Bench, fitted: Any, given: Rows) -> Rows:
    """Return what the component gives one clip."""
    if isinstance(bench, EncoderBench):
        layer = fitted.layers[-1]
        return {"patches": np.asarray(fitted.encode(given["audio"], [layer])[layer].patches[0])}
    return bench.call(fitted, bench.inputs(given))


def _written_by_distances(fitted: Any, distances: Floats, graph: OnnxGraph) -> Values:
    scores: Values = fitted.distances_to_onnx(graph.constant(distances))
    return scores


def _written(bench: Bench, fitted: Any, given: Rows, graph: OnnxGraph) -> Values:
    """Write what the component gives one clip, as the framework asks for it."""
    if isinstance(bench, GuardBench):
        inputs = bench.inputs(given)
        return {"penalty": fitted.to_onnx(graph.constant(inputs["base"]), _Constants(graph, inputs["z"]))}
    values = {name: graph.constant(array) for name, array in given.items()}
    if isinstance(bench, EncoderBench):
        layer = fitted.layers[-1]
        return {"patches": fitted.to_onnx(values["audio"].take(0), [layer])[layer][0]}
    if isinstance(bench, ViewBench):
        waveform = fitted.to_onnx(values["audio"].take(0), SAMPLE_RATE)
        return {"waveform": waveform.op("Unsqueeze", graph.constant([0], np.int64))}
    if isinstance(bench, NormalizerBench):
        return {"z": fitted.to_onnx(values)}
    scores: Values = fitted.to_onnx(values["features"])
    return scores


class _Constants(dict[str, OnnxValue]):
    """{branch: z (1,)} that has every branch."""

    def __init__(self, graph: OnnxGraph, z: Mapping[str, Any]) -> None:
        super().__init__()
        self._graph, self._z = graph, z

    def __missing__(self, branch: str) -> OnnxValue:
        return self._graph.constant(self._z[branch])


def _computed(graph: OnnxGraph, values: Values) -> Rows:
    """Run a graph that needs no inputs."""
    from onnx import TensorProto, helper
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    kept = {name: value.astype(np.float64) for name, value in values.items()}
    outputs = [helper.make_tensor_value_info(value.name, TensorProto.DOUBLE, None) for value in kept.values()]
    inside = helper.make_graph(graph.nodes, "formula", [], outputs, graph.used_constants())
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(inside, opset_imports=opsets, ir_version=IR_VERSION)
    session = InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(kept, session.run(None, {}), strict=True))


CHECKS = (check_onnx_form,)
SCORER_CHECKS = (check_onnx_form, check_onnx_form_by_distances)
