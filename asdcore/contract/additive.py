"""Scores that are sums over features: what a scorer and an encoder offer, so that shares are exact.

A clip's score can be divided among frequency bands if it is a sum over features and each feature belongs to a band.
Then nothing has to be tried out: the parts add up to the score. Both sides are optional methods.

A scorer has one of two, asked after ``fit``, ``fit_distances`` or ``restore``:

* ``distance_weights(distances) -> {reference: (n_clips, n_train) float64}``, for a scorer whose score is a weighted sum
  of distances to train normals: which weight each one has. ``distances`` are as for ``score_distances``, in its
  ``metric``; inf marks a train normal that is left out, which gets the weight 0. The weighted sum is what ``score``
  gives. The framework divides each distance among the features
  (:func:`asdcore.data.features.distance_shares.distance_shares`).
* ``feature_shares(features) -> {reference: (n_clips, ...) float64}``, for any other sum over features: the share of
  each feature, in the shape of ``features``. Over all features of a clip they add up to what ``score`` gives.

An encoder has ``band_hertz(layer) -> sequence of (low, high)``: from which to which frequency (Hz) each band of that
layer's tokens reaches, in the order of the bands. It does not depend on what the encoder has heard. An encoder whose
bands are no bands of frequency has no such method.
"""

from __future__ import annotations

from typing import Any

DISTANCE_WEIGHTS, FEATURE_SHARES, BAND_HERTZ = "distance_weights", "feature_shares", "band_hertz"

ROUNDING = 1e-6
"""The largest part of a score by which its shares may miss it."""


def is_additive(scorer: Any) -> bool:
    """Whether a scorer, or what is registered in its place, divides its score among features."""
    return hasattr(scorer, DISTANCE_WEIGHTS) or hasattr(scorer, FEATURE_SHARES)
