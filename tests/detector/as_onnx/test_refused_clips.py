"""A runtime that goes on where onnxruntime stops still calls no refused clip normal."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore.contract.onnx.onnx_graph import OnnxGraph
from asdcore.detector.as_onnx.refused_clips import checked


@pytest.mark.parametrize(
    ("audio", "rate", "is_taken"),
    [
        (np.arange(8.0)[None], 16000, True),
        (np.arange(8.0)[None], 8000, False),
        (np.arange(3.0)[None], 16000, False),
        (np.ones((1, 8)), 16000, False),
        (np.full((1, 8), np.nan), 16000, False),
    ],
)
def test_a_refused_clip_has_no_score_and_no_decision(as_onnx, monkeypatch, audio, rate, is_taken):
    plain = OnnxGraph.op

    def op_that_never_stops(graph, kind, *inputs, **attributes):
        return graph.constant([1.0]) if "name" in attributes else plain(graph, kind, *inputs, **attributes)

    monkeypatch.setattr(OnnxGraph, "op", op_that_never_stops)

    def formula(sound, sample_rate):
        clip = checked(sound, sample_rate.astype(np.int64), 16000, 4)
        decision = clip.or_refused(sound.graph.constant([0], np.int64)).astype(np.float64)
        return clip.or_nan(sound.graph.constant([0.5])).op("Concat", decision, axis=0)

    score, decision = as_onnx(formula, audio, np.array(rate))
    assert (score, decision) == (0.5, 0.0) if is_taken else (np.isnan(score) and decision == -1.0)


def test_the_reason_is_the_name_of_a_node():
    graph = OnnxGraph()
    checked(graph.constant(np.ones((1, 8))), graph.constant(16000, np.int64), 16000, 4)
    names = [node.name for node in graph.nodes if node.name]
    assert len(names) == 4
    assert names[0].startswith("the sample rate is not 16000 Hz")
