"""What is said of the score of one clip: what it is made of, and which parts of the sound raised it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from asdcore.detector.verdict import Verdict
from asdcore.explanation.band_shares import BandShares
from asdcore.explanation.sound_parts import Grid

Replacement = Literal["nearest normal", "own background"]
"""What a part of the clip was replaced by."""

FLAT = 1e-6
"""A change of less than this share of the score's distance from the usual one is none: scores are rounded."""


@dataclass(frozen=True)
class Raised:
    """By how much parts of a clip raise a score: the score less that of the clip with the part replaced.

    Attributes
    ----------
    parts : ndarray of float64, shape (n_bands, n_times)
        Each part alone.
    bands : ndarray of float64, shape (n_bands,)
        A band over the whole clip.
    times : ndarray of float64, shape (n_times,)
        All bands of some seconds.
    everything : float
        All parts at once. Parts need not add up to it: two of them may each suffice for an alarm.
    """

    parts: NDArray[np.float64]
    bands: NDArray[np.float64]
    times: NDArray[np.float64]
    everything: float

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON value."""
        arrays = {"parts": self.parts, "bands": self.bands, "times": self.times}
        return {**{name: values.tolist() for name, values in arrays.items()}, "everything": self.everything}


@dataclass(frozen=True)
class Explanation:
    """Why a clip has its score.

    Attributes
    ----------
    verdict : Verdict
        Score, p-value, threshold, decision, what every branch and guard adds to the score, and the nearest train
        normals.
    n_normals, n_as_high : int
        How many train normals there are, and how many of them score at least as high.
    grid : Grid
        The edges of the parts, in seconds and Hz.
    replaced_by : str
        "nearest normal" or "own background".
    raised : Raised
        By how much each part raises the score of the system.
    branches : dict of str to Raised
        By how much each part raises z of each branch: a fused score may be saturated where a branch is not.
    exact : dict of str to BandShares
        What each band adds to the score of a branch, for those that are sums over bands: exactly, and without replacing
        anything.
    not_exact : dict of str to str
        Of the other branches, why not.

    Examples
    --------
    >>> manifest = asdcore.freeze("runs/first", "first.json")
    >>> detector = asdcore.load_detector(asdcore.export("first.json", "first.asd"))
    >>> noise = np.random.default_rng(0).normal(scale=0.1, size=(2, 16000)).astype(np.float32)
    >>> why = asdcore.explain(detector, noise, 16000, "SynFan", times=2, bands=2)
    >>> why.replaced_by, list(why.branches), list(why.exact)
    ('own background', ['near_knn'], ['near_knn'])
    """

    verdict: Verdict
    n_normals: int
    n_as_high: int
    grid: Grid
    replaced_by: Replacement
    raised: Raised
    branches: dict[str, Raised]
    exact: dict[str, BandShares]
    not_exact: dict[str, str]

    @property
    def one_in(self) -> float:
        """N of "1 in N normals scores as high": one over the p-value."""
        return 1.0 / self.verdict.p_value

    @property
    def is_flat(self) -> bool:
        """Whether replacing any part or all of them leaves the score as it is."""
        raised = self.raised
        largest = max(np.abs(raised.parts).max(), np.abs(raised.bands).max(), np.abs(raised.times).max())
        scale = abs(self.verdict.score - self.verdict.usual) or 1.0
        return bool(max(largest, abs(raised.everything)) <= FLAT * scale)

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON value."""
        return {
            **self.verdict.as_json(),
            "exact": {name: shares.as_json() for name, shares in self.exact.items()},
            "not_exact": self.not_exact,
            "normals": {"count": self.n_normals, "as_high": self.n_as_high, "one_in": self.one_in},
            "sound": {
                "replaced_by": self.replaced_by,
                **asdict(self.grid),
                **self.raised.as_json(),
                "branches": {name: raised.as_json() for name, raised in self.branches.items()},
            },
        }
