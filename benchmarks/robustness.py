"""What shipped portfolios lose against the best of 56 single scorers, chosen with hindsight, with paired intervals.

    python -m benchmarks.robustness OUT --seed 12             # on made-up sets, each of which breaks some scorer
    python -m benchmarks.robustness OUT --data ROOT --task T  # on a dataset

A made-up machine is noise in 16 bands, whose gains in dB are what a clip is: one of the normal states, a spread about
it that correlates the bands, and, of an anomaly, one of three faults. Two envelopes beat. What a setting breaks is said
at each. ``--portfolios`` names what is measured, each by its first system. Every row opens the labels twice, and the
ledger of OUT has both looks: to find the best single scorer, and to compare.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

import asdcore
from asdcore.portfolio import find_portfolio

Floats = NDArray[np.float64]

RATE, SECONDS, BANDS = 16000, 2, 16
CENTRES = np.geomspace(60, 7800, BANDS)
MACHINES, SOURCE, TARGET, TEST = 3, 150, 10, 25


@dataclass(frozen=True)
class Setting:
    """How normal clips lie, in dB unless said otherwise; ``shift`` is the target's, ``fault`` an anomaly's."""

    shift: float
    fault: float
    within: float = 0.8
    target_within: float = 0.8
    states: tuple[int, int] = (3, 2)
    apart: float = 2.0
    repeated: float = 0.0
    """Share of source train clips that are nearly the one before."""
    outlying: float = 0.0
    """Share of clips that lie 3.5 times as far out."""
    beat: float = 0.0
    """By how many times a fault at its strongest deepens the beating, less one."""
    everywhere: bool = False
    """Whether a fault makes all bands louder alike, not some of them louder and others softer."""
    level: float = 0.0
    """By how much the loudness of normal clips differs."""


SETTINGS = {
    "shift": Setting(shift=4.0, fault=2.6),  # a plain nearest neighbour takes the target domain for a fault
    "wide": Setting(shift=2.5, fault=3.0, target_within=1.8),  # so does a density, where the target varies more
    "spread": Setting(shift=3.0, fault=2.6, within=0.5, target_within=2.2),  # much more
    "repeats": Setting(shift=0.7, fault=2.4, repeated=0.5),  # density ratios explode
    "takes": Setting(shift=1.0, fault=2.6, within=1.0, target_within=1.0, repeated=0.9),  # all of them
    "outliers": Setting(shift=1.5, fault=2.6, outlying=0.1),  # differences of densities fail
    "clusters": Setting(shift=0.0, fault=2.6, within=0.6, target_within=0.6, states=(8, 4), apart=5.0),  # no Gaussian
    "beats": Setting(shift=2.0, fault=0.0, beat=1.0),  # a mean spectrum hears nothing
    "plain": Setting(shift=0.0, fault=2.2),
}


class Machine:
    """One made-up machine, drawn from a generator that also draws its clips."""

    def __init__(self, setting: Setting, rng: np.random.Generator) -> None:
        self._setting, self._rng = setting, rng
        colour = rng.normal(0, 6, BANDS) - np.linspace(0, 15, BANDS)
        shift = setting.shift * rng.normal(size=BANDS)
        states = [colour + setting.apart * rng.normal(size=(n, BANDS)) for n in setting.states]
        self._states = {"source": states[0], "target": states[1] + shift}
        mixing = rng.normal(size=(BANDS, BANDS))
        self._mixing = mixing / np.linalg.norm(mixing, axis=1, keepdims=True)
        self._faults = rng.normal(size=(3, BANDS)) * (rng.random((3, BANDS)) < 0.35)
        if setting.everywhere:
            self._faults = np.ones((3, BANDS))
        self._rate = rng.uniform(4, 12)
        self._last: tuple[Floats, Floats, Floats] | None = None

    def clip(self, domain: str, split: str, index: int, *, anomalous: bool) -> Floats:
        """Return the sound of a clip (n_samples,)."""
        setting, rng = self._setting, self._rng
        if split == "train" and domain == "source" and index % 2 and self._last and rng.random() < 2 * setting.repeated:
            gains, depth, noise = self._last
            return self._sound(gains + rng.normal(0, 0.03, BANDS), depth, noise)
        states = self._states[domain]
        spread = setting.within if domain == "source" else setting.target_within
        spread *= 3.5 if rng.random() < setting.outlying else 1.0
        gains = states[index % len(states)] + spread * (self._mixing @ rng.normal(size=BANDS))
        depth = np.array([0.3, 0.2]) * np.exp(rng.normal(0, 0.1, 2))
        if anomalous:
            severity = rng.uniform(0.4, 1.0)
            gains = gains + setting.fault * severity * self._faults[index % 3]
            depth = np.minimum(depth * (1 + setting.beat * severity), 0.95)
        self._last = gains, depth, rng.normal(size=RATE * SECONDS)
        sound = self._sound(*self._last)
        return sound * 10 ** (rng.normal(0, setting.level) / 20) if setting.level else sound

    def _sound(self, gains: Floats, depth: Floats, noise: Floats) -> Floats:
        """Noise under gains (BANDS,) in dB, below and above 2 kHz beating by ``depth`` (2,)."""
        frequency, time = np.fft.rfftfreq(len(noise), 1 / RATE), np.arange(len(noise)) / RATE
        decibels = np.interp(np.log(np.maximum(frequency, 20)), np.log(CENTRES), gains)
        spectrum = np.fft.rfft(noise) * 10 ** (decibels / 20)
        halves = [np.fft.irfft(spectrum * part, len(noise)) for part in (frequency <= 2000, frequency > 2000)]
        phase = 2 * np.pi * (self._rate * time * np.array([[1], [3]]) + self._rng.random((2, 1)))
        sound: Floats = 0.02 * np.sum(np.array(halves) * (1 + depth[:, None] * np.sin(phase)), axis=0)
        return sound


def write_set(root: Path, setting: Setting, seed: int, machines: int = MACHINES) -> Path:
    """Write a dataset in the layout of DCASE 2022 and later."""
    for number in range(machines):
        machine = Machine(setting, np.random.default_rng([seed, number]))
        for split, labels in (("train", ("normal",)), ("test", ("normal", "anomaly"))):
            folder = root / f"Made{number}" / split
            folder.mkdir(parents=True, exist_ok=True)
            for domain, train in (("source", SOURCE), ("target", TARGET)):
                for label in labels:
                    for index in range(train if split == "train" else TEST):
                        sound = machine.clip(domain, split, index, anomalous=label == "anomaly")
                        name = f"section_00_{domain}_{split}_{label}_{index:04d}_state_{index % 2}.wav"
                        soundfile.write(folder / name, np.clip(sound, -0.99, 0.99), RATE, subtype="PCM_16")
    return root


ENCODERS: dict[str, dict[str, Any]] = {
    "logmel": {"name": "logmel", "pooling": "mean"},
    "logmel mean_std": {"name": "logmel", "pooling": "mean_std"},
    "psd_shape": {"name": "psd_shape"},
    "modulation": {"name": "modulation"},
}
ALL = ["pooled", "source", "target"]
SCORERS: dict[str, dict[str, Any]] = {
    "knn": {"name": "knn"},
    "ldn": {"name": "ldn"},
    "ldn k=4": {"name": "ldn", "k": 4},
    "ldn difference": {"name": "ldn", "k": 4, "variant": "difference"},
    "varmin": {"name": "varmin"},
    "mahalanobis": {"name": "mahalanobis", "references": ALL},
    "mahalanobis tied": {"name": "mahalanobis", "covariance": "tied", "references": ALL},
}
SCOPES = {"": "pooled", " by domain": "domain_min"}
SINGLE = "single."
"""What names of single scorers begin with, so that none is a branch of the default."""


def with_singles(names: Sequence[str] = ("default",)) -> dict[str, Any]:
    """Return one portfolio with the first system of each of these, and every single scorer as a system of its own."""
    portfolio: dict[str, Any] = {"name": "with-singles", "seed": 0, "branches": {}, "systems": {}}
    for name in names:
        ours = tomllib.loads(find_portfolio(name).read_text(encoding="utf-8"))
        system = dict(next(iter(ours["systems"].values())))
        system["weights"] = {f"{name}.{branch}": weight for branch, weight in system["weights"].items()}
        portfolio["branches"] |= {f"{name}.{branch}": chosen for branch, chosen in ours["branches"].items()}
        portfolio["systems"][name] = system
    for encoder, heard in ENCODERS.items():
        for scorer, chosen in SCORERS.items():
            for scope, meant in SCOPES.items():
                name = SINGLE + f"{encoder} {scorer}{scope}".replace(" ", "_")
                normalizer = {"name": "median_iqr", "scope": meant}
                portfolio["branches"][name] = {"encoder": heard, "scorer": chosen, "normalizer": normalizer}
                portfolio["systems"][name] = {"weights": {name: 1.0}}
    return portfolio


def measure(data: Path, task: str, out: Path, names: Sequence[str]) -> asdcore.Run:
    """Run the portfolios and all singles on a dataset."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "with-singles.json"
        path.write_text(json.dumps(with_singles(names)))
        return asdcore.run(path, data, out, task=task, store=out.parent / "store")


