"""Runs that several test files make: a portfolio of their own, on a dataset of their own."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

import asdcore


@pytest.fixture(scope="session")
def run_of(make_dataset, tmp_path_factory):
    """A function that writes a portfolio, and a dataset of one machine, "fan", and runs the one on the other."""

    def run(portfolio: str, **clips: int) -> asdcore.Run:
        folder = tmp_path_factory.mktemp("run_of")
        data = make_dataset(folder / "data", ("fan",), **clips)
        (folder / "portfolio.toml").write_text(portfolio)
        return asdcore.run(folder / "portfolio.toml", data, folder / "run", task="dcase2026", store=folder / "store")

    return run


TRIALS = """
name = "p"
seeds = [4, 12, 7]
[branches.mixed]
encoder = { name = "logmel", n_mels = 8 }
scorer = { name = "gmm", components = 3 }
[branches.near]
encoder = { name = "logmel", n_mels = 8 }
scorer = "knn"
[systems.mixed]
weights = { mixed = 1.0 }
[systems.near]
weights = { near = 1.0 }
"""


def hard_to_tell(root):
    """Let all clips be noise of changing loudness, of which anomalies have a little more."""
    for i, path in enumerate(sorted(root.rglob("*.wav"))):
        rng = np.random.default_rng(i)
        loudness = 0.1 * rng.uniform(0.5, 1.5) * (1.3 if "anomaly" in path.name else 1)
        soundfile.write(path, loudness * rng.standard_normal((4000, 2)), 16000, subtype="PCM_16")


@pytest.fixture(scope="session")
def trials(tmp_path_factory, make_dataset):
    """Trials with the seeds 4, 12 and 7 on two machines."""
    home = tmp_path_factory.mktemp("trials")
    hard_to_tell(make_dataset(home / "data", source=12, target=4, test=6))
    (home / "p.toml").write_text(TRIALS)
    return asdcore.run(home / "p.toml", home / "data", home / "trials", task="dcase2026", store=home / "store")
