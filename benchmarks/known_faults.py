"""What a few known faults are worth: regret of the shrunken choice on sets of sound, beside others, with intervals.

    python -m benchmarks.known_faults OUT --seed 41                     # made-up machines, each breaks some scorer
    python -m benchmarks.known_faults OUT --data ROOT --task dcase2026  # a dataset
    python -m benchmarks.known_faults OUT                               # what is in OUT as one table
    python -m benchmarks.known_faults --numbers                         # machines made of numbers, not of sound

76 branches: the 56 single scorers of ``benchmarks.robustness``, 8 with the scorer ``ced``, and those of ``default`` and
``default-mn04`` (``asdcore registry fetch efficientat-mn04`` first). The weights move away from ``default``. In each of
100 draws k faults are drawn from the test clips and choose; all other test clips, drawn with replacement, judge. Regret
is the distance to the branch that is best by all test clips, in points of the official score. Its interval is from the
2.5th to the 97.5th percentile of the draws, so it holds both which faults one happens to know and which clips judge.

OUT keeps the sets, the runs and a JSON file of each set's scores: what is there is not computed again. What a set
costs, in CPU seconds, is printed.

Of the numbers: 84 branches are 7 encoders under 12 scorers. A branch's score of a clip is a shared part, a part of its
encoder and a part of its own, as strongly correlated as branches of real runs are (0.3 between encoders, 0.7 within).
A fault of one of four kinds lifts the score of each branch, by an amount that depends on kind, encoder, scorer and
branch. The label-free default is the mean of eight branches. Normals are 200, faults are drawn anew each time, and
every result is judged by 400 other clips. Train normals of a branch lie lower or higher than new normals, by 0.1
deviations, SD over branches, half of it common to a scorer. Three worlds: in ``apart`` some encoders hear a fault that
others do not, in ``alike`` branches differ little; in ``same`` they do not differ at all, and every move away is for
nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

import asdcore
from asdcore.data.recordings.audio import AudioFacts
from asdcore.evidence import metrics
from asdcore.evidence.labels.truth import truth_of
from asdcore.evidence.selection.fault_clips import Fault
from asdcore.evidence.selection.fault_gains import drawn_normals, gains
from asdcore.evidence.selection.fault_problem import NORMAL_DRAWS, Problem
from asdcore.evidence.selection.fault_scores import branch_parts, cell_scores
from asdcore.evidence.selection.shrunken_choice import DOUBT, MARGIN, PRIOR_FAULTS, Choice, choose, mixed
from asdcore.portfolio import parse_portfolio
from benchmarks.robustness import ENCODERS, SCOPES, SETTINGS, SINGLE, with_singles, write_set

Floats = NDArray[np.float64]
FAULTS = (1, 2, 5, 10, 20, 50)
RULES = ("default", "default-mn04", "known faults", "best of known", "hindsight")
DRAWS = 100


def portfolio() -> dict[str, Any]:
    """Return the portfolio of 76 branches."""
    wide = with_singles(("default", "default-mn04"))
    for encoder, heard in ENCODERS.items():
        for scope, meant in SCOPES.items():
            name = SINGLE + f"{encoder} ced{scope}".replace(" ", "_")
            normalizer = {"name": "median_iqr", "scope": meant}
            wide["branches"][name] = {"encoder": heard, "scorer": {"name": "ced"}, "normalizer": normalizer}
    return wide


class Judges:
    """The test clips of a run: their labels, and their parts by every branch."""

    def __init__(self, run: asdcore.Run) -> None:
        self.plan = parse_portfolio(run.about["portfolio"])
        self.default, self.names = self.plan.systems["default"], list(self.plan.branches)
        truth = truth_of(run).select("clip", "label", told="domain")
        test = run.clips.filter(split="test").join(truth, on="clip").unique("sha256").sort("clip")
        self.test, self.label, self.domain = test, test["label"].to_numpy(), test["told"].to_numpy()
        cells = pl.struct("machine", "section").rank("dense").cast(pl.Int64)
        self.cell = test.select(cells).to_series().to_numpy()
        self.year = int(run.about["year"])
        parts = branch_parts(run.calibrated, run.clips, self.names, self.default).filter(role="test")
        self.parts = test.select("clip").join(parts, on="clip", maintain_order="left").select(self.names).to_numpy()

    def weights(self, system: str) -> Floats:
        """Return the weights of all branches in a system."""
        return np.array([self.plan.systems[system].weights.get(name, 0.0) for name in self.names])

    def score(self, weights: Floats, rows: NDArray[np.intp]) -> float:
        """Return the official score in percent of a weighted sum on some test clips."""
        fused, results = self.parts[rows] @ weights, {}
        for cell in np.unique(self.cell[rows]):
            of = self.cell[rows] == cell
            here = rows[of]
            results[str(cell), "00"] = metrics.cells(fused[of], self.label[here], self.domain[here], self.year)
        return 100 * metrics.official_score(results, self.year)

    def redrawn(self, rows: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
        """Return some test clips drawn with replacement, within machine, domain and label."""
        alike = np.unique(np.stack([self.cell[rows], self.label[rows], self.domain[rows] == "target"]), axis=1)
        drawn = []
        for cell, label, target in alike.T:
            of = (self.cell[rows] == cell) & (self.label[rows] == label) & ((self.domain[rows] == "target") == target)
            drawn.append(rng.choice(rows[of], of.sum()))
        return np.concatenate(drawn)


def measured(run: asdcore.Run) -> dict[str, list[list[float]]]:
    """Return {rule: official scores (draws, numbers of faults)} of a run."""
    judges = Judges(run)
    anomalies = np.flatnonzero(judges.label == 1)
    columns = ("clip", "machine", "section", "channels", "sample_rate", "n_samples", "sha256")
    faults = [
        Fault(Path(clip), machine, section, "", AudioFacts(*facts))
        for clip, machine, section, *facts in judges.test[anomalies].select(columns).rows()
    ]
    default = judges.weights("default")
    cells = cell_scores([run], judges.plan.branches, judges.default, faults)
    problem = Problem(cells, default, faults, 1000, 0)
    everything = np.arange(len(judges.label))
    best = max(np.eye(len(default)), key=lambda weights: judges.score(weights, everything))
    rng, numbers = np.random.default_rng(0), [k for k in FAULTS if k <= len(faults) // 2]
    scores: dict[str, list[list[float]]] = {rule: [] for rule in RULES}
    for _ in range(DRAWS):
        order = rng.permutation(len(faults))
        of_draw: dict[str, list[float]] = {rule: [] for rule in RULES}
        for k in numbers:
            rows = judges.redrawn(np.setdiff1d(everything, anomalies[order[:k]]), rng)
            chosen = {
                "default": default,
                "default-mn04": judges.weights("default-mn04"),
                "known faults": mixed(default, problem.choice(order[:k])),
                "best of known": mixed(default, hindsight(problem.of_branches[order[:k]])),
                "hindsight": best,
            }
            for rule, weights in chosen.items():
                of_draw[rule].append(judges.score(weights, rows))
        for rule, values in of_draw.items():
            scores[rule].append(values)
    return scores


def hindsight(of_branches: Floats, *_: object) -> Choice:
    """Follow the known faults alone: the branch with the largest mean gain gets all."""
    shares = np.zeros(of_branches.shape[-1])
    if of_branches.shape[-2]:
        shares[of_branches.reshape(-1, len(shares)).mean(axis=0).argmax()] = 1.0
    return Choice(float(shares.sum()), shares)


def measure(name: str, data: Path, task: str, out: Path) -> None:
    """Run the portfolio on a set and keep its scores, unless that is done."""
    target = out / f"{name}.json"
    if target.exists():
        return
    started = time.process_time()
    (out / "portfolio.json").write_text(json.dumps(portfolio()))
    run = asdcore.run(out / "portfolio.json", data, out / "runs" / name, task=task, store=out / "store")
    scores = measured(run)
    unfinished = target.with_suffix(".part")
    unfinished.write_text(json.dumps({"scores": scores, "cpu_s": round(time.process_time() - started, 1)}))
    unfinished.rename(target)


def table(out: Path) -> None:
    """Print the regret of every set and rule, then what known faults add to the default or take from it."""
    sets = {target.stem: json.loads(target.read_text()) for target in sorted(out.glob("*.json"))}
    sets.pop("portfolio", None)
    columns = [*(f"k = {k}" for k in FAULTS), "CPU s"]
    head = ["set", "default", "default-mn04", *columns]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    differences = []
    for name, kept in sets.items():
        scores = {rule: np.array(values) for rule, values in kept["scores"].items()}
        regret = {rule: scores["hindsight"] - values for rule, values in scores.items()}
        cells = [*(_cells(regret[rule])[0] for rule in ("default", "default-mn04")), *_cells(regret["known faults"])]
        print(f"| {name} | {' | '.join(cells)} | {kept['cpu_s']:.0f} |")
        for rule in ("known faults", "best of known"):
            differences.append([name, rule, *_cells(scores[rule] - scores["default"], "+")])
    head = ["set", "rule - default", *columns[:-1]]
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    print(*(f"| {' | '.join(row)} |" for row in differences), sep="\n", flush=True)


def _cells(values: Floats, sign: str = "") -> list[str]:
    """Return mean and interval over draws (draws, numbers of faults), and nothing where there were too few faults."""
    low, high = np.percentile(values, [2.5, 97.5], axis=0)
    cells = [
        f"{m:{sign}.1f}, {a:{sign}.1f} to {b:{sign}.1f}" for m, a, b in zip(values.mean(0), low, high, strict=True)
    ]
    return cells + [""] * (len(FAULTS) - len(cells))


ENCODERS_OF_NUMBERS, SCORERS_OF_NUMBERS, KINDS, NORMALS, JUDGED, MACHINES = 7, 12, 4, 200, 400, 40
WORLDS = {"apart": (0.7, 0.5), "alike": (0.3, 0.15), "same": (0.6, 0.0)}
"""{world: (mean lift of a fault, how far lifts differ)}, in deviations of a normal score."""

BIAS = 0.1
"""By how much train normals of a branch lie below or above new normals, in deviations: SD over branches."""

BRANCHES = ENCODERS_OF_NUMBERS * SCORERS_OF_NUMBERS


class Machine:
    """One machine made of numbers: draws clips, scored by 84 branches."""

    def __init__(self, world: str, seed: int) -> None:
        self.draw = np.random.default_rng(seed)
        mean, spread = WORLDS[world]
        encoders, scorers = ENCODERS_OF_NUMBERS, SCORERS_OF_NUMBERS
        shape = (KINDS, encoders, scorers)
        parts = [(KINDS, 1, 1), (1, encoders, 1), (KINDS, encoders, 1), (1, 1, scorers), shape]
        shares = (0.3, 0.35, 0.2, 0.1, 0.05)
        lift = sum(np.sqrt(share) * self.draw.normal(size=part) for share, part in zip(shares, parts, strict=True))
        self.lift = (mean + spread * (lift if spread else np.zeros(shape))).reshape(KINDS, BRANCHES)
        of_scorer, of_branch = self.draw.normal(size=(1, scorers)), self.draw.normal(size=(encoders, scorers))
        self.bias = BIAS * (np.sqrt(0.5) * of_scorer + np.sqrt(0.5) * of_branch).reshape(BRANCHES)
        self.default = np.zeros(BRANCHES)
        self.default[self.draw.choice(BRANCHES, 8, replace=False)] = 1.0

    def clips(self, n: int, kinds: NDArray[np.intp] | None = None) -> Floats:
        """Return the scores (n, 84) of normals, or of faults of these kinds."""
        shared, encoder = self.draw.normal(size=(n, 1, 1)), self.draw.normal(size=(n, ENCODERS_OF_NUMBERS, 1))
        own = self.draw.normal(size=(n, ENCODERS_OF_NUMBERS, SCORERS_OF_NUMBERS))
        noise = (np.sqrt(0.3) * shared + np.sqrt(0.4) * encoder + np.sqrt(0.3) * own).reshape(n, BRANCHES)
        return noise if kinds is None else noise + self.lift[kinds]


def merit(machine: Machine, normals: Floats, faults: Floats, weights: Floats) -> float:
    """Return the figure of merit of the weighted sum of branches."""
    domain = np.full(len(normals), "source")
    return float(gains((faults @ weights)[:, None], (normals @ weights)[:, None], domain).mean())


def regrets(world: str, rules: dict[str, Callable[..., Choice]]) -> dict[str, Floats]:
    """Return {rule: regrets (machines, numbers of faults)} in points."""
    numbers = (0, *FAULTS)
    results = {name: np.zeros((MACHINES, len(numbers))) for name in rules}
    for seed in range(MACHINES):
        machine = Machine(world, seed)
        normals, judges = machine.clips(NORMALS) - machine.bias, machine.clips(JUDGED)
        faulty = machine.clips(JUDGED, machine.draw.integers(0, KINDS, JUDGED))
        known = machine.clips(max(numbers), machine.draw.integers(0, KINDS, max(numbers)))
        domain, share = np.full(NORMALS, "source"), drawn_normals(np.arange(NORMALS), NORMAL_DRAWS, seed)
        of_branches = gains(known, normals, domain, share)
        fused = (known @ machine.default)[:, None], (normals @ machine.default)[:, None]
        of_default = gains(*fused, domain, share)[..., 0]
        alone = gains(faulty, judges, np.full(JUDGED, "source")).mean(axis=0).max()
        best = max(alone, merit(machine, judges, faulty, machine.default))
        for name, rule in rules.items():
            for i, k in enumerate(numbers):
                weights = mixed(machine.default, rule(of_branches[:, :k], of_default[:, :k]))
                results[name][seed, i] = 100 * (best - merit(machine, judges, faulty, weights))
    return results


def of_numbers(constants: bool) -> None:
    """Print the mean regret of each rule and number of faults, and by how much it is above the default's."""
    rules: dict[str, Callable[..., Choice]] = {"known faults": choose, "best of known": hindsight}
    if constants:
        rules = {f"{c:g}, {m:g}": partial(choose, prior_faults=c, margin=m) for c in (3.0, 6.0) for m in (0.05, 0.1)}
    print(f"c = {PRIOR_FAULTS:g} faults, m = {100 * MARGIN:g}, d = {100 * DOUBT:g} points; {MACHINES} machines")
    print(f"| world | rule | {' | '.join(f'k = {k}' for k in (0, *FAULTS))} |\n|{'---|' * (3 + len(FAULTS))}")
    for world in WORLDS:
        for name, values in regrets(world, rules).items():
            above = values - values[:, :1]
            error = 1.96 * above.std(axis=0) / np.sqrt(MACHINES)
            columns = zip(values.mean(axis=0), above.mean(axis=0), error, strict=True)
            print(f"| {world} | {name} | {' | '.join(f'{m:.1f} ({d:+.1f}±{e:.1f})' for m, d, e in columns)} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--numbers", action="store_true")
    parser.add_argument("--constants", action="store_true", help="with --numbers: other prior weights and margins")
    parser.add_argument("--seed", type=int, help="make up machines of sound")
    parser.add_argument("--only", nargs="*", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--task", default="dcase")
    asked = parser.parse_args()
    if asked.numbers:
        of_numbers(asked.constants)
    if asked.out is None:
        return
    asked.out.mkdir(parents=True, exist_ok=True)
    if asked.data:
        measure(asked.data.name, asked.data, asked.task, asked.out)
    for name in asked.only if asked.seed is not None else ():
        data = asked.out / "sets" / f"{name}-{asked.seed}"
        if not data.exists():
            write_set(unfinished := data.with_name(f".{data.name}"), SETTINGS[name], asked.seed)
            unfinished.rename(data)
        measure(data.name, data, "dcase2023", asked.out)
    table(asked.out)


if __name__ == "__main__":
    main()
