"""Divides the score of one clip by one branch among its features, if the branch's scorer is a sum over them.

What it usually is comes from the train normals, each as if it were new: without itself and the clips recorded beside
it. A band that always differs a little is told by that from one that differs today.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asdcore.compute.scoring.scoring import Rows, Without
from asdcore.contract.additive import DISTANCE_WEIGHTS, FEATURE_SHARES, ROUNDING
from asdcore.data.features.distance_shares import distance_shares
from asdcore.data.features.distances import distances
from asdcore.errors import PluginError

Floats = NDArray[np.float64]
Shares = dict[str, Floats]
"""{reference: the share (...) of every feature of one clip, in the shape of the features}."""

MOST_NORMALS = 50
"""Train normals whose shares say what is usual: more would move a mean by less than anybody sees."""


@dataclass(frozen=True)
class FeatureShares:
    """What each feature of a clip adds to the score that the scorer of a branch gives it.

    Attributes
    ----------
    reference : str
        The reference that counts for this clip: "pooled", "source" or "target".
    shares : ndarray of float64, shape of the features
        They add up to the score against that reference.
    usual : ndarray of float64, shape of the features, or None
        The mean of the same over train normals, each left out with the clips recorded beside it; None if the scorer
        compares no distances.
    """

    reference: str
    shares: Floats
    usual: Floats | None

    @property
    def score(self) -> float:
        """The score, but for its rounding."""
        return float(self.shares.sum())


class Bank(NamedTuple):
    """Train normals: their features (n_train, ...), and the distances (1, n_train) of a clip; inf leaves one out."""

    features: NDArray[np.float32]
    distances: Floats


def of_clip(scorer: Any, name: str, features: NDArray[np.float32], bank: Bank | None) -> Shares:
    """Divide what a fitted scorer says of one clip; empty if it is no sum over features.

    Parameters
    ----------
    scorer, name : object, str
        The scorer, and what it is called in messages.
    features : ndarray of float32, shape (1, ...)
        Of the clip.
    bank : Bank, optional
        The train normals that the scorer was fitted on, if it works with distances.

    Raises
    ------
    PluginError
        If the scorer's weights or shares have another shape.
    """
    if hasattr(scorer, DISTANCE_WEIGHTS) and bank is not None:
        given = scorer.distance_weights(bank.distances.copy())
        weights = _checked(given, bank.distances.shape, f"scorer {name!r}: {DISTANCE_WEIGHTS}")
        return {
            reference: _weighted(of_reference[0], features, bank.features, scorer.metric)
            for reference, of_reference in weights.items()
            if of_reference.any()
        }
    if hasattr(scorer, FEATURE_SHARES):
        given = scorer.feature_shares(features.copy())
        shares = _checked(given, features.shape, f"scorer {name!r}: {FEATURE_SHARES}")
        return {reference: of_reference[0] for reference, of_reference in shares.items()}
    return {}


def usual(
    scorer: Any, name: str, train: NDArray[np.float32], domain: NDArray[np.str_], rows: Rows, without: Without
) -> Shares:
    """Return the mean shares of train normals, each scored without the rows that its score must not rest on.

    ``domain`` (n_train,) and ``without`` are those of the train features (n_train, ...); ``rows`` those the scorer was
    fitted on. A reference of one domain gets the mean over that domain's clips. Empty without distances.
    """
    totals: dict[str, list[Floats]] = {}
    if not hasattr(scorer, DISTANCE_WEIGHTS):
        return {}
    for group in np.unique(domain):
        members = np.flatnonzero(domain == group)
        for row in members[np.unique(np.linspace(0, len(members) - 1, MOST_NORMALS).round().astype(int))]:
            clip = train[row : row + 1]
            to_all = distances(clip, train, scorer.metric)
            to_all[:, [row] if without is None else without[row]] = np.inf
            for reference, shares in of_clip(scorer, name, clip, Bank(train[rows], to_all[:, rows])).items():
                if reference in ("pooled", group):
                    totals.setdefault(reference, []).append(shares)
    return {reference: np.mean(shares, axis=0) for reference, shares in totals.items()}


def check_sum(shares: Shares, scores: Mapping[str, Floats], name: str) -> None:
    """Raise PluginError unless shares add up to the scores (1,) by reference."""
    for reference, of_reference in shares.items():
        score, total = scores[reference].item(), float(of_reference.sum())
        scale = max(abs(score), float(np.abs(of_reference).sum()))
        if abs(score - total) > ROUNDING * scale:
            raise PluginError(
                f"scorer {name!r} gives a clip the {reference} score {score:.9g}, and shares that add up to "
                f"{total:.9g}. 'asdcore check-plugin {name}' shows where they differ."
            )


def _weighted(weights: Floats, features: NDArray[np.float32], bank: NDArray[np.float32], metric: str) -> Floats:
    """Divide a weighted sum of distances; in the shape of the features of one clip."""
    counted = np.flatnonzero(weights)
    shares = distance_shares(features, bank[counted], metric)
    total: Floats = (weights[counted, None] * shares).sum(axis=0)
    return total.reshape(features.shape[1:])


def _checked(given: Mapping[str, Any], shape: tuple[int, ...], what: str) -> Shares:
    arrays = {reference: np.asarray(values, dtype=np.float64) for reference, values in given.items()}
    for reference, values in arrays.items():
        if values.shape != shape:
            raise PluginError(f"{what} gave {reference} an array {values.shape}; {shape} is needed")
    return arrays