def row(name: str, run: asdcore.Run, ours: Sequence[str]) -> list[str]:
    """Return a row of the table, and the differences of our portfolios from one another."""
    scores = {one: 100 * system.official_score for one, system in asdcore.evaluate(run).systems.items()}
    singles = {one: score for one, score in scores.items() if one.startswith(SINGLE)}
    best = max(singles, key=lambda one: singles[one])
    differences = asdcore.compare(run, systems=[best, *ours]).differences
    cells = [name, f"{statistics.median(singles.values()):.1f}", f"{singles[best]:.1f} ({best.removeprefix(SINGLE)})"]
    cells += [f"{scores[one]:.1f} ({points(differences, one, best)})" for one in ours]
    pairs = [f"  {a} - {b}: {points(differences, a, b)}" for a, b in itertools.combinations(ours, 2)]
    return [f"| {' | '.join(cells)} |", *pairs]


def points(differences: Sequence[Any], first: str, second: str) -> str:
    """Say what one system is above another in points, with the 95 % interval, whichever the comparison put first."""
    for found in differences:
        sign = {(first, second): 1, (second, first): -1}.get((found.first, found.second))
        if sign:
            low, high = sorted(100 * sign * bound for bound in (found.interval.low, found.interval.high))
            return f"{100 * sign * found.estimate:+.1f}, {low:+.1f} to {high:+.1f}"
    raise ValueError(f"{first} and {second} were not compared")


def main() -> None:
    """Print the table, row by row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--task", default="dcase")
    parser.add_argument("--only", nargs="*", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--portfolios", nargs="*", default=["default", "three-encoders", "logmel-knn"])
    asked = parser.parse_args()
    ours = asked.portfolios
    columns = ["set", "median single", "best single", *ours]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)
    if asked.data:
        run = measure(asked.data, asked.task, asked.out / "runs" / asked.data.name, ours)
        print(*row(asked.data.name, run, ours), sep="\n")
        return
    for name in asked.only:
        data = asked.out / f"{name}-{asked.seed}"
        if not data.exists():
            write_set(unfinished := data.with_name(f".{data.name}"), SETTINGS[name], asked.seed)
            unfinished.rename(data)
        run = measure(data, "dcase2023", asked.out / f"run-{data.name}", ours)
        print(*row(name, run, ours), sep="\n", flush=True)


if __name__ == "__main__":
    main()
