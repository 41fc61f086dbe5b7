"""Networks, and what several encoders or views share. No plugin lives here.

front_ends   waveforms to spectra, mel bands and densities, before any network
checkpoints  files of trained networks, read without running them
running      how a network is run: layers, device, memory, windows
as_onnx      front ends and networks as ONNX
(here)       the networks themselves, one file each
"""
