"""Whether a monitor keeps its promise of false alarms: on real ToyCar clips, and on hours of synthetic normals.

    python benchmarks/monitor_promise.py toycar       # needs $ASDCORE_SHARED
    python benchmarks/monitor_promise.py synthetic    # 100 runs of an hour, for each of two kinds of normal sound

Thresholds come from train normals alone. Test labels are used to lay out the recording, and to count.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.stats import chi2

import asdcore
from asdcore.compute.threads import single_threaded
from asdcore.monitor.journal import Journal
from asdcore.monitor.keep_audio import AudioKept
from asdcore.monitor.monitor import Monitor
from asdcore.monitor.promise import budget_of
from asdcore.monitor.setup import settings_of, settings_written
from asdcore.monitor.sources import File, Recording, Trouble

Sound = NDArray[np.float32]
ROOT = Path(__file__).parents[1]
TOYCAR = Path(os.environ.get("ASDCORE_SHARED", ROOT.parent / "shared")) / "data" / "dcase2023_toycar_small"
RATE, SECONDS, NORMALS, HOUR = 4000, 4.0, 120, 3600.0

TINY = """
name = "tiny"
branches.near = { encoder = { name = "logmel", n_mels = 16, pooling = "mean" }, scorer = "knn" }
systems.tiny.weights = { near = 1.0 }
"""


def rate_interval(count: int, hours: float) -> tuple[float, float]:
    """Return the exact 95 % interval of a Poisson rate per hour (Garwood 1936)."""
    low = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    return low / hours, chi2.ppf(0.975, 2 * count + 2) / 2 / hours


def share_interval(count: int, n: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share (Clopper and Pearson 1934)."""
    from scipy.stats import binomtest

    interval = binomtest(count, n).proportion_ci()
    return float(interval.low), float(interval.high)


def exported(data: Path, portfolio: Path | str, folder: Path) -> Path:
    """Run, freeze and export; returns the detector."""
    run = asdcore.run(portfolio, data, folder / "run", store=folder / "store")
    asdcore.freeze(run, folder / "frozen.json")
    return asdcore.export(folder / "frozen.json", folder / "frozen.asd")


@dataclass
class Steady:
    """Hums of one machine whose speed and loudness swing: between clips, and with ``swing`` s within a recording.

    ``swing`` 0 draws every window anew, so that windows are exchangeable.
    """

    rng: np.random.Generator
    swing: float

    def states(self, n: int) -> NDArray[np.float64]:
        """Return n steps, of a window each, of a stationary process of unit variance (n, 2)."""
        keep = np.exp(-SECONDS / self.swing) if self.swing else 0.0
        states = self.rng.standard_normal((n, 2))
        for i in range(1, n):
            states[i] = keep * states[i - 1] + np.sqrt(1 - keep**2) * states[i]
        return states

    def sound(self, state: NDArray[np.float64]) -> Sound:
        """Return a window of the machine in a state of speed and loudness."""
        n = int(SECONDS * RATE)
        pitch, level = 200 * 1.05 ** state[0], 0.05 * 1.2 ** state[1]
        phase = 2 * np.pi * pitch * np.arange(n) / RATE
        hum = sum(np.sin(k * phase) / k for k in range(1, 6))
        return (level * hum + 0.02 * self.rng.standard_normal(n)).astype(np.float32)


class Hour:
    """A source of one recording that is made as it is heard."""

    def __init__(self, sounds: Iterator[Sound]) -> None:
        self._sounds = sounds

    def recordings(self, done: object) -> Iterator[Recording | Trouble]:
        """Yield the recording."""
        yield Recording("hour", RATE, 1, lambda start: (sound[None] for sound in self._sounds), alone=True)


