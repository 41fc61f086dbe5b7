"""What the recorder's gain does to ``default``, and what it did when its nearest neighbour took the cosine of dB.

    python -m benchmarks.gain OUT --seed 2032

The same recordings times 0.01, 0.1, 1 and 10, as float files, so that nothing is clipped or rounded anew: the sets of
:mod:`benchmarks.robustness`, with six machines each; two more, in which loudness alone tells faults, or tells nothing;
and a synthetic set. A row has the official score by the cosine at each gain, the score of ``default`` and by how much
that moves, and the difference of the two at gain 1 with its paired 95 % interval. The ledger of OUT has every look.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import soundfile

import asdcore
from asdcore.data.synth import synthesize
from asdcore.portfolio import find_portfolio
from benchmarks.robustness import SETTINGS, Setting, points, write_set

GAINS = (1.0, 0.01, 0.1, 10.0)
MACHINES = 6
SYNTHETIC = "synthetic"
LEVELS = {
    "louder": Setting(shift=0.0, fault=3.5, everywhere=True),
    "levels": Setting(shift=0.0, fault=2.2, level=3.0),
}
ALL = SETTINGS | LEVELS


def both() -> dict[str, Any]:
    """Return one portfolio with two systems: ``default``, and the same by the cosine."""
    ours = tomllib.loads(find_portfolio("default").read_text(encoding="utf-8"))
    ours["systems"]["cosine"] = {"fusion": "fisher", "weights": {}}
    for name, branch in list(ours["branches"].items()):
        ours["branches"][f"cosine.{name}"] = dict(branch)
        ours["systems"]["cosine"]["weights"][f"cosine.{name}"] = 1.0
        if branch["scorer"]["name"] == "knn":
            changed = {"encoder": {"name": "logmel", "pooling": "mean_std"}}
            changed["scorer"] = {**branch["scorer"], "metric": "cosine"}
            ours["branches"][f"cosine.{name}"] |= changed
    return ours


def made(out: Path, name: str, seed: int) -> Path:
    """Return the folder of a set, which is written if it is not there."""
    root = out / f"{name}-{seed}"
    if not root.exists():
        unfinished = root.with_name(f".{root.name}")
        if name == SYNTHETIC:
            synthesize(unfinished, profile="demo", seed=seed)
        else:
            write_set(unfinished, ALL[name], seed, MACHINES)
        unfinished.rename(root)
    return root


def scaled(data: Path, gain: float, root: Path) -> None:
    """Write the recordings of a set times a factor, and copy its other files."""
    for path in sorted(data.rglob("*")):
        new = root / path.relative_to(data)
        new.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".wav":
            sound, rate = soundfile.read(path, dtype="float64")
            soundfile.write(new, gain * sound, rate, subtype="FLOAT")
        elif path.is_file():
            shutil.copy(path, new)


def measure(out: Path, name: str, seed: int) -> tuple[dict[str, dict[float, float]], str]:
    """Run both systems on a set at every gain: {system: {gain: official score in percent}}, and their difference."""
    plan, difference = out / "both.json", ""
    plan.write_text(json.dumps(both()))
    scores: dict[str, dict[float, float]] = {"cosine": {}, "default": {}}
    for gain in GAINS:
        with tempfile.TemporaryDirectory() as folder:
            scaled(made(out, name, seed), gain, Path(folder))
            task = "dcase2026" if name == SYNTHETIC else "dcase2023"
            run = asdcore.run(plan, folder, out / f"run-{name}-{gain:g}", task=task, store=out / "store")
            for system, found in asdcore.evaluate(run).systems.items():
                scores[system][gain] = 100 * found.official_score
            if gain == 1.0:
                difference = points(asdcore.compare(run, systems=list(scores)).differences, "default", "cosine")
    return scores, difference


def row(name: str, scores: dict[str, dict[float, float]], difference: str) -> str:
    """Return the row of a set."""
    by_cosine, ours = scores["cosine"], scores["default"]
    moves = max(abs(score - ours[1.0]) for score in ours.values())
    numbers = *(by_cosine[gain] for gain in sorted(GAINS)), ours[1.0], moves
    return f"| {name} | {' | '.join(f'{number:.1f}' for number in numbers)} | {difference} |"


def main() -> None:
    """Print the table, row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=2032)
    parser.add_argument("--only", nargs="*", choices=[*ALL, SYNTHETIC], default=[*ALL, SYNTHETIC])
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    head = ["set", *(f"cosine, times {gain:g}" for gain in sorted(GAINS)), "default", "moves by", "default - cosine"]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
    for name in asked.only:
        print(row(name, *measure(asked.out, name, asked.seed)), flush=True)


if __name__ == "__main__":
    main()
