"""Readers of the files that loggers write: what soundfile reads is not read here.

A file of a logger holds named channels, each with a sample rate and a unit, or without: nothing is guessed. One module
for each format, on the library that is kept for it; :mod:`~asdcore.data.formats.by_ending` chooses it.
"""
