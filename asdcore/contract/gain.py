"""What a recorder's gain does to an encoder's tokens, which the encoder says itself.

Where full scale lies depends on the recorder, on its gain and on how its files are scaled: the same machine in another
rig is the same sound times a factor. Optional, an attribute ``gain`` of what is built: what such a factor does to
tokens. :data:`GAINS` has the words. Without it, or if it is None, the tokens change in a way of their own, as those of
a network that was trained at certain levels do.

What follows for scores, if all recordings of a machine have the same gain, train normals and new ones: with "none"
nothing changes; with "offset" no Euclidean distance does, but the cosine; with "factor" no cosine does, and all
Euclidean distances by the same factor. Poolings that take means, maxima and deviations over time keep that. Digital
silence is an exception, as it is to every logarithm: nothing makes it louder.
"""

from __future__ import annotations

from typing import Any

GAINS = {
    "none": "nothing",
    "offset": "adds a constant",
    "factor": "multiplies",
}
"""What ``gain`` may say, and in words; "offset" adds the same to all values at one place of the last axis."""


def gain_of(encoder: Any) -> Any:
    """Return what an encoder says of gain, None if it says nothing.

    Examples
    --------
    >>> gain_of(asdcore.load_encoder("logmel")), gain_of(asdcore.load_encoder("logmel", log=False))
    ('offset', 'factor')
    >>> gain_of(asdcore.load_encoder("psd_shape"))
    'none'
    """
    return getattr(encoder, "gain", None)
