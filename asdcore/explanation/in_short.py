"""Says in one line which band and which seconds of a clip stand out: exactly where it can, else by replacing parts.

It is for where no one waits for a picture, such as an alarm. What costs is that the clip is scored again, so whoever
asks says how often that may be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.detector.detector import Detector
from asdcore.detector.verdict import Verdict
from asdcore.explanation.band_shares import BandShares, band_shares
from asdcore.explanation.clip import HeardClip, clip_in_memory
from asdcore.explanation.explain import FUSED, scored_again
from asdcore.explanation.explanation import FLAT, Replacement
from asdcore.explanation.nearest import nearest_sound
from asdcore.explanation.sound_parts import Grid, ReplacedParts

Audio = NDArray[np.float32]
Span = tuple[float, float]

TIMES, BANDS = 10, 8
"""Into how many stretches of time and bands of frequency a clip is cut."""

EXACT_SCORES = 1
"""Hearing a clip once more, to divide its scores among bands, takes as long as scoring it."""


@dataclass(frozen=True)
class StandingOut:
    """What stands out in a clip.

    Attributes
    ----------
    exact : dict of str to ExactBand
        By branch: the band that adds most beyond what is usual, for branches that are sums over bands, the branch that
        adds most to the fused score first.
    band, seconds : tuple of float, or None
        The band (Hz) and the stretch (s) without which the fused score falls most; None if it falls without none, or
        there was no time to try.
    band_adds, seconds_add : float
        How far it falls.
    replaced_by : str or None
        What they were replaced by: "nearest normal" or "own background". None if nothing was.
    left_out : str
        Why some of this is missing; "" if nothing is.

    Examples
    --------
    >>> standing_out = StandingOut({"knn": ExactBand((2000.0, 4000.0), 64.0, 4.0)})
    >>> standing_out.sentences()
    ['2000-4000 Hz: 64 % of knn (usually 4 %)']
    """

    exact: dict[str, ExactBand]
    band: Span | None = None
    band_adds: float = 0.0
    seconds: Span | None = None
    seconds_add: float = 0.0
    replaced_by: Replacement | None = None
    left_out: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON value."""
        values: dict[str, Any] = {"exact": {name: band.as_json() for name, band in self.exact.items()}}
        if self.band:
            values["band"] = {"hertz": _rounded(self.band), "adds": round(self.band_adds, 6)}
        if self.seconds:
            values["seconds"] = {"from_to": _rounded(self.seconds), "adds": round(self.seconds_add, 6)}
        if self.replaced_by:
            values["replaced_by"] = self.replaced_by
        return {**values, **({"left_out": self.left_out} if self.left_out else {})}

    def sentences(self) -> list[str]:
        """Return it in words, a line each."""
        by_band: dict[Span, list[str]] = {}
        for name, band in self.exact.items():
            by_band.setdefault(band.hertz, []).append(band.part_of(name))
        lines = [f"{low:.0f}-{high:.0f} Hz: {', '.join(parts)}" for (low, high), parts in by_band.items()]
        falls = []
        if self.band:
            falls.append(f"without {self.band[0]:.0f}-{self.band[1]:.0f} Hz by {self.band_adds:.3g}")
        if self.seconds:
            falls.append(f"without {self.seconds[0]:.3g}-{self.seconds[1]:.3g} s by {self.seconds_add:.3g}")
        if falls:
            lines.append(f"The score falls {', '.join(falls)} (replaced by the {self.replaced_by})")
        return [*lines, *([self.left_out] if self.left_out else [])]


