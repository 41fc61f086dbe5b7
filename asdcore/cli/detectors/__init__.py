"""Commands that make a detector and use it.

detector  export, detect
onnx      the part of export that writes ONNX files
adapt     adapt: a detector learns that normal sound has changed
monitor   monitor
explain   explain: why a recording has its score
"""
