#!/usr/bin/env bash
# LiteRT rounds ties to even or away from zero, depending on which of its kernels run the same QUANTIZE operator.
#
# Versions: ai-edge-litert 2.3.0, numpy 2.4.6 (Python 3.11).
# Expected: The reference kernels (OpResolverType.BUILTIN_REF) are what the others are compared with: integers that
#           come straight from one float32 agree exactly.
# Seen:     0.5, 2.5, -0.5 and -2.5 at scale 1 become 1, 3, -1, -3 in the reference kernels and 0, 2, 0, -2 in those
#           that run by default (as in QuantizeLinear of ONNX). An int8 model may so be a step off its reference
#           in its very first operator, on inputs that lie halfway between two steps.
# Output:
#   floats                [0.5, 1.5, 2.5, -0.5, -1.5, -2.5]
#   AUTO                  [0, 2, 2, 0, -2, -2]
#   BUILTIN_REF           [1, 2, 3, -1, -2, -3]
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check ai-edge-litert==2.3.0 flatbuffers==25.12.19 numpy==2.4.6 \
    || exit 2
venv/bin/python - <<'PY' 2> log || { cat log; exit 1; }
import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as s
from ai_edge_litert.interpreter import Interpreter, OpResolverType

x = np.array([[0.5, 1.5, 2.5, -0.5, -1.5, -2.5]], np.float32)


def quantize_model():
    tensors = [s.TensorT(), s.TensorT()]
    for k, (tensor, kind) in enumerate(zip(tensors, (s.TensorType.FLOAT32, s.TensorType.INT8))):
        tensor.shape, tensor.type, tensor.buffer, tensor.name = list(x.shape), kind, 0, f"t{k}"
    scale = s.QuantizationParametersT()
    scale.scale, scale.zeroPoint = [1.0], [0]
    tensors[1].quantization = scale
    step, code = s.OperatorT(), s.OperatorCodeT()
    step.inputs, step.outputs, step.opcodeIndex = [0], [1], 0
    step.builtinOptionsType, step.builtinOptions = s.BuiltinOptions.QuantizeOptions, s.QuantizeOptionsT()
    code.builtinCode = code.deprecatedBuiltinCode = s.BuiltinOperator.QUANTIZE
    code.version = 1
    graph, model = s.SubGraphT(), s.ModelT()
    graph.tensors, graph.inputs, graph.outputs, graph.operators = tensors, [0], [1], [step]
    model.version, model.subgraphs, model.operatorCodes, model.buffers = 3, [graph], [code], [s.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


print(f"{'floats':21} {x[0].tolist()}")
seen = {}
for kernels in (OpResolverType.AUTO, OpResolverType.BUILTIN_REF):
    lite = Interpreter(model_content=quantize_model(), experimental_op_resolver_type=kernels)
    lite.allocate_tensors()
    lite.set_tensor(lite.get_input_details()[0]["index"], x)
    lite.invoke()
    seen[kernels.name] = lite.get_tensor(lite.get_output_details()[0]["index"])[0].tolist()
    print(f"{kernels.name:21} {seen[kernels.name]}")
assert seen == {"AUTO": [0, 2, 2, 0, -2, -2], "BUILTIN_REF": [1, 2, 3, -1, -2, -3]}
PY