@dataclass(frozen=True)
class ExactBand:
    """A band (Hz), and which part of a branch's score it is, now and usually (None: unknown), in percent."""

    hertz: Span
    percent: float
    usual_percent: float | None

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON value."""
        usual = None if self.usual_percent is None else round(self.usual_percent, 2)
        return {"hertz": _rounded(self.hertz), "percent": round(self.percent, 2), "usual_percent": usual}

    def part_of(self, branch: str) -> str:
        """Return in words which part of the score of a branch it is."""
        usually = "" if self.usual_percent is None else f" (usually {self.usual_percent:.0f} %)"
        return f"{self.percent:.0f} % of {branch}{usually}"


def in_short(
    detector: Detector,
    audio: Audio,
    sample_rate: int,
    verdict: Verdict,
    *,
    data: Path | None = None,
    scores: float = np.inf,
) -> StandingOut:
    """Say which band and which seconds of a clip stand out.

    Parameters
    ----------
    detector : Detector
        Who gave the verdict.
    audio : ndarray of float32, shape (n_channels, n_samples)
        The clip.
    sample_rate : int
        Hz.
    verdict : Verdict
        What the detector said of the clip.
    data : Path, optional
        The folder of the train normals: as of :func:`asdcore.explain`.
    scores : float
        How many times the clip may be scored. With fewer than 19 nothing is replaced in time, with fewer than 9
        nothing at all.

    Raises
    ------
    DataError
        If the nearest train normal is not below ``data`` as it was frozen.
    """
    with clip_in_memory(detector, audio, sample_rate) as clip:
        return clip_in_short(clip, verdict, data=data, scores=scores)


def clip_in_short(
    clip: HeardClip, verdict: Verdict, *, data: Path | None = None, scores: float = np.inf
) -> StandingOut:
    """Do as :func:`in_short` for a clip of any length, in memory or not; parameters and errors as there."""
    if scores < EXACT_SCORES:
        return StandingOut({}, left_out="no time to hear the clip again")
    grid = Grid.of(clip.seconds, clip.sample_rate, times=TIMES, bands=BANDS)
    exact = _exact(clip, verdict, grid)
    left = scores - EXACT_SCORES
    if left < BANDS:
        needed = EXACT_SCORES + BANDS
        left_out = f"no time to replace bands: {needed} scores are needed, and there is time for {scores:.0f}"
        return StandingOut(exact, left_out=left_out)
    sha256 = clip.detector.known(verdict.machine, verdict.section).sha256
    with_times = left >= BANDS + TIMES
    nothing: tuple[None, float] = (None, 0.0)
    with ExitStack() as stack:
        other = None if data is None else stack.enter_context(nearest_sound(verdict, sha256, data, clip))
        again = scored_again(clip, ReplacedParts(clip.sound, clip.sample_rate, grid, other), verdict)
        band, band_adds = _largest_drop(verdict, again, grid, axis=0)
        seconds, seconds_add = _largest_drop(verdict, again, grid, axis=1) if with_times else nothing
    left_out = "" if with_times else "no time to replace stretches of time"
    replaced_by: Replacement = "own background" if other is None else "nearest normal"
    return StandingOut(exact, band, band_adds, seconds, seconds_add, replaced_by, left_out)


def _exact(clip: HeardClip, verdict: Verdict, grid: Grid) -> dict[str, ExactBand]:
    shares, _ = band_shares(clip, verdict)
    by_share = sorted(shares, key=lambda name: -verdict.branches[name].share)
    return {name: _largest_band(shares[name].on(grid)) for name in by_share}


def _largest_band(shares: BandShares) -> ExactBand:
    band, whole = int(shares.raised.sum(axis=1).argmax()), abs(shares.score) or 1.0
    low, high = shares.hertz[band].tolist()
    usual = None if shares.usual is None else 100 * float(shares.usual[band].sum()) / whole
    return ExactBand((low, high), 100 * float(shares.parts[band].sum()) / whole, usual)


def _largest_drop(
    verdict: Verdict, again: Callable[[NDArray[np.bool_]], Mapping[str, float]], grid: Grid, axis: int
) -> tuple[Span | None, float]:
    """Return the band (axis 0) or stretch (axis 1) without which the score falls most, and how far; None if none."""
    place = np.indices(grid.shape)[axis]
    drops = [verdict.score - again(place == i)[FUSED] for i in range(grid.shape[axis])]
    most = int(np.argmax(drops))
    if drops[most] <= FLAT * (abs(verdict.score - verdict.usual) or 1.0):
        return None, 0.0
    edges = (grid.hertz, grid.seconds)[axis]
    return (edges[most], edges[most + 1]), float(drops[most])


def _rounded(span: Span) -> list[float]:
    return [round(edge, 3) for edge in span]
