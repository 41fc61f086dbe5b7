"""Checks of what a scorer does with ``without``: the clips that the score of a train normal must not rest on.

A scorer whose ``score_left_out`` does not take it passes: the framework scores its train normals in folds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.authoring.conformance.bench.driver import Rows, difference, require, take
from asdcore.authoring.conformance.kinds.scorer import ScorerBench
from asdcore.authoring.conformance.left_out import RTOL, SAMPLED
from asdcore.authoring.conformance.shared_distances import PARTS, distances_of
from asdcore.contract.left_out_clips import Without, takes_without

REACH = 6
"""Places in the order of ``fit`` up to which clips of one domain are neighbours."""

RUN = 4
"""Clips of a recording, for the first half of the train normals."""

Sets = list[NDArray[np.intp]]


def left_out_of(domain: NDArray[np.str_]) -> Sets:
    """For each train clip those it must not rest on: one object a recording, itself among them, or its neighbours."""
    n = len(domain)
    recordings = [np.arange(start, min(start + RUN, n)) for start in range(0, n, RUN)]
    sets = []
    for i in range(n):
        if i < n // 2:
            sets.append(recordings[i // RUN])
            continue
        near = np.arange(max(0, i - REACH), min(n, i + REACH + 1))
        sets.append(near[(domain[near] == domain[i]) & (near != i)])
    return sets


def check_without_is_taken_as_a_whole(bench: ScorerBench) -> None:
    """What ``fit`` takes, ``fit_distances`` and ``score_left_out`` take too."""
    scorer = bench.build()
    takes = {name: takes_without(getattr(scorer, name)) for name in METHODS if hasattr(scorer, name)}
    whole = takes.get("score_left_out", False) or not any(takes.values())
    whole = whole and takes.get("fit_distances", takes["fit"]) == takes["fit"]
    observed = f"of {', '.join(takes)}, 'without' is taken by {', '.join(name for name in takes if takes[name])}."
    why = "the framework gives it to each of them, or scores train normals in folds."
    require(whole, observed, why, "the parameter was forgotten, or has another name.")


def check_left_out_without_matches_refit(bench: ScorerBench) -> None:
    """A train clip's score without some clips is its score by a scorer fitted without them, for every reference."""
    scores = _scores(bench, by_distances=False)
    if scores is None:
        return
    train = bench.train()
    without = left_out_of(train["domain"])
    gone = Without(without, len(without))
    refits = {place: _refit(bench, train, gone, place) for place in SAMPLED}
    names = sorted(set.intersection(*(set(refit) for refit in refits.values())))
    observed = f"score_left_out with 'without' gave {sorted(scores)}; scorers fitted without those clips give {names}."
    require(set(scores) >= set(names), observed, WHY, "a reference was forgotten.")
    for place, refit in refits.items():
        for name in names:
            mine, right = float(scores[name][place]), float(refit[name][0])
            observed = (
                f"Without {gone.mask(np.array([place])).sum()} clips, the {name} score of train clip {place} "
                f"({train['domain'][place]}) is {mine:.9g}; a scorer fitted without them gives {right:.9g}."
            )
            cause = "'without' is ignored, or clips of it still take part: as neighbours, in a mean, or in a density."
            scale = float(np.median(np.abs(scores[name])))
            require(abs(mine - right) <= RTOL * max(abs(right), scale), observed, WHY, cause)


def check_distances_agree_without_clips(bench: ScorerBench) -> None:
    """Fitted on distances, a scorer leaves out what it leaves out when it is fitted on features."""
    scores = _scores(bench, by_distances=False)
    if scores is None or not all(hasattr(bench.build(), name) for name in PARTS):
        return
    gap = difference(scores, _scores(bench, by_distances=True) or {}, bench.rtol)
    why = "the framework takes either way, by how many train normals there are."
    require(not gap, f"Without some clips, fitted on distances, {gap}.", why, "one of the ways ignores 'without'.")


METHODS = ("fit", "fit_distances", "score_left_out")
WHY = "neighbouring clips are near-duplicates: a score that rests on them promises what no new clip keeps."
CHECKS = (
    check_without_is_taken_as_a_whole,
    check_left_out_without_matches_refit,
    check_distances_agree_without_clips,
)


def _scores(bench: ScorerBench, *, by_distances: bool) -> Rows | None:
    """Scores of the train clips, each without its set; None if the scorer does not take sets."""
    scorer = bench.build()
    if not hasattr(scorer, "score_left_out") or not takes_without(scorer.score_left_out):
        return None
    train = bench.train()
    without = left_out_of(train["domain"])
    fitted = _fit(bench, train, without, by_distances=by_distances)
    return {name: np.asarray(values) for name, values in fitted.score_left_out(without=without).items()}


def _refit(bench: ScorerBench, train: Rows, gone: Without, place: int) -> Rows:
    """Score one train clip by a scorer fitted to the clips that it may rest on."""
    rest = np.flatnonzero(~gone.mask(np.array([place]))[0])
    fitted = _fit(bench, take(train, rest), gone.among(rest))
    return bench.call(fitted, bench.inputs(take({"features": train["features"]}, [place])))


def _fit(bench: ScorerBench, train: Rows, without: Sets, *, by_distances: bool = False) -> Any:
    """Fit a new scorer, told what to leave out if its ``fit`` takes that."""
    scorer, inputs = bench.build(), bench.inputs(train)
    given, fit = inputs["features"], scorer.fit
    if by_distances:
        given, fit = distances_of(inputs["features"], inputs["features"], scorer.metric), scorer.fit_distances
    told = {"without": without} if takes_without(fit) else {}
    return fit(given, inputs["domain"], **told)
