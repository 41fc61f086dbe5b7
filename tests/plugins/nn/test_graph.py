"""Models in one ONNX or TFLite file: what is opened, what is refused."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from asdcore import DataError, PluginError
from asdcore_plugins.nn.graph import FREE, open_graph

FLOAT, INT = 1, 7  # TensorProto's numbers


@pytest.fixture
def model(tmp_path):
    """A function that writes an ONNX model which doubles its inputs, and returns its path."""
    onnx = pytest.importorskip("onnx", reason="the package onnx writes the models of these tests")
    pytest.importorskip("onnxruntime", reason="ONNX models run on onnxruntime")

    def write(*shapes, kind=FLOAT):
        from onnx import helper

        names = [f"in{i}" for i in range(len(shapes))]
        inputs = [helper.make_tensor_value_info(name, kind, shape) for name, shape in zip(names, shapes, strict=True)]
        outputs = [helper.make_tensor_value_info(f"twice_{name}", kind, None) for name in names]
        nodes = [helper.make_node("Add", [name, name], [f"twice_{name}"]) for name in names]
        graph = helper.make_graph(nodes, "doubling", inputs, outputs)
        path = tmp_path / "model.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        return path

    return write


@pytest.mark.parametrize(
    ("shape", "taken"),
    [
        (["n"], (FREE,)),
        ([16], (16,)),
        (["batch", "samples"], (1, FREE)),
        ([1, 1, 16], (1, 1, 16)),
        ([1, None], (1, FREE)),
    ],
)
def test_a_waveform_with_or_without_leading_axes_of_one_is_taken(shape, taken, model):
    graph = open_graph(model(shape), ["twice_in0"])
    assert (graph.shape, graph.outputs) == (taken, ["twice_in0"])
    waveform = np.arange(16, dtype=np.float32).reshape(*taken[:-1], 16)
    (doubled,) = graph.run(waveform, ["twice_in0"])
    assert np.array_equal(doubled, 2 * waveform)


@pytest.mark.parametrize(
    ("shapes", "kind", "found"),
    [
        ([[1, 128, 1024]], FLOAT, r"float32 \[1, 128, 1024\]"),
        ([[1, 16], [1]], FLOAT, r"float32 \[1, 16\], float32 \[1\]"),
        ([[1, 16]], INT, r"another type \[1, 16\]"),
        ([[]], FLOAT, r"float32 \[\]"),
    ],
)
def test_what_does_not_take_one_waveform_is_refused(shapes, kind, found, model):
    with pytest.raises(DataError, match=f"takes {found}; needed is one float32 waveform.*asdcore new-plugin"):
        open_graph(model(*shapes, kind=kind))


def test_an_unknown_tensor_is_refused_with_the_outputs(model):
    with pytest.raises(DataError, match="has no tensor thrice; its outputs are twice_in0"):
        open_graph(model([16]), ["twice_in0", "thrice"])


def test_a_waveform_that_the_graph_cannot_take_is_refused(model):
    graph = open_graph(model([16]))
    with pytest.raises(DataError, match=r"fails on a waveform of shape \(15,\): .*INVALID_ARGUMENT"):
        graph.run(np.zeros(15, np.float32), ["twice_in0"])


def test_a_file_that_is_no_model_is_refused(tmp_path):
    pytest.importorskip("onnxruntime", reason="ONNX models run on onnxruntime")
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x00\x01 nothing like a graph")
    with pytest.raises(DataError, match="neither TFLite nor an ONNX model complete in itself"):
        open_graph(path)


def test_a_damaged_tflite_file_is_refused(tmp_path):
    pytest.importorskip("ai_edge_litert", reason="TFLite models run on LiteRT")
    path = tmp_path / "model.tflite"
    path.write_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(64))
    with pytest.raises(DataError, match="no TFLite model that LiteRT can open"):
        open_graph(path)


def test_weights_in_a_second_file_are_refused(model, tmp_path):
    import onnx
    from onnx import helper, numpy_helper

    weight = numpy_helper.from_array(np.ones((16, 4), np.float32), "weight")
    given = helper.make_tensor_value_info("in0", FLOAT, [1, 16])
    out = helper.make_tensor_value_info("out", FLOAT, [1, 4])
    graph = helper.make_graph([helper.make_node("MatMul", ["in0", "weight"], ["out"])], "g", [given], [out], [weight])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, tmp_path / "split.onnx", save_as_external_data=True, size_threshold=0, location="weights.bin")
    with pytest.raises(DataError, match="nor an ONNX model complete in itself"):
        open_graph(tmp_path / "split.onnx")


def test_a_missing_file_names_the_registry(tmp_path):
    with pytest.raises(DataError, match="There is no model .*gone.onnx.*asdcore registry fetch ID"):
        open_graph(tmp_path / "gone.onnx")


@pytest.mark.parametrize(
    ("content", "module", "package"),
    [(b"\x1c\x00\x00\x00TFL3", "ai_edge_litert.interpreter", "ai-edge-litert"), (b"", "onnxruntime", "onnxruntime")],
)
def test_a_library_that_is_not_installed_is_named(content, module, package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / "model").write_bytes(content)
    with pytest.raises(PluginError, match=f"needs {package}, which is not installed: pip install 'asdcore"):
        open_graph(tmp_path / "model")
