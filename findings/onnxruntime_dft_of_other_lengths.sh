#!/usr/bin/env bash
# The spectrum of a frame of 400 samples has a noise floor at -90 dB in ONNX Runtime, of 1 s at -57 dB; of 512 samples none.
#
# Versions: onnxruntime 1.31.1, onnx 1.23.2, scipy 1.17.1, numpy 2.4.6 (Python 3.11, CPU kernels).
# Expected: A Fourier transform in float32 is right to seven digits, 130 dB and more below its largest bin, for any length:
#           as numpy, scipy and the reference evaluator of onnx do it.
# Seen:     Only lengths that are powers of two are. For any other, DFT and STFT of ONNX Runtime go by chirps (Bluestein),
#           whose angles grow with the square of the length, and compute them in float32. The error grows with the length:
#           frames of 25 ms at 16 kHz, which speech models take, lose two or three digits; whole clips of 10 s, which some
#           detectors of anomalous sound take, lose all but two. A quiet tone beside a loud one is drowned, and logarithms of
#           empty bands are those of noise. In float64 the operators are right to ten digits at any length: a cast before and
#           one after repairs it. (Since release 1.15; reported then, as a step away from PyTorch's results.)
# Output (largest error in dB below the largest bin, of noise; varies a little with the processor):
#   samples   onnxruntime float32   scipy float32   onnxruntime float64
#       400                   -91            -139                  -266
#       512                  -126            -139                  -299
#      1000                   -83            -138                  -255
#      1024                  -124            -138                  -297
#     16000                   -56            -137                  -232
#    160000                   -37            -136                  -212
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check onnxruntime==1.31.1 onnx==1.23.2 scipy==1.17.1 numpy==2.4.6 \
    || exit 2
venv/bin/python - <<'PY'
import numpy as np
import onnxruntime
from onnx import helper
from scipy import fft


def spectrum(x):
    """Return the one-sided spectrum of a signal by ONNX Runtime, in the type of the signal."""
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    ends = [helper.make_tensor_value_info(n, kind, shape) for n, shape in (("x", [1, len(x), 1]), ("y", None))]
    node = helper.make_node("DFT", ["x"], ["y"], axis=1, onesided=1)
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    y = session.run(None, {"x": x[None, :, None]})[0][0].astype(np.float64)
    return y[:, 0] + 1j * y[:, 1]


def floor(found, exact):
    return 20 * np.log10(np.abs(found - exact).max() / np.abs(exact).max() + 1e-20)


print("samples   onnxruntime float32   scipy float32   onnxruntime float64")
seen = {}
for n in (400, 512, 1000, 1024, 16000, 160000):
    double = np.random.default_rng(0).standard_normal(n)
    single = double.astype(np.float32)
    exact = np.fft.rfft(single.astype(np.float64))
    seen[n] = floor(spectrum(single), exact)
    by_scipy, in_double = floor(fft.rfft(single), exact), floor(spectrum(double), np.fft.rfft(double))
    print(f"{n:7}{seen[n]:22.0f}{by_scipy:16.0f}{in_double:22.0f}")
    assert by_scipy < -125 and in_double < -180
assert seen[512] < -115 and seen[1024] < -115
assert seen[400] > -105 and seen[1000] > -95 and seen[16000] > -70 and seen[160000] > -50
PY
