"""Computes official scores from arrays.

roc                AUC and pAUC of the clips of one machine and section
rules              which cells enter the official score of a year, and how they are averaged
metrics            the official scores of 2020-2026: arrays in, floats out
"""
