"""What a few known faults are worth, by simulation: regret of the shrunken choice, beside its two extremes.

    python -m benchmarks.known_faults            # the table of docs/known-faults.md
    python -m benchmarks.known_faults --constants # other prior weights and margins
    python -m benchmarks.known_faults RUN...      # faults drawn from the test clips of runs, judged by all others

Machines are made up of numbers, not of sound. 84 branches are 7 encoders under 12 scorers. A branch's score of a
clip is a shared part, a part of its encoder and a part of its own, as strongly correlated as branches of real runs are
(0.3 between encoders, 0.7 within). A fault of one of four kinds lifts the score of each branch, by an amount that
depends on kind, encoder, scorer and branch. The label-free default is the mean of eight branches. Normals are 200,
faults are drawn anew each time, and every result is judged by 400 other clips. Regret is the distance to the best
branch in hindsight, or to the default where that is better, in points of the mean of AUC and pAUC.

Out-of-fold normals of a branch lie lower or higher than new normals, as they do on real sets: by 0.2 deviations, SD
over branches, half of it common to a scorer.

Three worlds: in ``apart`` some encoders hear a fault that others do not, as on the held-out sets where the default lay
5 to 10 points below the best; in ``alike`` branches differ little; in ``same`` they do not differ at all, and every
move away from the default is for nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import asdcore
from asdcore.data.audio import AudioFacts
from asdcore.evidence import metrics
from asdcore.evidence.labels.truth import truth_of
from asdcore.evidence.selection.fault_clips import Fault
from asdcore.evidence.selection.fault_scores import cell_scores
from asdcore.evidence.selection.shrunken_choice import DOUBT, MARGIN, PRIOR_FAULTS, Choice, choose, gains, mixed
from asdcore.portfolio import parse_portfolio

Floats = NDArray[np.float64]
ENCODERS, SCORERS, KINDS, NORMALS, JUDGED, MACHINES = 7, 12, 4, 200, 400, 150
FAULTS = (0, 1, 2, 5, 10, 20, 50)
WORLDS = {"apart": (0.7, 0.5), "alike": (0.3, 0.15), "same": (0.6, 0.0)}
"""{world: (mean lift of a fault, how far lifts differ)}, in deviations of a normal score."""

BIAS = 0.2
"""By how much out-of-fold normals of a branch lie below or above new normals, in deviations: SD over branches."""

BRANCHES = ENCODERS * SCORERS


class Machine:
    """One made-up machine: draws clips, scored by 84 branches."""

    def __init__(self, world: str, seed: int) -> None:
        self.draw = np.random.default_rng(seed)
        mean, spread = WORLDS[world]
        shape = (KINDS, ENCODERS, SCORERS)
        parts = [(KINDS, 1, 1), (1, ENCODERS, 1), (KINDS, ENCODERS, 1), (1, 1, SCORERS), shape]
        shares = (0.3, 0.35, 0.2, 0.1, 0.05)
        lift = sum(np.sqrt(share) * self.draw.normal(size=part) for share, part in zip(shares, parts, strict=True))
        self.lift = (mean + spread * (lift if spread else np.zeros(shape))).reshape(KINDS, BRANCHES)
        of_scorer, of_branch = self.draw.normal(size=(1, SCORERS)), self.draw.normal(size=(ENCODERS, SCORERS))
        self.bias = BIAS * (np.sqrt(0.5) * of_scorer + np.sqrt(0.5) * of_branch).reshape(BRANCHES)
        self.default = np.zeros(BRANCHES)
        self.default[self.draw.choice(BRANCHES, 8, replace=False)] = 1.0

    def clips(self, n: int, kinds: NDArray[np.intp] | None = None) -> Floats:
        """Return the scores (n, 84) of normals, or of faults of these kinds."""
        shared, encoder = self.draw.normal(size=(n, 1, 1)), self.draw.normal(size=(n, ENCODERS, 1))
        own = self.draw.normal(size=(n, ENCODERS, SCORERS))
        noise = (np.sqrt(0.3) * shared + np.sqrt(0.4) * encoder + np.sqrt(0.3) * own).reshape(n, BRANCHES)
        return noise if kinds is None else noise + self.lift[kinds]


def merit(machine: Machine, normals: Floats, faults: Floats, weights: Floats) -> float:
    """Return the figure of merit of the weighted sum of branches."""
    domain = np.full(len(normals), "source")
    return float(gains((faults @ weights)[:, None], (normals @ weights)[:, None], domain).mean())


def regrets(world: str, rules: dict[str, Callable[..., Choice]]) -> dict[str, Floats]:
    """Return {rule: regrets (machines, numbers of faults)} in points."""
    results = {name: np.zeros((MACHINES, len(FAULTS))) for name in rules}
    for seed in range(MACHINES):
        machine = Machine(world, seed)
        normals, judges = machine.clips(NORMALS) - machine.bias, machine.clips(JUDGED)
        kinds = machine.draw.integers(0, KINDS, JUDGED)
        faulty = machine.clips(JUDGED, kinds)
        known = machine.clips(max(FAULTS), machine.draw.integers(0, KINDS, max(FAULTS)))
        domain = np.full(NORMALS, "source")
        of_branches = gains(known, normals, domain)
        of_default = gains((known @ machine.default)[:, None], (normals @ machine.default)[:, None], domain)[:, 0]
        alone = gains(faulty, judges, np.full(JUDGED, "source")).mean(axis=0).max()
        best = max(alone, merit(machine, judges, faulty, machine.default))
        for name, rule in rules.items():
            for i, k in enumerate(FAULTS):
                weights = mixed(machine.default, rule(of_branches[:k], of_default[:k]))
                results[name][seed, i] = 100 * (best - merit(machine, judges, faulty, weights))
    return results


def hindsight(of_branches: Floats, of_default: Floats) -> Choice:
    """Follow the known faults alone: the branch with the largest mean gain gets all."""
    shares = np.zeros(of_branches.shape[1])
    if len(of_branches):
        shares[of_branches.mean(axis=0).argmax()] = 1.0
    return Choice(float(shares.sum()), shares)


def of_run(folder: str, draws: int = 40) -> dict[str, Floats]:
    """Return {rule: official scores (draws, numbers of faults)} of a run, on the test clips that did not choose.

    The last rule is the best single branch with hindsight, on the same clips.
    """
    run = asdcore.load_run(folder)
    plan = parse_portfolio(run.about["portfolio"])
    name, system = next(iter(plan.systems.items()))
    truth = truth_of(run).select("clip", "label", told="domain")
    test = run.clips.filter(split="test").join(truth, on="clip").unique("sha256").sort("clip")
    facts = [AudioFacts(*row) for row in test.select("channels", "sample_rate", "n_samples", "sha256").rows()]
    places = zip(test["clip"], test["machine"], test["section"], facts, strict=True)
    clips = [Fault(Path(clip), machine, section, "", fact) for clip, machine, section, fact in places]
    cells = cell_scores([run], plan.branches, system, clips)
    label, domain, year = test["label"].to_numpy(), test["told"].to_numpy(), run.about["year"]
    default = np.array([system.weights.get(branch, 0.0) for branch in plan.branches])
    of_branches, of_default = np.zeros((len(clips), len(default))), np.zeros(len(clips))
    for cell in cells:
        of_branches[cell.rows] = gains(cell.faults, cell.normals, cell.domain)
        fused = (cell.faults @ default)[:, None], (cell.normals @ default)[:, None]
        of_default[cell.rows] = gains(*fused, cell.domain)[:, 0]

    def judged(weights: Floats, kept: NDArray[np.bool_]) -> float:
        results = {}
        for i, cell in enumerate(cells):
            rows, scores = cell.rows[kept[cell.rows]], (cell.faults @ weights)[kept[cell.rows]]
            results[str(i), "00"] = metrics.cells(scores, label[rows], domain[rows], year)
        return 100 * metrics.official_score(results, year)

    rng, numbers = np.random.default_rng(0), [k for k in FAULTS if k <= (label == 1).sum() // 2]
    scores = {rule: np.zeros((draws, len(numbers))) for rule in ("default", "shrunken", "best of known", "hindsight")}
    for draw in range(draws):
        order = rng.permutation(np.flatnonzero(label == 1))
        for i, k in enumerate(numbers):
            kept = ~np.isin(np.arange(len(clips)), order[:k])
            known = of_branches[order[:k]], of_default[order[:k]]
            scores["default"][draw, i] = judged(default, kept)
            scores["shrunken"][draw, i] = judged(mixed(default, choose(*known)), kept)
            scores["best of known"][draw, i] = judged(mixed(default, hindsight(*known)), kept)
            alone = [judged(weights, kept) for weights in np.eye(len(default))]
            scores["hindsight"][draw, i] = max(alone)
    print(f"{folder}: {len(default)} branches, {int((label == 1).sum())} faults, away from {name}")
    print(f"{'rule':<18}" + "".join(f"{f'k = {k}':>10}" for k in numbers))
    for rule, values in scores.items():
        print(f"{rule:<18}" + "".join(f"{mean:>10.1f}" for mean in values.mean(axis=0)))
    return scores


def main() -> None:
    """Print the mean regret of each rule and number of faults, and by how much it is above the default's."""
    if runs := [argument for argument in sys.argv[1:] if not argument.startswith("-")]:
        for folder in runs:
            of_run(folder)
        return
    rules: dict[str, Callable[..., Choice]] = {"shrunken": choose, "best of known": hindsight}
    if "--constants" in sys.argv:
        rules = {
            f"{c:g}, {m:g}, {d:g}": partial(choose, prior_faults=c, margin=m, doubt=d)
            for c in (3.0, 6.0)
            for m in (0.05, 0.1)
            for d in (0.0, 0.05, 0.08)
        }
    else:
        print(f"c = {PRIOR_FAULTS:g} faults, m = {100 * MARGIN:g}, d = {100 * DOUBT:g} points; {MACHINES} machines")
    print(f"{'world':<8}{'rule':<18}" + "".join(f"{f'k = {k}':>18}" for k in FAULTS))
    for world in WORLDS:
        for name, values in regrets(world, rules).items():
            error = (values - values[:, :1]).std(axis=0) / np.sqrt(MACHINES)
            cells = [
                f"{m:.1f} ({d:+.1f}±{1.96 * e:.1f})"
                for m, d, e in zip(values.mean(axis=0), (values - values[:, :1]).mean(axis=0), error, strict=True)
            ]
            print(f"{world:<8}{name:<18}" + "".join(f"{cell:>14}" for cell in cells))


if __name__ == "__main__":
    main()
