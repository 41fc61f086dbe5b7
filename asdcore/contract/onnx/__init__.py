"""Writes formulas as ONNX, for the ``to_onnx`` of components.

onnx_graph      writes a formula as an ONNX graph
onnx_functions  functions of NumPy and SciPy as ONNX
onnx_quantiles  the normal quantile and angles as ONNX, in float64
"""
