"""One small frozen run and its detector, for every test of detectors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import asdcore
from asdcore.data.audio import decode

PORTFOLIO = """
name = "carried"
seed = 1
folds = 3

[branches.knn]
encoder = { name = "logmel", n_mels = 16 }
scorer = { name = "knn", metric = "cosine" }

[branches.lof]
encoder = { name = "logmel", n_mels = 16 }
scorer = { name = "lof", k = 2 }
normalizer = { name = "ecdf", output = "normal" }

[branches.gauss]
view = "far"
encoder = { name = "logmel", n_mels = 16, pooling = "mean_std" }
scorer = "mahalanobis"

[branches.means]
encoder = { name = "logmel", n_mels = 16, pooling = "frames" }
scorer = { name = "kmeans", k = 2 }

[systems.carried]
weights = { knn = 0.5, gauss = 0.25, means = 0.25 }
transform = { name = "log1p" }
guards = [
  { name = "tail", support = "gauss", quantile = 0.6, strength = 0.5 },
  { name = "tail", support = "lof", quantile = 0.5, strength = 0.25 },
]

[systems.largest]
weights = { knn = 1.0, lof = 1.0 }
fusion = "max"

[systems.mirrored]
out_of_fold_mirror_of = "carried"

[decision]
rule = "ecdf"
quantile = 0.8
"""


@dataclass
class Carried:
    """A frozen run, and its detector. ``root`` holds data, run, store, manifest and detector."""

    root: Path

    @property
    def run(self) -> asdcore.Run:
        return asdcore.load_run(self.root / "run")

    @property
    def manifest(self) -> Path:
        return self.root / "frozen.json"

    @property
    def path(self) -> Path:
        return self.root / "frozen.asd"

    def clips(self) -> list[tuple[str, str, str, np.ndarray, int]]:
        """clip, machine, section, audio and sample rate of every test clip."""
        test = self.run.clips.filter(split="test").select("clip", "machine", "section").rows()
        return [(*row, *decode(self.root / "data" / row[0])) for row in test]


@pytest.fixture(scope="session")
def carried(made_once, make_dataset) -> Carried:
    """Not to be spoilt."""

    def make(root: Path) -> None:
        make_dataset(root / "data", source=12, target=4, test=2)
        (root / "portfolio.toml").write_text(PORTFOLIO)
        places = {"data": root / "data", "out": root / "run", "store": root / "store"}
        asdcore.run(root / "portfolio.toml", task="dcase2026", **places)
        asdcore.freeze(root / "run", root / "frozen.json", time="2026-06-01T00:00:00Z")
        asdcore.export(root / "frozen.json", root / "frozen.asd")

    return Carried(made_once("detector", make))


@pytest.fixture(scope="session")
def detector(carried) -> asdcore.Detector:
    return asdcore.load_detector(carried.path)
