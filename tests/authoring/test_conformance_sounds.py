"""The sounds that components are checked with: the same for every check, whatever a component did to those before."""

from __future__ import annotations

import numpy as np

from asdcore.authoring.conformance.bench.sounds import hums, near_and_far


def test_a_component_that_writes_into_its_sounds_does_not_change_those_of_the_next_check():
    for sounds in (lambda: hums(3, 800, 8000, seed=1), lambda: near_and_far(3, 800, 8000, seed=1)):
        first = sounds()
        heard = first.copy()
        first *= 0
        assert sounds().tobytes() == heard.tobytes()


def test_another_seed_or_loudness_is_another_sound():
    sounds = [hums(1, 800, 8000, seed=1), hums(1, 800, 8000, seed=2), hums(1, 800, 8000, seed=1, loudness=0.05)]
    assert len({np.round(sound, 4).tobytes() for sound in sounds}) == 3
    assert max(np.abs(sound).max() for sound in sounds) <= 1
