"""Squared Mahalanobis distance from the train normals, d(x) = (x - m)' Sigma^-1 (x - m), with a shrunk covariance.

``covariance`` says whose covariance it is:

* ``reference``: each reference is one Gaussian of its own;
* ``selective``: source and target are Gaussians of their own, and ``pooled`` is the smaller of the two distances, as
  the baseline of the challenge chooses per clip (Harada, Niizumi, Ohishi, Takeuchi and Yasuda, EUSIPCO 2023,
  "First-shot anomaly sound detection for machine condition monitoring: a domain generalization baseline", eq. 6; theirs
  is on the residual of an autoencoder);
* ``tied``: source and target have means of their own and one covariance about them, as classes have in Lee, Lee, Lee
  and Shin (NeurIPS 2018), "A simple unified framework for detecting out-of-distribution samples and adversarial
  attacks", eqs. 1 and 2; ``pooled`` is the smaller distance. Ten target clips give a mean, and hardly a covariance.
  Their sum is over all clips: if only one of a domain is left, it is its own mean, and counts with a residual of 0.

Leave-one-out is exact and in closed form (:mod:`asdcore_plugins.stats.gaussians.gaussian`). Fitting takes a singular
value decomposition, n D min(n, D) operations, and leave-one-out n min(n, D); a score takes D min(n, D) a Gaussian.
Memory: D min(n, D) beside the bank, to leave clips out as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from asdcore import DOMAINS, REFERENCES, DataError, OnnxValue, Without
from asdcore_plugins.scorers.bases.references import members_of, too_few, too_few_left
from asdcore_plugins.scorers.bases.scorer import LeaveOutScorer
from asdcore_plugins.stats.arrays import Floats, Floats32, Indices
from asdcore_plugins.stats.features import flat, other_width
from asdcore_plugins.stats.gaussians.downdate import DowndatedGaussian
from asdcore_plugins.stats.gaussians.gaussian import BankGaussian, Gaussian, estimate
from asdcore_plugins.stats.learned import LEARNED, Learned
from asdcore_plugins.stats.onnx_formulas import written
from asdcore_plugins.stats.parameters import between, choice, reference_names

COVARIANCES = ("reference", "selective", "tied")
SHRINKAGES = ("ledoit_wolf", "oas")
FEWEST = 4
"""Train clips that a covariance needs: three must remain without one of them. Two have a shrinkage of exactly 0, and a
covariance without an inverse."""

FEWEST_OF_A_MEAN = 2
"""Train clips of a domain that a mean of its own needs: one must remain without the other."""


class Mahalanobis(LeaveOutScorer):
    """Squared distances to Gaussians; without unit.

    A reference whose covariance would rest on fewer than 4 train clips is left out.

    Parameters
    ----------
    references
        The references to score against: some of "pooled", "source", "target".
    covariance
        "reference", "selective" or "tied", as above.
    shrinkage
        "ledoit_wolf", "oas", or a number above 0 and below 1.

    Raises
    ------
    ValueError
        If ``shrinkage`` is unknown or not between 0 and 1, or another parameter is not allowed.

    References
    ----------
    N. Harada et al., EUSIPCO 2023, eq. 6, for "selective". K. Lee et al., NeurIPS 2018, eq. 1 and 2, for "tied".
    O. Ledoit and M. Wolf, J. Multivariate Analysis 88, 2004, and Y. Chen et al., IEEE Transactions on Signal
    Processing 58, 2010, for the shrinkage.

    Examples
    --------
    One step along the axis on which train normals vary most counts less than one step across:

    >>> import numpy as np
    >>> train = np.array([[-4.0, 0.0], [4.0, 0.0], [0.0, -1.0], [0.0, 1.0]], np.float32)
    >>> scorer = Mahalanobis(shrinkage=0.1).fit(train, np.full(4, "source"))
    >>> scorer.score(np.array([[1.0, 0.0], [0.0, 1.0]], np.float32))["pooled"].round(2).tolist()
    [0.13, 1.14]
    """

    name = "mahalanobis"

    _shape: Annotated[tuple[int, ...], "D"]
    _parts: Annotated[Mapping[str, _Part], LEARNED]

    def __init__(
        self,
        references: Sequence[str] = ("pooled",),
        covariance: str = "reference",
        shrinkage: str | float = "ledoit_wolf",
    ) -> None:
        self._references, self._covariance = reference_names(references), choice("covariance", covariance, COVARIANCES)
        if isinstance(shrinkage, str) and shrinkage not in SHRINKAGES:
            raise ValueError(f"shrinkage must be one of {', '.join(SHRINKAGES)}, or a number, got {shrinkage!r}")
        self._shrinkage = shrinkage if isinstance(shrinkage, str) else between("shrinkage", shrinkage, 0, 1)

    def _fit(self, features: Floats32, domain: NDArray[np.str_]) -> None:
        rows = flat(features).astype(np.float64, order="C")
        groupings = self._groupings(domain)
        if not groupings:
            most = max(map(len, members_of(domain, self._references).values()))
            raise too_few(self.name, FEWEST, self._references, most)
        self._banked = [
            _BankPart(names, estimate(_some(rows, members), group, self._shrinkage), members)
            for names, members, group in groupings
        ]
        self._rows, self._shape, self._parts = rows, rows.shape[1:], {part.names[0]: part for part in self._banked}

    def _score(self, features: Floats32) -> Mapping[str, Floats]:
        rows = flat(features).astype(np.float64)
        if rows.shape[1:] != self._shape:
            raise other_width(rows.shape[1], *self._shape)
        return self._by_reference([part.gaussian.distances(rows) for part in self._parts.values()])

    def feature_shares(self, features: Floats32) -> Mapping[str, Floats]:
        """(n_clips, ...) features -> {reference: the share of each feature}: at least 0, they add up to the score.

        A squared Mahalanobis distance is the squared length of S^(-1/2) (x - m), whose values are as near to those of
        x - m as uncorrelated ones can be; each square is the share of its feature (Garthwaite and Koch, "Evaluating the
        contributions of individual variables to a quadratic form", Aust. N. Z. J. Stat. 58, 2016, cos-max).
        """
        self._check_fitted()
        rows = flat(features).astype(np.float64)
        shares = {
            name: np.stack([part.gaussian.shares(row, group) for row in rows]).reshape(features.shape)
            for part in self._parts.values()
            for group, name in enumerate(part.names)
        }
        if self._covariance != "reference":
            nearest = np.argmin([shares[name].reshape(len(rows), -1).sum(axis=1) for name in shares], axis=0)
            every = np.stack(list(shares.values()))
            shares["pooled"] = every[nearest, np.arange(len(rows))]
        return {name: shares[name] for name in self._references if name in shares}

    def to_onnx(self, features: OnnxValue) -> Mapping[str, OnnxValue]:
        """Write the scorer: features (1, D) -> {reference: (1,)}."""
        self._check_fitted()
        scores = {
            name: part.gaussian.distance_to_onnx(features, group)
            for part in self._parts.values()
            for group, name in enumerate(part.names)
        }
        if self._covariance != "reference":
            scores["pooled"] = written(reduce, np.minimum, list(scores.values()))
        return {name: scores[name] for name in self._references if name in scores}

    def _named(self) -> Sequence[str]:
        return REFERENCES

    def macs(self, n_train: int, dim: int) -> int:
        """Return the multiply-accumulates to score one clip: its projection on the basis of each Gaussian."""
        count = len(self._references) if self._covariance == "reference" else len(DOMAINS)
        return count * min(n_train, dim) * dim

    def _score_left_out(self, without: Sequence[Indices] | None) -> Mapping[str, Floats]:
        if without is None:
            return self._by_reference([self._left_out(part) for part in self._banked])
        gone = Without(without, len(self._rows))
        return self._complete([self._left_out_without(part, gone) for part in self._banked])

    def _groupings(self, domain: NDArray[np.str_]) -> list[tuple[tuple[str, ...], Indices, Indices]]:
        """Return (names of the means, train clips, which mean each belongs to) of every Gaussian."""
        if self._covariance == "tied":
            names = tuple(name for name in DOMAINS if (domain == name).sum() >= FEWEST_OF_A_MEAN)
            members = np.flatnonzero(np.isin(domain, names))
            wanted = "pooled" in self._references or set(names) & set(self._references)
            group = np.array([names.index(str(name)) for name in domain[members]], np.intp)
            return [(names, members, group)] if wanted and len(members) >= FEWEST else []
        needed = DOMAINS if self._covariance == "selective" and "pooled" in self._references else self._references
        return [
            ((name,), members, np.zeros(len(members), np.intp))
            for name, members in members_of(domain, needed).items()
            if len(members) >= FEWEST
        ]

    def _left_out(self, part: _BankPart) -> Floats:
        """Score clips of the part without themselves, the others as they are: (n_train, means)."""
        scores = np.empty((len(self._rows), len(part.names)))
        others = np.setdiff1d(np.arange(len(self._rows)), part.members)
        scores[others] = part.gaussian.distances(self._rows[others])
        scores[part.members], lost = part.gaussian.distances_left_out()
        for i in np.flatnonzero(lost):
            rest = np.arange(len(part.members)) != i
            try:
                refitted = estimate(self._rows[part.members[rest]], part.gaussian.group[rest], self._shrinkage)
            except DataError as error:
                raise DataError(f"one train normal cannot be scored by the others: {error}") from error
            scores[part.members[i]] = refitted.distances(self._rows[part.members[[i]]])[0]
        return scores

    def _left_out_without(self, part: _BankPart, without: Without) -> Floats:
        """Score every clip without its set: (n_train, means); inf under a Gaussian with too few clips left."""
        place = np.full(len(self._rows), -1)
        place[part.members] = np.arange(len(part.members))
        sets, clips = _shared([place[gone] for gone in without.sets], without.of)
        enough = [i for i, gone in enumerate(sets) if len(part.members) - len(gone) >= FEWEST - 1]
        downdated = DowndatedGaussian(part.gaussian, self._rows)
        scores, lost = downdated.distances([sets[i] for i in enough], [clips[i] for i in enough])
        for i in (enough[j] for j in np.flatnonzero(lost)):
            scores[clips[i]] = self._refitted(part, sets[i], clips[i])
        return scores

    def _refitted(self, part: _BankPart, gone: Indices, clips: Indices) -> Floats:
        """Score clips (b,) by a Gaussian estimated without some of the part's clips: (b, means)."""
        rest = np.setdiff1d(np.arange(len(part.members)), gone)
        names, group = np.unique(part.gaussian.group[rest], return_inverse=True)
        scores = np.full((len(clips), len(part.names)), np.inf)
        try:
            refitted = estimate(self._rows[part.members[rest]], group, self._shrinkage)
        except DataError as error:
            raise DataError(f"train normal {clips[0]} cannot be scored by the others: {error}") from error
        scores[:, names] = refitted.distances(self._rows[clips])
        return scores

    def _complete(self, distances: list[Floats]) -> dict[str, Floats]:
        """Distances (n, means) of every Gaussian -> {reference: (n,)} of those that have one for every clip."""
        scores = {name: values for name, values in self._by_reference(distances).items() if np.isfinite(values).all()}
        if not scores:
            raise too_few_left("mahalanobis", FEWEST - 1, self._references)
        return scores

    def _by_reference(self, distances: list[Floats]) -> dict[str, Floats]:
        """Distances (n, means) of every Gaussian -> {reference: (n,)}."""
        scores = {
            name: np.ascontiguousarray(column)
            for part, columns in zip(self._parts.values(), distances, strict=True)
            for name, column in zip(part.names, columns.T, strict=True)
        }
        if self._covariance != "reference":
            scores["pooled"] = np.minimum.reduce(list(scores.values()))
        return {name: scores[name] for name in self._references if name in scores}


@dataclass(frozen=True)
class _Part(Learned):
    """One Gaussian, and the names of its means."""

    names: Annotated[tuple[str, ...], "groups"]
    gaussian: Annotated[Gaussian, LEARNED]


@dataclass(frozen=True)
class _BankPart(_Part):
    """The same with the train clips (n,) of the Gaussian, which tell what it is without each."""

    gaussian: Annotated[BankGaussian, LEARNED]
    members: Indices


def _some(rows: Floats, members: Indices) -> Floats:
    """Return some rows; all of them without a copy."""
    return rows if len(members) == len(rows) else rows[members]


def _shared(sets: list[Indices], of: Indices) -> tuple[list[Indices], list[Indices]]:
    """Sets of places (-1 for none), and the set of each clip (n,) -> those that differ, and the clips (m,) of each."""
    different: dict[bytes, tuple[int, Indices]] = {}
    numbers = []
    for places in sets:
        there = places[places >= 0]
        numbers.append(different.setdefault(there.tobytes(), (len(different), there))[0])
    which = np.array(numbers)[of]
    order = np.argsort(which, kind="stable")
    clips = np.split(order, np.searchsorted(which[order], np.arange(1, len(different))))
    return [there for _, there in different.values()], clips
