"""Random generators that belong to an object: the same object draws the same numbers, whatever was drawn before.

Each object (a machine, a room, a clip's sound, a clip's noise) has a counter-based generator of its own, Philox
(Salmon et al., SC 2011), keyed by SHA-256 of the object's name. So a clip is the same whichever clips were made before
it, and in whichever process.
"""

from __future__ import annotations

import hashlib

import numpy as np


def generator(*name: object) -> np.random.Generator:
    """Return the generator of the object called ``a|b|c``: the same numbers for the same name, always."""
    digest = hashlib.sha256("|".join(map(str, name)).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
