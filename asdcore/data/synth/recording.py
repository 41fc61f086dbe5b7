"""The conditions of a recording, which all clips cut from it share.

Real clips of DCASE Task 2 are cut from continuous recordings, in order: neighbours along the file index are
near-duplicates, and test clips come from other recordings. It is so here, too. A recording draws its conditions once:
the machine's trim and load, how its microphones colour the sound, and the ambience around them. A clip wanders a little
about them, and draws anew what changes from moment to moment. Scoring a train clip beside its neighbours therefore
flatters it, as on real machines; scoring it without its recording does not.

How far recordings lie apart was set by hand, once, with two figures in view. The first needs train clips alone: in the
real ToyCar train set of 2026 (1,000 clips of 10 s in 33 runs), the mean log-mel spectra of neighbours are 0.80 times as
far apart as those of any two clips. Here they are 0.81 times in the ``full`` profile, the mean of its machines:
neighbours against clips of other recordings with the same attribute value. The second needs test clips of this
synthetic set, never a real one: how many of its test normals lie above leave-one-out thresholds. So a rate of false
positives on this set is not independent evidence: the level was chosen with a view to it. Shorter clips are noisier,
which hides their recording a little. A run is as long as in the real set, too: about 30 clips. The smaller profiles
stand for every fifth clip of it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from asdcore.data.synth.draws import generator
from asdcore.data.synth.signals import SAMPLE_RATE, Samples

_APART, _WITHIN = 0.25, 0.2
"""Standard deviations of the conditions of recordings, and of a clip about its recording's."""
_LEVEL_DB, _SNR_DB = 0.5, 0.7
_RIPPLES = 6
_NUMBERS = 3 + 3 * _RIPPLES
_LOWEST_HZ, _OCTAVES = 50.0, 7.3


@dataclass(frozen=True)
class Recording:
    """The conditions of one recording. The defaults are those of a machine in no recording: nothing changes."""

    trim: float = 0.0
    """How far the machine runs off its setting: see ``Machine``."""
    level_db: float = 0.0
    """How much louder the machine is under its load."""
    snr_db: float = 0.0
    """How much less ambience there is."""
    colour_db: tuple[tuple[float, ...], ...] = ()
    """Ripples of the near and of the far microphone's response, in dB."""
    ambience_db: tuple[float, ...] = ()
    """Ripples of the ambience's spectrum, in dB."""

    def microphones(self, block: int) -> Samples | float:
        """Return the gain (2, block // 2 + 1) of either microphone at the frequencies of a block's spectrum."""
        return np.stack([_response(ripples, block) for ripples in self.colour_db]) if self.colour_db else 1.0

    def ambience(self, block: int) -> Samples | float:
        """Return the gain (block // 2 + 1,) of the ambience."""
        return _response(self.ambience_db, block) if self.ambience_db else 1.0


STILL = Recording()


def recording(seed: int, run: tuple[object, ...], clip: tuple[object, ...]) -> Recording:
    """Draw the conditions of a clip: those of its recording, and how far it has wandered off them."""
    shared, moment = (generator(seed, what, *name) for what, name in (("recording", run), ("moment", clip)))
    drawn = _APART * shared.standard_normal(_NUMBERS) + _WITHIN * moment.standard_normal(_NUMBERS)
    trim, level_db, snr_db = drawn[:3].tolist()
    near, far, ambience = drawn[3:].reshape(3, _RIPPLES).tolist()
    return Recording(trim, _LEVEL_DB * level_db, _SNR_DB * snr_db, (tuple(near), tuple(far)), tuple(ambience))


def _response(ripples: tuple[float, ...], block: int) -> Samples:
    """Return (block // 2 + 1,) amplitude: cosines over log frequency from 50 Hz to 8 kHz."""
    grid = np.linspace(0, 1, 65)
    curve = sum(size * np.cos(np.pi * (order + 1) * grid) for order, size in enumerate(ripples))
    gain: Samples = np.interp(_place(block), grid, 10 ** (curve / 20))
    return gain


@functools.lru_cache(maxsize=8)
def _place(block: int) -> Samples:
    """Return where the frequencies of a block's spectrum lie on the scale of ripples, from 0 to 1."""
    place: Samples = np.log2(np.maximum(np.fft.rfftfreq(block, 1 / SAMPLE_RATE) / _LOWEST_HZ, 1.0)) / _OCTAVES
    return place
