"""A detector as one ONNX file: waveform in, score and decision out, for runtimes that have no Python.

resampling     one sample rate -> another, by the filter that soxr applies
poolings       tokens -> features, as asdcore.data.features.pooling
rounding       values on the grid of a run
branches       waveform -> z of every branch: views, encoders, scorers and normalizers by their ``to_onnx``
systems        z -> score: transforms, fusions, and guards by their ``to_onnx``
refused_clips  what the detector refuses to score, the file refuses too
refusals       what cannot be one file, whatever its parts
parity         the file and the detector score the same clips; how far they differ
write          all of it: export_onnx(detector, path)
"""