def synthetic(runs: int, swing: float, folder: Path) -> None:
    """Listen to an hour of normals in each of many runs. A run is a machine of one detector, with its own normals."""
    for seed in range(runs):
        place = folder / "data" / f"m{seed:03d}" / "train"
        place.mkdir(parents=True)
        for i in range(NORMALS):
            steady = Steady(np.random.default_rng([seed, i, 1]), swing)
            soundfile.write(place / f"{i}.wav", steady.sound(steady.states(1)[0]), RATE, subtype="FLOAT")
    (folder / "tiny.toml").write_text(TINY)
    detector = asdcore.load_detector(exported(folder / "data", folder / "tiny.toml", folder))
    print(f"{runs} runs, {NORMALS} train normals each, an hour of windows of {SECONDS:g} s, swing {swing:g} s")
    counts: dict[tuple[str, str], list[int]] = {}
    for seed in range(runs):
        steady = Steady(np.random.default_rng([seed, 0, 2]), swing)
        states = steady.states(int(HOUR / SECONDS))
        known = detector.known(f"m{seed:03d}")
        with single_threaded():
            scores = [detector.score(steady.sound(state), RATE, known.machine) for state in states]
        for alarm, promise in (("3/5", "10 per hour"), ("3/5", "60 per hour"), ("1/1", "30 per hour")):
            asked = settings_of(known, "tiny", alarm=alarm, promise=promise)
            again = iter(scores)
            silence = (np.full(int(SECONDS * RATE), 0.1, np.float32) for _ in states)
            with tempfile.TemporaryDirectory() as scratch:
                journal = Journal(Path(scratch) / "log", settings_written(detector, known, "tiny", asked))
                monitor = Monitor(lambda *_, again=again: next(again), asked, journal, AudioKept(Path(scratch), 0))
                events = list(monitor.listen(Hour(silence)))
                journal.close()
            begun = sum(event["event"] == "alarm begins" for event in events)
            counts.setdefault((alarm, promise), []).append(begun)
    for (alarm, promise), begun in counts.items():
        kept = sum(count <= budget_of(promise).alarms for count in begun)
        low, high = rate_interval(sum(begun), runs * HOUR / 3600)
        print(
            f"  --alarm {alarm} --promise '{promise}': kept in {kept} of {runs} runs; "
            f"{sum(begun) / runs:.2f} alarms an hour (95 %: {low:.2f} to {high:.2f}), at most {max(begun)}"
        )


def toycar(portfolio: str, folder: Path, orders: int = 20) -> None:
    """Join real clips to 40 minutes, faults from second 1200 on, in several orders, and listen to them."""
    detector = asdcore.load_detector(exported(TOYCAR, portfolio, folder))
    known, system = detector.known(), detector.chosen_system()
    clips = sorted((TOYCAR / "ToyCar" / "test").glob("*.flac"))
    sounds = {clip: soundfile.read(clip, dtype="float32") for clip in clips}
    rate = next(iter(sounds.values()))[1]
    normal, faulty = ([clip for clip in clips if f"_test_{label}_" in clip.name] for label in ("normal", "anomaly"))
    verdicts = {sound.tobytes(): detector.score(sound, rate) for sound, _ in sounds.values()}
    onset = sum(len(sounds[clip][0]) for clip in normal) / rate
    print(f"{portfolio}, system {system}: {len(normal)} normal clips, then from second {onset:g} {len(faulty)} faulty")
    for promise in ("15 per hour", "30 per hour", "50 per hour"):
        asked = settings_of(known, system, promise=promise)
        false, missed, delays, named = [], 0, [], []
        for seed in range(orders):
            rng = np.random.default_rng(seed)
            order = [*rng.permutation(np.array(normal, dtype=object)), *rng.permutation(np.array(faulty, dtype=object))]
            soundfile.write(folder / "joined.flac", np.concatenate([sounds[clip][0] for clip in order]), rate)
            with tempfile.TemporaryDirectory() as scratch:
                journal = Journal(Path(scratch) / "log", settings_written(detector, known, system, asked))
                monitor = Monitor(
                    lambda sound, _: verdicts[sound[0].tobytes()], asked, journal, AudioKept(Path(scratch), 0)
                )
                begun = [
                    e["begin"] for e in monitor.listen(File(folder / "joined.flac")) if e["event"] == "alarm begins"
                ]
                journal.close()
            false.append(sum(begin < onset for begin in begun))
            right = [begin for begin in begun if begin >= onset]
            named.append(len(right))
            missed += not right
            delays += [right[0] - onset] if right else []
        above = [verdicts[sounds[clip][0].tobytes()].score > asked.rule.threshold for clip in (*normal, *faulty)]
        n_normal, n_faulty = sum(above[: len(normal)]), sum(above[len(normal) :])
        low, high = rate_interval(round(np.mean(false)), onset / 3600)
        delay = f", {np.median(delays):.0f} s after it began" if delays else ""
        print(
            f"  --promise '{promise}': {np.mean(false) * 3600 / onset:.2f} false alarms an hour (95 %, of one order: "
            f"{low:.2f} to {high:.2f}); above the threshold {_share(n_normal, len(normal))} of normal windows and "
            f"{_share(n_faulty, len(faulty))} of faulty ones; the fault was named in {orders - missed} of {orders} "
            f"orders, by {np.mean(named):.1f} alarms{delay}"
        )


def _share(count: int, n: int) -> str:
    low, high = share_interval(count, n)
    return f"{count / n:.0%} (95 %: {low:.0%} to {high:.0%})"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        if sys.argv[1] == "toycar":
            for name in sys.argv[2:] or ["default"]:
                (Path(home) / name).mkdir()
                toycar(name, Path(home) / name)
        else:
            runs, *swings = map(int, sys.argv[2:] or ["100"])
            for swing in swings or [0, 60]:
                (Path(home) / f"{swing}").mkdir()
                synthetic(runs, swing, Path(home) / f"{swing}")
