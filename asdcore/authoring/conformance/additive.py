"""Checks of what explains a score exactly: shares of a scorer that add up, and an encoder's bands of frequency.

Optional; a component without them passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from asdcore.authoring.conformance.bench.driver import Rows, difference, require
from asdcore.authoring.conformance.kinds.encoder import EncoderBench
from asdcore.authoring.conformance.kinds.scorer import ScorerBench
from asdcore.authoring.conformance.shared_distances import distances_of
from asdcore.contract.additive import BAND_HERTZ, DISTANCE_WEIGHTS, FEATURE_SHARES, ROUNDING
from asdcore.contract.references import METRICS

GONE = 3
"""The train normal that is left out to see whether it still counts."""


def check_distances_are_weighted(bench: ScorerBench) -> None:
    """The weights that a scorer gives distances make its score of them, and none lies on a clip left out."""
    fitted = bench.fit(bench.build(), bench.inputs(bench.train()))
    if not hasattr(fitted, DISTANCE_WEIGHTS):
        return
    metric = getattr(fitted, "metric", None)
    why = "a clip's distances are divided among bands by these weights."
    require(metric in METRICS, f"{DISTANCE_WEIGHTS} without a metric, but {metric!r}.", why, "metric is missing.")
    train, rows = bench.inputs(bench.train()), bench.inputs(bench.rows(bench.size, seed=6))
    distances = distances_of(rows["features"], train["features"], str(metric))
    weights = _arrays(fitted.distance_weights(distances.copy()))
    _check_shapes(weights, distances.shape, DISTANCE_WEIGHTS)
    made = {name: (values * distances).sum(axis=1) for name, values in weights.items()}
    gap = difference(bench.call(fitted, rows), made, ROUNDING)
    require(not gap, f"Of the weighted distances, {gap}.", why, "weights of another metric, or of a root.")
    distances[:, GONE] = np.inf
    left = _arrays(fitted.distance_weights(distances))
    counted = [name for name, values in left.items() if values[:, GONE].any() or not np.isfinite(values).all()]
    observed = f"A train normal at the distance inf gets a weight other than 0 against {', '.join(counted)}."
    require(not counted, observed, "inf marks a train normal that is left out.", "inf * 0, or a fixed neighbour.")


def check_shares_add_up(bench: ScorerBench) -> None:
    """The shares that a scorer gives the features of a clip add up to its score."""
    fitted = bench.fit(bench.build(), bench.inputs(bench.train()))
    if not hasattr(fitted, FEATURE_SHARES):
        return
    rows = bench.inputs(bench.rows(bench.size, seed=6))
    shares = _arrays(fitted.feature_shares(rows["features"].copy()))
    _check_shapes(shares, rows["features"].shape, FEATURE_SHARES)
    made = {name: values.reshape(len(values), -1).sum(axis=1) for name, values in shares.items()}
    gap = difference(bench.call(fitted, rows), made, ROUNDING)
    require(not gap, f"Of the added shares, {gap}.", "a score is divided by them.", "a term that no feature has.")


def check_bands_have_frequencies(bench: EncoderBench) -> None:
    """Every band of every layer has its frequencies: as many as the tokens have bands, from low to high."""
    encoder = bench.ready()
    if not hasattr(encoder, BAND_HERTZ):
        return
    tokens = encoder.encode(bench.rows(1, seed=1)["audio"], list(encoder.layers))
    why = "what a band says of a clip is shown at its frequency."
    for layer in encoder.layers:
        edges, n_bands = np.asarray(encoder.band_hertz(layer), dtype=np.float64), tokens[layer].patches.shape[2]
        observed = f"{BAND_HERTZ} of layer {layer!r} has the shape {edges.shape}; the tokens have {n_bands} bands."
        require(edges.shape == (n_bands, 2), observed, why, "(low, high) is needed for each band.")
        rising = bool((edges[:, 0] < edges[:, 1]).all() and (np.diff(edges, axis=0) >= 0).all())
        within = bool(edges.min() >= 0 and edges.max() <= encoder.sample_rate / 2)
        observed = f"{BAND_HERTZ} of layer {layer!r} goes from {edges.min():g} to {edges.max():g} Hz."
        require(rising and within, observed, why, "bands that do not rise, or that lie beyond half the sample rate.")


SCORER_CHECKS = (check_distances_are_weighted, check_shares_add_up)
ENCODER_CHECKS = (check_bands_have_frequencies,)


def _arrays(given: Mapping[str, Any]) -> Rows:
    return {name: np.asarray(values) for name, values in dict(given).items()}


def _check_shapes(given: Rows, shape: tuple[int, ...], method: str) -> None:
    for name, values in given.items():
        good = values.shape == shape and values.dtype == np.float64
        observed = f"{method} gives {name} {values.shape} {values.dtype}, not {shape} float64."
        require(good, observed, "one number is needed for each.", "an axis that was summed.")
