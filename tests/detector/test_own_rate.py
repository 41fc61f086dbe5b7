"""A detector of recordings at 8 kHz in g: what it says of the rate at which it hears them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import asdcore
from asdcore.cli import app

RATE = 8000

PORTFOLIO = """
name = "own"
folds = 3

[branches.knn]
encoder = { name = "logmel", n_mels = 16 }
scorer = "knn"

[systems.own]
weights = { knn = 1.0 }
"""


@pytest.fixture(scope="module")
def own(made_once) -> Path:
    """A folder with data (8 kHz, in g), run, frozen manifest and detector."""

    def make(root: Path) -> None:
        (root / "data").mkdir(parents=True)
        draw = np.random.default_rng(0)
        rows = ["path,machine,split,unit"]
        for i in range(10):
            soundfile.write(root / "data" / f"{i}.wav", 0.1 * draw.standard_normal(RATE), RATE)
            rows.append(f"{i}.wav,motor,{'train' if i < 8 else 'test'},g")
        (root / "data" / "clips.csv").write_text("\n".join(rows))
        (root / "own.toml").write_text(PORTFOLIO)
        asdcore.run(root / "own.toml", data=root / "data", out=root / "run", store=root / "store")
        asdcore.freeze(root / "run", root / "own.json", time="2026-06-01T00:00:00Z")
        asdcore.export(root / "own.json", root / "own.asd")

    return made_once("own_rate", make)


def said(*words: object) -> str:
    """What a command writes, on both streams."""
    return CliRunner().invoke(app, list(map(str, words))).output


NOTE = "at 8000 Hz heard by encoder 'logmel' at 16000 Hz: its bands above 4000 Hz hold no sound"


def test_the_run_its_detector_and_the_commands_that_hear_by_it_say_which_bands_hold_no_sound(own, tmp_path):
    assert any(NOTE in note for note in asdcore.load_run(own / "run").about["notes"])
    assert any(NOTE in note for note in asdcore.load_detector(own / "own.asd").notes)
    assert NOTE in said("export", own / "own.json", "--out", tmp_path / "again.asd")
    assert NOTE in said("detect", own / "own.asd", f"{own}/data/8.wav#unit=g")
    assert NOTE in said("monitor", own / "own.asd", own / "data" / "8.wav", "--once", "--log", tmp_path / "log.jsonl")
