"""Bundled guards: each takes back part of a high score that other evidence does not support.

tail                  high scores need the support of another branch
target_proximity      the same, for clips close to the target domain alone
channel_disagreement  high scores need channels that agree
tail_calibration      tails of all machines on one scale
bases/                base classes
"""
