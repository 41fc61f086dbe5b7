"""Synthesizes machine sound in two channels: a set like those of DCASE Challenge Task 2 in 2026, made in seconds.

dataset    writes a set as a folder of DCASE 2026
profiles   which clips a set has, and their names
clip       one clip, from its name and the seed alone
recording  the conditions that all clips of one recording share
machine    the base of the machine types: well, and with each fault
rotating   machines that turn
cyclic     machines that work in strokes
probes     pseudo-faults: sounds of faults without the machine
signals    the signals that machine sound is made of
acoustics  from the machine to two microphones
draws      random generators that belong to an object

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
