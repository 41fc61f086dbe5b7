"""A recorder's gain: encoders say what it does to their tokens, networks that say nothing hear it, views pass it on."""

from __future__ import annotations

import numpy as np
import pytest

import asdcore
from asdcore.authoring.conformance.bench.sounds import hums, near_and_far
from asdcore.authoring.conformance.gain import LEFT, largest_left
from asdcore.contract.gain import GAINS, gain_of
from asdcore.contract.plugins import Plugins, installed

NETWORKS = ("audiomae", "beats", "ced_audio", "dasheng", "eat", "echo", "fisher", "passt")


def test_every_bundled_encoder_without_weights_says_what_a_gain_does():
    """That each says the truth is one of its conformance checks."""
    bundled = [one for one in installed().components("encoder").values() if one.distribution == "asdcore"]
    said = {one.name: gain_of(asdcore.load_encoder(one.name)) for one in bundled if not Plugins.needed(one)}
    assert said == {
        "coherence": "none",
        "logmel": "offset",
        "melspec": "factor",
        "modulation": "none",
        "psd_shape": "none",
        "stereo_logmel": "offset",
    }
    assert gain_of(asdcore.load_encoder("logmel", log=False)) == "factor"
    assert gain_of(asdcore.load_encoder("melspec", log=True)) == "offset"


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_that_says_nothing_hears_a_gain_in_a_way_of_its_own(name, golden_parameters):
    encoder = asdcore.load_encoder(name, **golden_parameters(name))
    assert gain_of(encoder) is None
    audio, layer = hums(2, encoder.sample_rate, encoder.sample_rate, seed=0), encoder.layers[-1]
    loud, soft = (encoder.encode(audio * np.float32(by), [layer])[layer].patches.astype(float) for by in (1.0, 0.5))
    assert min(largest_left(said, loud, soft) for said in GAINS) > 10 * LEFT


@pytest.mark.parametrize("name", sorted(installed().components("view")))
def test_a_view_of_a_softer_recording_is_the_softer_view(name):
    view, audio = asdcore.load_view(name), near_and_far(1, 32000, 16000, seed=0)[0]
    softer = view(audio * np.float32(0.25), 16000)
    np.testing.assert_allclose(softer, 0.25 * view(audio, 16000), atol=1e-6 * np.abs(audio).max())
