"""Models in one ONNX or TFLite file: what is opened, what is refused."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from asdcore import DataError, PluginError
from asdcore_plugins.nn.checkpoints.graph import FREE, graph_files, open_graph

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
        (["batch", "samples", 1], (1, FREE, 1)),
        ([1, 16, 1], (1, 16, 1)),
        (["batch", 1, "samples"], (1, 1, FREE)),
        (["batch", "channels", "samples"], (1, 1, FREE)),
    ],
)
def test_a_waveform_with_or_without_leading_axes_of_one_is_taken(shape, taken, model):
    graph = open_graph(model(shape), ["twice_in0"])
    assert (graph.shape, graph.outputs) == (taken, ["twice_in0"])
    waveform = np.arange(16, dtype=np.float32).reshape([1 if size == 1 else 16 for size in taken])
    (doubled,) = graph.run(waveform, ["twice_in0"])
    assert np.array_equal(doubled, 2 * waveform)


@pytest.mark.parametrize(
    ("shapes", "kind", "found"),
    [
        ([[1, 128, 1024]], FLOAT, r"float32 \[1, 128, 1024\]"),
        ([[1, 16], [1]], FLOAT, r"float32 \[1, 16\], float32 \[1\]"),
        ([["batch", 1]], FLOAT, r"float32 \['batch', 1\]"),
        ([[1, 1]], FLOAT, r"float32 \[1, 1\]"),
        ([[1]], FLOAT, r"float32 \[1\]"),
        ([["n", 1, 1]], FLOAT, r"float32 \['n', 1, 1\]"),
        ([[2, "n", 1]], FLOAT, r"float32 \[2, 'n', 1\]"),
        ([["batch", "frames", 64]], FLOAT, r"float32 \['batch', 'frames', 64\]"),
        ([[1, "n", 2]], FLOAT, r"float32 \[1, 'n', 2\]"),
        ([[1, 1, "n", 1]], FLOAT, r"float32 \[1, 1, 'n', 1\]"),
        ([[1, 16]], INT, r"another type \[1, 16\]"),
        ([[]], FLOAT, r"float32 \[\]"),
    ],
)
def test_what_does_not_take_one_waveform_is_refused(shapes, kind, found, model):
    with pytest.raises(DataError, match=f"takes {found}; needed is one float32 waveform.*asdcore new-plugin"):
        open_graph(model(*shapes, kind=kind))


def test_a_model_with_its_state_as_an_input_is_refused_saying_so(model):
    with pytest.raises(DataError, match="State that a model takes and gives back as inputs is not kept here"):
        open_graph(model(["batch", 512], [2, "batch", 128]))


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
    with pytest.raises(DataError, match="neither TFLite nor an ONNX model that opens"):
        open_graph(path)


def test_a_damaged_tflite_file_is_refused(tmp_path):
    pytest.importorskip("ai_edge_litert", reason="TFLite models run on LiteRT")
    path = tmp_path / "model.tflite"
    path.write_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(64))
    with pytest.raises(DataError, match="not a TFLite model that LiteRT can open"):
        open_graph(path)


@pytest.fixture
def split(tmp_path):
    """A function that writes an ONNX model which multiplies by weights in another file, and returns its path."""
    onnx = pytest.importorskip("onnx", reason="the package onnx writes the models of these tests")
    pytest.importorskip("onnxruntime", reason="ONNX models run on onnxruntime")

    def write(name="split", gain=1.0, location="split.onnx.data", inside=False):
        from onnx import helper, numpy_helper

        weight = numpy_helper.from_array(gain * np.ones((16, 4), np.float32), "weight")
        given = helper.make_tensor_value_info("in0", FLOAT, [1, 16])
        out = helper.make_tensor_value_info("out", FLOAT, [1, 4])
        nodes = [helper.make_node("MatMul", ["in0", "weight"], ["out"])]
        if inside:  # a tensor may also be an attribute of a node
            nodes.insert(0, helper.make_node("Constant", [], ["weight"], value=weight))
        graph = helper.make_graph(nodes, "g", [given], [out], [] if inside else [weight])
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        path = tmp_path / name / "split.onnx"
        path.parent.mkdir(exist_ok=True)
        kept = {"save_as_external_data": True, "size_threshold": 0, "location": location, "convert_attribute": inside}
        onnx.save(made, path, **kept)
        return path

    return write


@pytest.mark.parametrize("inside", [False, True], ids=["initializer", "attribute"])
def test_weights_in_a_second_file_are_those_beside_the_model_whatever_the_working_directory(
    inside, split, tmp_path, monkeypatch
):
    path = split(gain=2.0, inside=inside)
    decoy = split("decoy", gain=3.0, inside=inside)
    monkeypatch.chdir(decoy.parent)
    (out,) = open_graph(path).run(np.ones((1, 16), np.float32), ["out"])
    assert np.array_equal(out, np.full((1, 4), 32.0))
    assert graph_files(path) == [path, path.with_name("split.onnx.data")]
    assert graph_files(path.parent) == graph_files(path)


def test_a_second_file_that_is_not_there_is_named_with_the_way_to_do_without(split):
    path = split()
    path.with_name("split.onnx.data").unlink()
    for ask in (open_graph, graph_files):
        with pytest.raises(DataError, match=r"split\.onnx\.data, which is not beside it.*external_data=False"):
            ask(path)


@pytest.mark.parametrize("location", ["../w.bin", "/tmp/w.bin", "sub/../../w.bin"])
def test_weights_outside_the_folder_of_the_model_are_refused(location, split):
    import onnx

    path = split()
    model = onnx.load(path, load_external_data=False)
    model.graph.initializer[0].external_data[0].value = location
    path.write_bytes(model.SerializeToString())
    with pytest.raises(DataError, match="they must lie in its own folder"):
        open_graph(path)


def test_a_file_that_names_no_other_is_a_model_by_itself(model, lite, tmp_path):
    path = model([16])
    assert graph_files(path) == [path]
    (tmp_path / "a.tflite").write_bytes(lite.tanh([1, 16]))
    assert graph_files(tmp_path / "a.tflite") == [tmp_path / "a.tflite"]
    (tmp_path / "a.txt").write_text("no model at all")
    assert graph_files(tmp_path / "a.txt") == [tmp_path / "a.txt"]


def test_a_folder_must_hold_one_model(model, tmp_path):
    with pytest.raises(DataError, match="must hold one model, .* it holds none"):
        open_graph(tmp_path)
    path = model([16])
    assert open_graph(tmp_path).shape == (16,)
    (tmp_path / "second.onnx").write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=r"it holds model\.onnx, second\.onnx"):
        open_graph(tmp_path)


@pytest.mark.parametrize("kind", ["svdf", "lstm"])
def test_a_reset_graph_has_heard_nothing(kind, lite, tmp_path):
    (tmp_path / "a.tflite").write_bytes(getattr(lite, kind)())
    graph = open_graph(tmp_path / "a.tflite")
    sound = np.random.default_rng(0).standard_normal([abs(size) for size in graph.shape]).astype(np.float32)
    (first,) = graph.run(sound, graph.outputs)
    (second,) = graph.run(sound, graph.outputs)
    graph.reset()
    (again,) = graph.run(sound, graph.outputs)
    assert not np.allclose(first, second)
    assert np.array_equal(first, again)


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
