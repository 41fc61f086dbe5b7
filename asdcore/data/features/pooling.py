"""Pools tokens into features: reduces time, and bands if asked, to one vector for each clip.

patches (time, band, dim) of one clip -> features float32. Every band is pooled over ``time`` for itself, in float64 and
one clip at a time, so that a clip's features do not depend on which others were encoded with it. Features are then
rounded once, to float32; those of an exact encoder to 16 bits (:mod:`asdcore.data.features.exact_features`).

Parameters: ``gamma`` of rdp and rdp_gem, ``p`` of gem and rdp_gem, ``r`` of gwrp, ``level`` of mean_std_level, and
``clean_up``, true or false, of all. Their defaults here serve any encoder. An encoder with other published values names
them itself (``pooling_defaults``, see :class:`asdcore.contract.interfaces.Encoder`).

Formulas: Wilkinghoff, Yadav, Tan, "Temporal pooling strategies for training-free anomalous sound detection with
self-supervised audio embeddings" (arXiv 2603.04605), Section III.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.basics.parse import is_number
from asdcore.data.features.exact_features import to_16_bits
from asdcore.errors import DataError, PortfolioError, did_you_mean

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
AnyFloats = NDArray[np.floating[Any]]

FLOOR, SPIKE = 0.1, 0.5
"""Values between these two pass the clean-up unchanged."""


def clean_up(patches: Floats) -> Floats:
    """Raise values below 0.1 to 0.1, and bend values above 0.5 by tanh, which bounds them by 1.5.

    EAT's embeddings need this clean-up before distances between them mean something (arXiv 2603.04605, Section IV-B and
    Table I). The paper describes it in words; that the two pieces meet at 0.5, with the same slope, is our reading.
    """
    raised = np.maximum(patches, FLOOR)
    return np.where(raised > SPIKE, SPIKE + np.tanh(raised - SPIKE), raised)


def mean(patches: Floats) -> Floats:
    """(time, band, dim) -> (band * dim,): the mean over time, bands kept. Eq. (1)."""
    return _weighted(patches, np.ones(patches.shape[:2]))


def mean_all(patches: Floats) -> Floats:
    """(time, band, dim) -> (dim,): the mean over time and bands."""
    return mean(patches.reshape(-1, 1, patches.shape[2]))


def maximum(patches: Floats) -> Floats:
    """(time, band, dim) -> (band * dim,): the maximum over time, bands kept."""
    largest: Floats = patches.max(axis=0).ravel()
    return largest


def mean_std(patches: Floats) -> Floats:
    """(time, band, dim) -> (2 * band * dim,): mean and population standard deviation over time, bands kept."""
    return np.concatenate([mean(patches), patches.std(axis=0).ravel()])


def mean_std_level(patches: Floats, level: float) -> Floats:
    """(time, band, dim) -> (2 * band * dim,): mean_std, with the clip's level counting ``level`` times as much.

    The level is the mean of the means of all bands. ``level`` = 1 is mean_std; with 0 a clip that is louder by as many
    dB in every band has the same features. A gain that all recordings share adds the same to all of them, so it changes
    no Euclidean distance. By the cosine of mean_std, too, levels count little, but how little hangs on the gain.
    """
    return with_level(mean_std(patches), patches.shape[1], level)


def with_level(features: Floats, n_bands: int, level: float) -> Floats:
    """Features of mean_std -> those of mean_std_level."""
    half = len(features) // 2
    means = features[:half].reshape(n_bands, -1)
    return np.concatenate([(means - (1.0 - level) * means.mean(axis=0)).ravel(), features[half:]])


def gwrp(patches: Floats, r: float) -> Floats:
    """(time, band, dim) -> (band * dim,): global weighted ranking pooling (Kolesnikov and Lampert, ECCV 2016).

    The t-th largest value over time has the weight r^t, t = 0, 1, ...: r = 1 is the mean, r = 0 the maximum.
    """
    weights = np.float64(r) ** np.arange(len(patches))
    return _weighted(np.sort(patches, axis=0)[::-1], np.repeat(weights[:, None], patches.shape[1], axis=1))


def gem(patches: Floats, p: float) -> Floats:
    """(time, band, dim) -> (band * dim,): generalized mean pooling (Radenovic, Tolias, Chum, TPAMI 2019), p = 3 there.

    (mean_t max(x_t, 0)^p)^(1/p): p = 1 is the mean after negative values became 0, and the larger p, the nearer the
    maximum.
    """
    return _weighted_gem(patches, np.ones(patches.shape[:2]), p)


def rdp(patches: Floats, gamma: float) -> Floats:
    """(time, band, dim) -> (band * dim,): relative deviation pooling, a mean weighted by how much a frame stands out.

    gamma = 0 is the mean, and the larger gamma, the more the frames count that lie far from it.
    """
    return _weighted(patches, deviation_weights(patches, gamma))


def rdp_gem(patches: Floats, gamma: float, p: float) -> Floats:
    """(time, band, dim) -> (band * dim,): the generalized mean of gem, with the weights of rdp."""
    return _weighted_gem(patches, deviation_weights(patches, gamma), p)


def frames(patches: Floats) -> Floats:
    """(time, band, dim) -> the same: no pooling."""
    return patches


def deviation_weights(patches: Floats, gamma: float) -> Floats:
    """(time, band, dim) -> (time, band): (1 + d_t / max d)^gamma, d_t the distance of frame t to its band's mean.

    They are relative to the largest, which is 1. If no frame stands out, all are 1.
    """
    distance = np.sqrt(np.square(patches - patches.mean(axis=0)).sum(axis=2))
    farthest = distance.max(axis=0)
    relative = 1.0 + np.divide(distance, farthest, out=np.zeros_like(distance), where=farthest > 0)
    weights: Floats = (relative / relative.max(axis=0)) ** gamma
    return weights


def _weighted(patches: Floats, weights: Floats) -> Floats:
    """(time, band, dim), (time, band) -> (band * dim,): the weighted mean over time."""
    # Products and sums, not a matrix product: that one rounds differently with the number of threads.
    total: Floats = (weights[..., None] * patches).sum(axis=0) / weights.sum(axis=0)[:, None]
    return total.ravel()


def _weighted_gem(patches: Floats, weights: Floats, p: float) -> Floats:
    """(time, band, dim), (time, band) -> (band * dim,): the weighted generalized mean over time."""
    positive = np.maximum(patches, 0.0)
    # Values relative to the largest cannot overflow when they are raised to p.
    largest = positive.max(axis=0)
    shares = np.divide(positive, largest, out=np.zeros_like(positive), where=largest > 0)
    pooled: Floats = largest.ravel() * _weighted(shares**p, weights) ** (1.0 / p)
    return pooled


@dataclass(frozen=True)
class Pooling:
    """A pooling, its parameters with their published defaults, and whether it takes special tokens, not patches."""

    function: Callable[..., Floats]
    defaults: Mapping[str, float] = field(default_factory=dict)
    special: bool = False


POOLINGS = {
    "cls": Pooling(mean, special=True),
    "frames": Pooling(frames),
    "gem": Pooling(gem, {"p": 3.0}),
    "gwrp": Pooling(gwrp, {"r": 0.7}),
    "max": Pooling(maximum),
    "mean": Pooling(mean),
    "mean_all": Pooling(mean_all),
    "mean_std": Pooling(mean_std),
    "mean_std_level": Pooling(mean_std_level, {"level": 0.25}),
    "rdp": Pooling(rdp, {"gamma": 10.0}),
    "rdp_gem": Pooling(rdp_gem, {"gamma": 9.0, "p": 3.0}),
}
"""Defaults of gwrp, rdp and rdp_gem: arXiv 2603.04605, Table III, column "All"; of gem: the p of its authors. That of
mean_std_level is what the cosine comes to at the levels of DCASE's recordings (manifests/default.md)."""

