"""Bundled views: the channels of a recording -> the waveform that an encoder hears.

channels              picks, averages or subtracts channels
w1                    near, less what far predicts of it
spectral_subtraction  near, less the magnitude spectrum of far
wiener                a gain from how much louder near is
bases/                base classes
"""
