#!/usr/bin/env bash
# In a dynamically quantized network a quiet clip depends on the loudest clip of its batch, in ONNX Runtime and in torch; not in
# LiteRT.
#
# Versions: onnxruntime 1.31.1, onnx 1.23.2, torch 2.13.0 (CPU), ai-edge-litert 2.3.0, flatbuffers 25.12.19, numpy 2.4.6
#           (Python 3.11).
# Expected: Weights of 8 bits cost a clip about 1 %, the same in any batch: in inference a clip is a row of its own.
# Seen:     Dynamic quantization takes the scale of the activations from what it is given. ONNX Runtime (by
#           DynamicQuantizeLinear, as its specification says) and torch take one scale for the whole tensor, which is the
#           batch. Beside a clip that is 100 times louder half of a clip or more is error, and beside one 1000 times louder
#           nothing is left of it. LiteRT takes one scale for each row, and nothing changes. So the score of a clip changes
#           with the batch size, the order of the clips and a bang in a stranger, and a batch of one, in which a conversion
#           is tried, shows nothing. (ONNX Runtime's maintainers, asked, called it expected.)
# Output (error of one clip; digits vary with the processor):
#   loudness of the other clip   ONNX Runtime   torch   LiteRT
#   alone                               0.8 %   1.1 %    0.8 %
#   1                                   1.0 %   1.3 %    0.8 %
#   10                                  4.3 %  10.2 %    0.8 %
#   100                                42.1 % 108.5 %    0.8 %
#   1000                              100.0 % 100.0 %    0.8 %
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check onnxruntime==1.31.1 onnx==1.23.2 torch==2.13.0 \
    ai-edge-litert==2.3.0 flatbuffers==25.12.19 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY' 2> log || { cat log; exit 1; }
import logging
import warnings

import flatbuffers
import numpy as np
import onnxruntime
import torch
from ai_edge_litert import schema_py_generated as s
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper, numpy_helper, save
from onnxruntime.quantization import quantize_dynamic

logging.disable(logging.WARNING)
warnings.simplefilter("ignore", DeprecationWarning)
rng = np.random.default_rng(0)
weights = rng.standard_normal((32, 64)).astype(np.float32)


def by_onnxruntime():
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["clip", width]) for n, width in (("x", 64), ("y", 32))]
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], [numpy_helper.from_array(weights.T.copy(), "w")])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), "float.onnx")
    quantize_dynamic("float.onnx", "int8.onnx")
    session = onnxruntime.InferenceSession("int8.onnx", providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})[0]


def by_torch():
    layer = torch.nn.Linear(64, 32, bias=False)
    layer.weight.data = torch.from_numpy(weights)
    network = torch.ao.quantization.quantize_dynamic(torch.nn.Sequential(layer).eval(), {torch.nn.Linear})
    return lambda x: network(torch.from_numpy(x)).detach().numpy()


def lite_model(clips):
    tensors = [s.TensorT() for _ in range(4)]  # the clips, the weights, the bias, the output
    kinds = (s.TensorType.FLOAT32, s.TensorType.INT8, s.TensorType.FLOAT32, s.TensorType.FLOAT32)
    shapes = ([clips, 64], [32, 64], [32], [clips, 32])
    for k, (tensor, shape, kind) in enumerate(zip(tensors, shapes, kinds)):
        tensor.shape, tensor.type, tensor.buffer, tensor.name = shape, kind, k % 3, f"t{k}"
    step = float(np.abs(weights).max() / 127)
    scale = s.QuantizationParametersT()
    scale.scale, scale.zeroPoint = [step], [0]
    tensors[1].quantization = scale
    buffers = [s.BufferT() for _ in range(3)]
    buffers[1].data = np.frombuffer(np.round(weights / step).astype(np.int8).tobytes(), np.uint8)
    buffers[2].data = np.zeros(4 * 32, np.uint8)
    layer, code = s.OperatorT(), s.OperatorCodeT()
    layer.inputs, layer.outputs, layer.opcodeIndex = [0, 1, 2], [3], 0
    layer.builtinOptionsType = s.BuiltinOptions.FullyConnectedOptions
    layer.builtinOptions = s.FullyConnectedOptionsT()
    code.builtinCode = code.deprecatedBuiltinCode = s.BuiltinOperator.FULLY_CONNECTED
    code.version = 3
    graph, model = s.SubGraphT(), s.ModelT()
    graph.tensors, graph.inputs, graph.outputs, graph.operators = tensors, [0], [3], [layer]
    model.version, model.subgraphs, model.operatorCodes, model.buffers = 3, [graph], [code], buffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def by_litert(x):
    lite = Interpreter(model_content=lite_model(len(x)))
    lite.allocate_tensors()
    lite.set_tensor(lite.get_input_details()[0]["index"], x)
    lite.invoke()
    return lite.get_tensor(lite.get_output_details()[0]["index"]).copy()


networks = {"ONNX Runtime": by_onnxruntime(), "torch": by_torch(), "LiteRT": by_litert}
clip, stranger = rng.standard_normal((2, 1, 64)).astype(np.float32)
exact = (clip @ weights.T)[0]
print("loudness of the other clip   ONNX Runtime   torch   LiteRT")
seen = {}
for loudness in (0, 1, 10, 100, 1000):
    batch = np.concatenate([clip, np.float32(loudness) * stranger]) if loudness else clip
    seen[loudness] = [
        float(np.linalg.norm(network(batch)[0] - exact) / np.linalg.norm(exact)) for network in networks.values()
    ]
    of_onnx, of_torch, of_lite = (f"{100 * share:.1f} %" for share in seen[loudness])
    print(f"{str(loudness) if loudness else 'alone':29}{of_onnx:>12}{of_torch:>8}{of_lite:>9}")
assert max(seen[0]) < 0.03 and max(seen[1]) < 0.03
assert min(seen[10][:2]) > 0.03 and min(seen[100][:2]) > 0.25 and min(seen[1000][:2]) > 0.8
assert len({row[2] for row in seen.values()}) == 1
PY
