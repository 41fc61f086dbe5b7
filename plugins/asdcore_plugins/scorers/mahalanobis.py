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

Leave-one-out is exact and in closed form (:mod:`asdcore_plugins.stats.gaussians.gaussian`). Fitting takes a singular
value decomposition, n D min(n, D) operations, and leave-one-out a product of that size; a score takes D min(n, D) a
Gaussian. Memory: D min(n, D).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError, Without, hookimpl
from asdcore_plugins.scorers.bases.references import too_few_left
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.gaussians.downdate import DowndatedGaussian
from asdcore_plugins.stats.gaussians.gaussian import Gaussian, estimate
from asdcore_plugins.stats.parameters import REFERENCES, between

DOMAINS = ("source", "target")
COVARIANCES = ("reference", "selective", "tied")
SHRINKAGES = ("ledoit_wolf", "oas")
FEWEST = 4
"""Train clips that a covariance needs: three must remain without one of them. Two have a shrinkage of exactly 0, and a
covariance without an inverse."""

FEWEST_OF_A_MEAN = 2
"""Train clips of a domain that a mean of its own needs: one must remain without the other."""


class Mahalanobis:
    """Distances to Gaussians; a reference whose covariance would rest on fewer than 4 train clips is left out.

    covariance : "reference" (the default), "selective" or "tied".
    shrinkage : "ledoit_wolf" (the default), "oas", or a number above 0 and below 1.
    references : (pooled).
    """

    def __init__(
        self,
        references: Sequence[str] = ("pooled",),
        covariance: str = "reference",
        shrinkage: str | float = "ledoit_wolf",
    ) -> None:
        if not references or set(references) - set(REFERENCES):
            raise ValueError(f"references must be some of {', '.join(REFERENCES)}, got {references!r}")
        if covariance not in COVARIANCES:
            raise ValueError(f"covariance must be one of {', '.join(COVARIANCES)}, got {covariance!r}")
        if isinstance(shrinkage, str) and shrinkage not in SHRINKAGES:
            raise ValueError(f"shrinkage must be one of {', '.join(SHRINKAGES)}, or a number, got {shrinkage!r}")
        self._references, self._covariance = tuple(references), covariance
        self._shrinkage = shrinkage if isinstance(shrinkage, str) else between("shrinkage", shrinkage, 0, 1)
        self._parts: list[_Part] = []

    def fit(self, features: NDArray[np.float32], domain: NDArray[np.str_]) -> Mahalanobis:
        """(n_train, ...) features and their domains; estimates the Gaussians."""
        self._parts, rows = [], _flatten(features)
        groupings = self._groupings(domain)
        if not groupings:
            raise DataError(
                f"mahalanobis needs at least {FEWEST} train normals in one of its references "
                f"{', '.join(self._references)}"
            )
        self._parts = [
            _Part(names, members, group, estimate(rows[members], group, self._shrinkage))
            for names, members, group in groupings
        ]
        self._rows = rows
        return self

    def score(self, features: NDArray[np.float32]) -> Mapping[str, Floats]:
        """(n_clips, ...) -> {reference: squared Mahalanobis distance (n_clips,)}."""
        parts, rows = self._fitted(), _flatten(features)
        if rows.shape[1] != self._rows.shape[1]:
            raise DataError(
                f"features of {rows.shape[1]} values a clip cannot be compared with train normals of "
                f"{self._rows.shape[1]}. Clips of different lengths need a pooling other than 'frames'."
            )
        return self._by_reference([part.gaussian.distances(rows) for part in parts])

    def macs(self, n_train: int, dim: int) -> int:
        """Multiply-accumulates to score one clip: its projection on the basis of each Gaussian, from each mean."""
        count = len(self._references) if self._covariance == "reference" else len(DOMAINS)
        return count * min(n_train, dim) * dim

    def score_left_out(self, without: Sequence[NDArray[np.intp]] | None = None) -> Mapping[str, Floats]:
        """Return {reference: (n_train,)} for the fitted clips, each under the Gaussians estimated without it.

        without : for each clip, the clips that its Gaussians must not rest on either. A reference with too few clips
            left for some clip is left out.
        """
        if without is None:
            return self._by_reference([self._left_out(part) for part in self._fitted()])
        gone = Without(without, len(self._rows))
        return self._complete([self._left_out_without(part, gone) for part in self._fitted()])

    def _groupings(self, domain: NDArray[np.str_]) -> list[tuple[tuple[str, ...], NDArray[np.intp], NDArray[np.intp]]]:
        """Return (names of the means, train clips, which mean each belongs to) of every Gaussian."""
        if self._covariance == "tied":
            names = tuple(name for name in DOMAINS if (domain == name).sum() >= FEWEST_OF_A_MEAN)
            members = np.flatnonzero(np.isin(domain, names))
            wanted = "pooled" in self._references or set(names) & set(self._references)
            group = np.array([names.index(str(one)) for one in domain[members]], np.intp)
            return [(names, members, group)] if wanted and len(members) >= FEWEST else []
        needed = DOMAINS if self._covariance == "selective" and "pooled" in self._references else self._references
        members_of = {name: np.flatnonzero((domain == name) | (name == "pooled")) for name in needed}
        return [
            ((name,), members, np.zeros(len(members), np.intp))
            for name, members in members_of.items()
            if len(members) >= FEWEST
        ]

    def _left_out(self, part: _Part) -> Floats:
        """(n_train, means): clips of the part without themselves, the others as they are."""
        scores = np.empty((len(self._rows), len(part.names)))
        others = np.setdiff1d(np.arange(len(self._rows)), part.members)
        scores[others] = part.gaussian.distances(self._rows[others])
        scores[part.members], lost = part.gaussian.distances_left_out()
        for i in np.flatnonzero(lost):
            rest = np.arange(len(part.members)) != i
            try:
                refitted = estimate(self._rows[part.members[rest]], part.group[rest], self._shrinkage)
            except DataError as error:
                raise DataError(f"one train normal cannot be scored by the others: {error}") from error
            scores[part.members[i]] = refitted.distances(self._rows[part.members[[i]]])[0]
        return scores

    def _left_out_without(self, part: _Part, without: Without) -> Floats:
        """(n_train, means): every clip without its set; inf under a Gaussian that has too few clips left for it."""
        place = np.full(len(self._rows), -1)
        place[part.members] = np.arange(len(part.members))
        sets, clips = _shared([place[some] for some in without.sets], without.of)
        few = [len(part.members) - len(some) < FEWEST - 1 for some in sets]
        enough = [i for i, lacks in enumerate(few) if not lacks]
        lacking = DowndatedGaussian(part.gaussian, self._rows)
        scores, lost = lacking.distances([sets[i] for i in enough], [clips[i] for i in enough])
        for some in (enough[i] for i in np.flatnonzero(lost)):
            scores[clips[some]] = self._refitted(part, sets[some], clips[some])
        return scores

    def _refitted(self, part: _Part, gone: NDArray[np.intp], clips: NDArray[np.intp]) -> Floats:
        """Score clips (b,) by a Gaussian estimated without some of the part's: (b, means)."""
        rest = np.setdiff1d(np.arange(len(part.members)), gone)
        names, group = np.unique(part.group[rest], return_inverse=True)
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
            for part, some in zip(self._parts, distances, strict=True)
            for name, column in zip(part.names, some.T, strict=True)
        }
        if self._covariance != "reference":
            scores["pooled"] = np.minimum.reduce(list(scores.values()))
        return {name: scores[name] for name in self._references if name in scores}

    def _fitted(self) -> list[_Part]:
        if not self._parts:
            raise DataError("this mahalanobis has no train normals yet: call fit(features, domain) first")
        return self._parts


@dataclass(frozen=True)
class _Part:
    """One Gaussian: the names of its means, its train clips, the mean that each belongs to."""

    names: tuple[str, ...]
    members: NDArray[np.intp]
    group: NDArray[np.intp]
    gaussian: Gaussian


def _shared(
    sets: list[NDArray[np.intp]], of: NDArray[np.intp]
) -> tuple[list[NDArray[np.intp]], list[NDArray[np.intp]]]:
    """Sets of places, -1 for none, and whose they are (n,) -> those that differ, and the clips (m,) of each."""
    different: dict[bytes, tuple[int, NDArray[np.intp]]] = {}
    numbers = []
    for some in sets:
        there = some[some >= 0]
        numbers.append(different.setdefault(there.tobytes(), (len(different), there))[0])
    which = np.array(numbers)[of]
    order = np.argsort(which, kind="stable")
    clips = np.split(order, np.searchsorted(which[order], np.arange(1, len(different))))
    return [there for _, there in different.values()], clips


def _flatten(features: NDArray[np.float32]) -> Floats:
    return features.reshape(len(features), math.prod(features.shape[1:])).astype(np.float64)


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``mahalanobis``."""
    register("mahalanobis", Mahalanobis)
