"""TFLite models small enough to be written by a test: flatbuffers of one operator."""

from __future__ import annotations

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema


def svdf(window=16, units=3, memory=4):
    """(1, window) -> (1, units) by an SVDF, which remembers the last ``memory`` windows."""
    made = _Model([1, window])
    draw = np.random.default_rng(0).standard_normal
    by_feature, by_time = made.constant(draw((units, window))), made.constant(draw((units, memory)))
    inputs = [0, by_feature, by_time, made.constant(np.zeros(units)), made.variable([1, memory * units])]
    options = schema.SVDFOptionsT()
    options.rank = 1
    return made.bytes("SVDF", inputs, [1, units], options)


def lstm(window=5, units=2):
    """(1, 1, window) -> (1, 1, units): a fused LSTM of one step, which remembers its state."""
    made = _Model([1, 1, window])
    draw = np.random.default_rng(1).standard_normal
    own = [made.constant(draw((units, window))) for _ in range(4)]
    recurrent = [made.constant(draw((units, units))) for _ in range(4)]
    bias = [made.constant(np.zeros(units)) for _ in range(4)]
    state = [made.variable([1, units]), made.variable([1, units])]
    options = schema.UnidirectionalSequenceLSTMOptionsT()
    options.fusedActivationFunction = schema.ActivationFunctionType.TANH
    inputs = [0, *own, *recurrent, -1, -1, -1, *bias, -1, -1, *state, -1, -1, -1, -1]
    return made.bytes("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [1, 1, units], options)


def tanh(shape, signature=None):
    """Any shape -> the same: the hyperbolic tangent, which remembers nothing."""
    return _Model(shape, signature).bytes("TANH", [0], shape, None, signature)


def random_noise(window=16):
    """(1, window) is not looked at -> (1, window) drawn anew each time."""
    made = _Model([1, window])
    shape = made.constant(np.array([1, window]), np.int32)
    return made.bytes("RANDOM_STANDARD_NORMAL", [shape], [1, window], schema.RandomOptionsT())


class _Model:
    def __init__(self, shape, signature=None):
        self._buffers, self._tensors = [schema.BufferT()], []
        self._tensor(shape, 0, signature=signature)

    def _tensor(self, shape, buffer, kind=np.float32, variable=False, signature=None):
        tensor = schema.TensorT()
        tensor.shape, tensor.buffer, tensor.isVariable = list(shape), buffer, variable
        tensor.type = schema.TensorType.INT32 if kind is np.int32 else schema.TensorType.FLOAT32
        tensor.name = f"tensor{len(self._tensors)}"
        tensor.shapeSignature = signature
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def constant(self, values, kind=np.float32):
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values, kind).tobytes(), np.uint8)
        self._buffers.append(buffer)
        return self._tensor(values.shape, len(self._buffers) - 1, kind)

    def variable(self, shape):
        return self._tensor(shape, 0, variable=True)

    def bytes(self, operator, inputs, shape, options, signature=None):
        output = self._tensor(shape, 0, signature=signature)
        step, code = schema.OperatorT(), schema.OperatorCodeT()
        step.inputs, step.outputs, step.opcodeIndex = inputs, [output], 0
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            step.builtinOptionsType, step.builtinOptions = getattr(schema.BuiltinOptions, kind), options
        code.builtinCode = getattr(schema.BuiltinOperator, operator)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 1
        graph, model = schema.SubGraphT(), schema.ModelT()
        graph.tensors, graph.inputs, graph.outputs, graph.operators = self._tensors, [0], [output], [step]
        model.version, model.subgraphs, model.operatorCodes, model.buffers = 3, [graph], [code], self._buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
