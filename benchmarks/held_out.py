"""What it costs to leave out a clip's neighbours too: the score stage of ``auto`` beside that of ``clip``."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from figures import show

SOURCE, TARGET, TEST, RECORDING = 990, 10, 200, 30
RATE = 16_000


def held_out() -> list[bool]:
    """Neighbours left out cost the score stage at most half as much again."""
    kept = []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        _recordings(data / "pump")
        for name in ("default", "logmel-knn"):
            seconds = {by: _score_stage(name, by, data, Path(folder) / name / by) for by in ("clip", "auto")}
            show(f"{name}: score stage by clip, 1,200 clips: CPU", seconds["clip"], None, "s")
            ratio = seconds["auto"] / seconds["clip"]
            kept.append(show(f"{name}: score stage by auto over by clip", ratio, 1.5, "times"))
    return kept


def _score_stage(name: str, by: str, data: Path, folder: Path) -> float:
    """Return the CPU seconds of a run whose features are stored, less those of a run whose scores are stored too."""
    import asdcore

    portfolio = asdcore.load_portfolio(name)
    portfolio = portfolio.model_copy(update={"out_of_fold": type(portfolio.out_of_fold)(by=by)})

    def seconds() -> float:
        shutil.rmtree(folder / "run", ignore_errors=True)
        started = time.process_time()
        asdcore.run(portfolio, data, folder / "run", task="dcase2023", store=folder / "store")
        return time.process_time() - started

    def without_scores() -> float:
        shutil.rmtree(folder / "store" / "scores")
        return seconds()

    seconds()
    return min(without_scores() for _ in range(3)) - min(seconds() for _ in range(3))


def _recordings(machine: Path) -> None:
    """Write clips of 1 s; the train clips of one recording share the colour of their noise."""
    import numpy as np
    import soundfile

    rng = np.random.default_rng(0)
    for split, domain, clips in (("train", "source", SOURCE), ("train", "target", TARGET), ("test", "source", TEST)):
        colours = rng.uniform(0.2, 0.8, size=-(-clips // RECORDING)).repeat(RECORDING)[:clips]
        if split == "test":
            colours = rng.uniform(0.2, 0.8, size=clips)
        (machine / split).mkdir(parents=True, exist_ok=True)
        for i, colour in enumerate(colours):
            noise = rng.normal(size=RATE)
            sound = 0.05 * (noise + colour * np.roll(noise, 1) + 0.05 * rng.normal(size=RATE))
            name = f"section_00_{domain}_{split}_normal_{i:04d}_noAttribute.wav"
            soundfile.write(machine / split / name, sound, RATE, subtype="PCM_16")
