"""Divides what a branch says of a clip among bands and seconds, exactly: the parts add up to the branch's score.

It needs a scorer that is a sum over features, features of which each belongs to a band, and an encoder that knows the
frequencies of its bands (:mod:`asdcore.contract.additive`). Nothing is replaced, and no clip is scored again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.compute.encoding.built_encoders import built_encoder
from asdcore.compute.encoding.requests import Output, Request
from asdcore.contract.additive import BAND_HERTZ, is_additive
from asdcore.contract.plugins import chosen
from asdcore.data.features.pooled_bands import by_band
from asdcore.detector.baselines import Baselines
from asdcore.detector.feature_shares import FeatureShares
from asdcore.detector.parts import Parts
from asdcore.detector.verdict import Verdict
from asdcore.explanation.clip import HeardClip
from asdcore.explanation.sound_parts import Grid

Floats = NDArray[np.float64]

_NO_BANDS = "its encoder {} does not say at which frequencies its bands lie"


@dataclass(frozen=True)
class BandShares:
    """What each band adds to the score that the scorer of one branch gives a clip.

    Attributes
    ----------
    reference : str
        The train normals that count for this clip: "pooled", "source" or "target".
    hertz : ndarray of float64, shape (n_bands, 2)
        From which to which frequency each band reaches; neighbours may overlap.
    parts : ndarray of float64, shape (n_bands, n_times)
        The share of each band in each of n_times equal stretches of the clip; one, if the features are pooled over
        time. Together they are the score, but for rounding.
    usual : ndarray of float64, shape (n_bands, n_times), or None
        The mean of the same over train normals, each left out; None if that is unknown.

    Examples
    --------
    >>> hertz = np.array([[0.0, 200.0], [100.0, 400.0]])
    >>> shares = BandShares("pooled", hertz, parts=np.array([[0.25], [0.5]]), usual=np.array([[0.25], [0.125]]))
    >>> shares.score, shares.raised.tolist()
    (0.75, [[0.0], [0.375]])
    """

    reference: str
    hertz: Floats
    parts: Floats
    usual: Floats | None

    @property
    def score(self) -> float:
        """What the parts add up to."""
        return float(self.parts.sum())

    @property
    def raised(self) -> Floats:
        """What each part adds beyond the usual, (n_bands, n_times); the whole part if the usual is unknown."""
        return self.parts if self.usual is None else self.parts - self.usual

    def on(self, grid: Grid) -> BandShares:
        """Return the same for wider bands and stretches: a band goes where its middle lies, a time likewise."""
        middles = self.hertz.mean(axis=1)
        band = np.searchsorted(grid.hertz[1:-1], middles, side="right")
        n_times = self.parts.shape[1]
        times = 1 if n_times == 1 else grid.shape[1]
        time = (np.arange(n_times) + 0.5) / n_times * times

        def added(parts: Floats) -> Floats:
            sums = np.zeros((grid.shape[0], times))
            np.add.at(sums, (band[:, None], time.astype(int)[None, :]), parts)
            return sums

        edges = np.array(grid.hertz)
        hertz = np.stack([edges[:-1], edges[1:]], axis=1)
        usual = None if self.usual is None else added(self.usual)
        return BandShares(self.reference, hertz, added(self.parts), usual)

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON value."""
        rows = {"hertz": self.hertz, "parts": self.parts, "usual": self.usual}
        listed = {name: None if values is None else values.tolist() for name, values in rows.items()}
        return {"reference": self.reference, "score": self.score, **listed}


def band_shares(clip: HeardClip, verdict: Verdict) -> tuple[dict[str, BandShares], dict[str, str]]:
    """Divide what the branches of a verdict say of its clip among bands.

    Parameters
    ----------
    clip : HeardClip
        The clip, and the detector that gave the verdict.
    verdict : Verdict
        What it said.

    Returns
    -------
    shares : dict of str to BandShares
        Of the branches where it is possible.
    reasons : dict of str to str
        Of the others, why not.
    """
    parts, given = clip.detector.parts(verdict.machine, verdict.section), clip.feature_shares(verdict)
    shares, reasons = {}, {}
    for name in verdict.branches:
        if name not in given:
            reasons[name] = _why_not(parts, name)
            continue
        divided = _by_band(parts, name, given[name])
        if isinstance(divided, str):
            reasons[name] = divided
        else:
            shares[name] = divided
    return shares, reasons


def _why_not(parts: Parts, branch: str) -> str:
    """Return why the score of a branch was not divided among features."""
    if isinstance(parts.machine_data, Baselines):
        return "this machine is judged by several baselines"
    scorer = parts.plan.branches[branch].scorer.name
    if is_additive(parts.plugins.component("scorer", scorer).factory):
        return f"its scorer {scorer} has learnt from too many train normals for their distances"
    return f"its scorer {scorer} is no sum over features"


def _by_band(parts: Parts, branch: str, given: FeatureShares) -> BandShares | str:
    """Add up what lies in each band, or say why nobody knows."""
    recipe = parts.recipes[branch]
    if len(recipe) > 1:
        return "its features are those of several layers side by side"
    folders = {folder for folder, _ in recipe[0]}
    request, output = next(_asked(parts.requests, folders))
    registered, unknown = parts.plugins.component("encoder", request.encoder).factory, _NO_BANDS.format(request.encoder)
    if isinstance(registered, type) and not hasattr(registered, BAND_HERTZ):
        return unknown  # before a network is built for nothing
    with chosen(parts.plugins):
        encoder = built_encoder(request, None)
    if not hasattr(encoder, BAND_HERTZ):
        return unknown
    layer = encoder.layers[-1] if output.layer is None else output.layer
    hertz = np.asarray(encoder.band_hertz(layer), dtype=np.float64)
    sums = by_band(output.pooling, given.shares, len(hertz))
    if sums is None:
        return f"its pooling {output.pooling} keeps no bands apart"
    usual = None if given.usual is None else by_band(output.pooling, given.usual, len(hertz))
    return BandShares(given.reference, hertz, sums.T, None if usual is None else usual.T)


def _asked(requests: Iterable[Request], folders: set[Path]) -> Iterator[tuple[Request, Output]]:
    """Yield what is asked of encoders for these feature sets: of one branch all ask the same but for the view."""
    return ((request, output) for request in requests for output in request.outputs if output.folder in folders)
