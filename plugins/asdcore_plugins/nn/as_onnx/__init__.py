"""Writes front ends and networks as ONNX: the same numbers as the modules of the same names give."""
