"""Writes front ends and networks as ONNX: the same numbers as the modules of the same names give.

front_ends     log-mel and log-magnitude spectrograms
spectra        frames and short-time spectra
cross_spectra  what two channels have in common
stft           short-time spectra and the way back
layers         fully connected networks, in float64
network        the network of an encoder on torch
"""
