"""Synthesizes machine sound in two channels: a set like those of DCASE Challenge Task 2 in 2026, made in seconds.

Seven kinds of machine are modelled from their mechanics (shafts, gears, bearings, valves, rails), heard by a near and a
far microphone in a noisy room. Anomalies are mechanical faults; the target domain has other attribute values, another
room and more noise. The set behaves like real recordings in two ways: a nearest-neighbour detector does well on the
source domain and poorly on the target domain; and train clips next to each other along the index are cut from one
recording, so that a threshold from leave-one-out scores promises too much. It is made for demonstrations, tests and
teaching. Success on it proves nothing: never choose a default by it.

    synthesize(Path("data/synth"), profile="demo", seed=0, workers=2)

``synthesize_clip`` makes one clip as an array, ``clip_count`` counts the clips of a profile, ``PROFILES`` lists them.
"""

from __future__ import annotations

from asdcore.data.synth.clip import synthesize_clip
from asdcore.data.synth.dataset import synthesize
from asdcore.data.synth.profiles import PROFILES, clip_count

__all__ = ["PROFILES", "clip_count", "synthesize", "synthesize_clip"]
