"""What features that are the same on every processor cost: an encoder in float64, beside the same in float32."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from statistics import median

from embedding import MN04, beats_of_full_size
from figures import cpu_seconds, show

ROUNDS = 3
"""The median of so many ratios counts, each of the two encoders one right after the other."""

DEARER = 3.0
"""CPU time of an exact encoder over that of the plain one, at most."""


def exact() -> list[bool]:
    """``exact = true`` takes at most three times the CPU time: front end and network, on one thread.

    BEATs of full size with random weights, a transformer; and the small mn04, all convolutions, where its weights are
    at hand.
    """
    kept = []
    with tempfile.TemporaryDirectory() as folder:
        kept.append(_exact("BEATs", "beats", beats_of_full_size(Path(folder)), clips=1))
    if MN04.is_file():
        kept.append(_exact("mn04", "efficientat", MN04, clips=8))
    return kept


def _exact(what: str, name: str, checkpoint: Path, clips: int) -> bool:
    """Show the ratio for one encoder; returns whether the promise is kept."""
    import numpy as np

    import asdcore
    from asdcore.compute.threads import single_threaded

    plain, dear = (asdcore.load_encoder(name, checkpoint=str(checkpoint), exact=exact) for exact in (False, True))
    audio = 0.05 * np.random.default_rng(0).standard_normal((clips, 10 * plain.sample_rate), dtype=np.float32)
    with single_threaded():
        for encoder in (plain, dear):
            encoder.encode(audio[:1], encoder.layers[-1:])
        works = [partial(encoder.encode, audio, encoder.layers[-1:]) for encoder in (plain, dear)]
        rounds = [[cpu_seconds(work) for work in works] for _ in range(ROUNDS)]
    return show(f"{what}: exact over plain, CPU", median(ours / theirs for theirs, ours in rounds), DEARER, "times")
