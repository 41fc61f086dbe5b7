"""Networks, and what several encoders or views share. No plugin lives here.

front_ends   waveforms to spectra, mel bands and densities, before any network
checkpoints  files of trained networks, read without running them
running      how a network is run: layers, device, memory, windows
(here)       the networks themselves, one file each, and what writes them as ONNX
"""