ALLOWED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "clean_up": ("true or false", lambda value: isinstance(value, bool)),
    "gamma": ("a number from 0 to 1000", lambda value: is_number(value) and 0 <= value <= 1000),
    "level": ("a number from 0 to 1", lambda value: is_number(value) and 0 <= value <= 1),
    "p": ("a number above 0, at most 1000", lambda value: is_number(value) and 0 < value <= 1000),
    "r": ("a number from 0 to 1", lambda value: is_number(value) and 0 <= value <= 1),
}


def complete(name: str, *given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all parameters of a pooling: its defaults, replaced by the given ones; later ones win.

    Raises PortfolioError for an unknown pooling or parameter, and for a value that is not allowed.
    """
    if name not in POOLINGS:
        raise PortfolioError(f"no pooling is named {name!r}. {did_you_mean(name, POOLINGS)}")
    parameters: dict[str, Any] = {"clean_up": False, **POOLINGS[name].defaults}
    for key, value in (item for values in given for item in values.items()):
        if key not in parameters:
            raise PortfolioError(f"pooling {name!r} takes no parameter {key!r}. {did_you_mean(key, parameters)}")
        what, is_allowed = ALLOWED[key]
        if not is_allowed(value):
            raise PortfolioError(f"pooling {name!r}: {key} must be {what}, got {value!r}.")
        # 16 and 16.0 are one parameter, with one digest.
        parameters[key] = value if isinstance(value, bool) else float(value)
    return parameters


def pool(
    name: str, patches: AnyFloats, special: AnyFloats | None = None, *, exact: bool = False, **parameters: Any
) -> Floats32:
    """Pool one clip's patches (time, band, dim), or with ``cls`` its special tokens (n_special, dim).

    They are float32 or float64. ``exact`` rounds the features to 16 bits.

    Raises DataError if the tokens are not finite, PortfolioError for a wrong name or parameter, or if special tokens
    are needed and missing.
    """
    return rounded(pooled(name, patches, special, **parameters), exact=exact)


def rounded(features: Floats, *, exact: bool) -> Floats32:
    """Round features once: to float32, or to 16 bits of all of them together."""
    return to_16_bits(features) if exact else features.astype(np.float32)


def pooled(name: str, patches: AnyFloats, special: AnyFloats | None = None, **parameters: Any) -> Floats:
    """Return what :func:`pool` rounds; the same is raised."""
    parameters = complete(name, parameters)
    tokens = _special_frames(special) if POOLINGS[name].special else patches
    if tokens.ndim != 3 or 0 in tokens.shape:
        raise DataError(
            f"An encoder gave patches of shape {tokens.shape}; (time, band, dim), none of them 0, is needed."
        )
    # An infinite token is refused even if a pooling would hide it, as the maximum hides minus infinity.
    if bad := int((~np.isfinite(tokens)).sum()):
        raise DataError(
            f"the encoder's tokens hold {bad} values that are not finite, so there are no features ({name})"
        )
    # The order in which numpy sums follows the memory layout; one layout, one result.
    values = np.array(tokens, dtype=np.float64, order="C")
    if parameters.pop("clean_up"):
        values = clean_up(values)
    features: Floats = POOLINGS[name].function(values, **parameters)
    return features


def _special_frames(special: AnyFloats | None) -> AnyFloats:
    """(n_special, dim) -> (n_special, 1, dim): special tokens as the frames of one band."""
    if special is None or not special.size:
        others = ", ".join(name for name, pooling in POOLINGS.items() if not pooling.special)
        raise PortfolioError(f"pooling 'cls' needs special tokens, and there are none. Choose one of {others}.")
    return special[:, None]
