#!/usr/bin/env bash
# The maximum of 3 numbers with one NaN: ONNX Runtime and LiteRT each return NaN for one position of the NaN only,
# not for the same one, and otherwise a number that need not be the maximum of the rest.
#
# Versions: onnxruntime 1.31.1, onnx 1.23.2, ai-edge-litert 2.3.0, numpy 2.4.6 (Python 3.11, CPU kernels).
# Expected: As numpy, torch and onnx's reference do it: NaN, wherever it stands. Or, as fmax: the largest number.
# Seen:     ReduceMax of ONNX Runtime is NaN only if NaN comes first. REDUCE_MAX of LiteRT is NaN only if NaN comes
#           last, and NaN in the middle makes it forget what it saw before: the maximum of 3, NaN, 1 is 1. A check
#           "the score is not NaN" after such a layer finds a broken input in one position out of three.
# Output:
#   input              onnx reference  ONNX Runtime  LiteRT
#   [nan, 3.0, 1.0]    nan             nan           3.0
#   [3.0, nan, 1.0]    nan             3.0           1.0
#   [3.0, 1.0, nan]    nan             3.0           nan
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check onnxruntime==1.31.1 onnx==1.23.2 ai-edge-litert==2.3.0 \
    flatbuffers==25.12.19 numpy==2.4.6 || exit 2
venv/bin/python - <<'PY' 2> log || { cat log; exit 1; }
import flatbuffers
import numpy as np
import onnxruntime
from ai_edge_litert import schema_py_generated as s
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator


def onnx_model():
    node = helper.make_node("ReduceMax", ["x"], ["y"], keepdims=0)
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in (("x", [3]), ("y", []))]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def lite_model():
    tensors = [s.TensorT() for _ in range(3)]  # the input, the axis, the output
    kinds = (s.TensorType.FLOAT32, s.TensorType.INT32, s.TensorType.FLOAT32)
    for k, (tensor, shape, kind) in enumerate(zip(tensors, ([1, 3], [1], [1]), kinds)):
        tensor.shape, tensor.type, tensor.buffer, tensor.name = shape, kind, int(k == 1), f"t{k}"
    empty, axis = s.BufferT(), s.BufferT()
    axis.data = np.frombuffer(np.array([1], np.int32).tobytes(), np.uint8)
    step, code = s.OperatorT(), s.OperatorCodeT()
    step.inputs, step.outputs, step.opcodeIndex = [0, 1], [2], 0
    step.builtinOptionsType, step.builtinOptions = s.BuiltinOptions.ReducerOptions, s.ReducerOptionsT()
    code.builtinCode = code.deprecatedBuiltinCode = s.BuiltinOperator.REDUCE_MAX
    code.version = 1
    graph, model = s.SubGraphT(), s.ModelT()
    graph.tensors, graph.inputs, graph.outputs, graph.operators = tensors, [0], [2], [step]
    model.version, model.subgraphs, model.operatorCodes, model.buffers = 3, [graph], [code], [empty, axis]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


reference = ReferenceEvaluator(onnx_model())
session = onnxruntime.InferenceSession(onnx_model().SerializeToString(), providers=["CPUExecutionProvider"])
lite = Interpreter(model_content=lite_model())
lite.allocate_tensors()
source, target = lite.get_input_details()[0]["index"], lite.get_output_details()[0]["index"]


def maxima(values):
    x = np.array(values, np.float32)
    lite.set_tensor(source, x[None])
    lite.invoke()
    return [float(y) for y in (reference.run(None, {"x": x})[0], session.run(None, {"x": x})[0],
                               lite.get_tensor(target)[0])]


nan = float("nan")
print("input              onnx reference  ONNX Runtime  LiteRT")
seen = []
for values in ([nan, 3.0, 1.0], [3.0, nan, 1.0], [3.0, 1.0, nan]):
    seen.append([str(y) for y in maxima(values)])
    print(f"{values!s:18} {seen[-1][0]:15} {seen[-1][1]:13} {seen[-1][2]}")
assert seen == [["nan", "nan", "3.0"], ["nan", "3.0", "1.0"], ["nan", "3.0", "nan"]]
assert maxima([2.0, 3.0, 1.0]) == [3.0, 3.0, 3.0]
PY
