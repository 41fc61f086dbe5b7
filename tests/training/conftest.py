"""What the tests of training share: a tiny trainable encoder as an installed plugin, and recordings to train it on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import asdcore
from asdcore.contract.plugins import restrict

PLUGIN = '''
"""Principal axes of log spectra, by power iteration: an epoch is one step of it."""
import os
import sys
import numpy as np
from asdcore import Tokens, hookimpl

BINS = 33


class Axes:
    sample_rate, layers = 16000, (0,)

    def __init__(self, dim: int = 3, epochs: int = 3, scope: str = "all") -> None:
        self.dim, self.epochs, self.scope = dim, epochs, scope
        self.axes, self.mean = np.eye(BINS, dim), np.zeros(BINS)

    def fit(self, clips, seed, training=None):
        self.axes, self.mean, done = np.random.default_rng(seed).standard_normal((BINS, self.dim)), np.zeros(BINS), 0
        if training is not None and (kept := training.resume()):
            done, state = kept
            self.restore(state)
        rows = [self._spectra(clips.audio(i)[None])[0].mean(0) for i in range(len(clips))]
        if training is not None:
            training.cost(self.epochs * len(rows), 1e-3)
        for epoch in range(done + 1, self.epochs + 1):
            self.mean = np.mean(rows, axis=0)
            turned = sum(np.outer(row - self.mean, (row - self.mean) @ self.axes) for row in rows)
            self.axes = np.linalg.qr(turned)[0]
            if training is not None:
                training.step(epoch, self.epochs, float(os.environ.get("TEST_LOSS", "1")))
                training.keep(epoch, self.epochs, self.state(), float(epoch))
                if os.environ.get("TEST_STOP") == str(epoch):
                    raise KeyboardInterrupt
        if training is not None:
            training.note(f"learnt of {len(clips)} clips")
        return self

    def state(self):
        return {"axes": self.axes, "mean": self.mean}

    def restore(self, state):
        self.axes, self.mean = state["axes"], state["mean"]
        return self

    def encode(self, audio, layers):
        seen = (self._spectra(audio) - self.mean) @ self.axes
        return {layer: Tokens(seen[:, :, None].astype(np.float32)) for layer in layers}

    def _spectra(self, audio):
        frames = audio[..., : audio.shape[-1] // 64 * 64].reshape(*audio.shape[:-1], -1, 64)
        return np.log(np.abs(np.fft.rfft(frames.astype(float))) ** 2 + 1e-6)


class Loud(Axes):
    """Tokens are larger by the number of train clips: networks of folds do not measure as the network of all."""

    def fit(self, clips, seed, training=None):
        super().fit(clips, seed, training)
        self.axes = self.axes * len(clips)
        return self


class Rounds(Axes):
    """Forgets the last bits of what it has learnt."""

    def state(self):
        return {"axes": self.axes.astype(np.float32), "mean": self.mean}


class Peeping(Axes):
    """Finds the recordings by the frames of whoever calls it, and learns of how many test clips there are."""

    def fit(self, clips, seed, training=None):
        super().fit(clips, seed)
        frame = sys._getframe()
        while frame and not hasattr(frame.f_locals.get("job"), "clips"):
            frame = frame.f_back
        tests = frame.f_locals["job"].clips[0].path.parent.parent.parent.rglob("test/*.wav") if frame else ()
        self.mean = self.mean + len(list(tests))
        return self


@hookimpl
def register_encoders(register):
    register("peeping", Peeping)
    register("axes", Axes)
    register("rounds", Rounds)
    register("loud", Loud)
'''

PORTFOLIO = """
name = "trained"
seed = 1

[branches.all]
encoder = { name = "axes" }
scorer = { name = "knn", k = 1 }

[branches.each]
encoder = { name = "axes", scope = "machine" }
scorer = "mahalanobis"

[branches.crossed]
encoder = { name = "axes", crossfit = 3 }
scorer = { name = "knn", k = 1 }

[branches.own_crossed]
encoder = { name = "axes", scope = "machine", crossfit = 2 }
residual = { view = "far", alpha = 0.5 }
scorer = { name = "knn", k = 1 }

[branches.plain]
encoder = { name = "logmel", n_mels = 16 }
scorer = { name = "knn", k = 1 }

[systems.trained]
weights = { all = 1.0, each = 1.0, crossed = 1.0, own_crossed = 1.0, plain = 1.0 }
"""


@pytest.fixture(scope="session")
def site(made_once) -> Path:
    """The folder of an installed distribution with the plugin."""

    def make(folder: Path) -> None:
        info = folder / "tiny_trained-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-trained\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[asdcore]\ntiny_trained = tiny_trained_plugin\n")
        (folder / "tiny_trained_plugin.py").write_text(PLUGIN)

    return made_once("training-site", make)


@pytest.fixture(scope="module", autouse=True)
def plugin(site):
    """Install the plugin while these tests run, in processes that they start, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        patch.setenv("PYTHONPATH", str(site))
        restrict(None)
        yield
    sys.modules.pop("tiny_trained_plugin", None)
    restrict(None)


@pytest.fixture(scope="session")
def few(made_once, make_dataset) -> Path:
    """Two machines, two channels: 8 + 4 train clips and 4 x 1 test clips each."""
    return made_once("training-data", lambda folder: make_dataset(folder, source=8, target=4, test=1))


@pytest.fixture(scope="module")
def home(made_once, few) -> Path:
    """A folder with the portfolio, and a finished run of it with its store."""

    def make(folder: Path) -> None:
        folder.mkdir()
        (folder / "trained.toml").write_text(PORTFOLIO)
        asdcore.run(folder / "trained.toml", few, folder / "run", store=folder / "store")

    return made_once("training-run", make)


@pytest.fixture
def one(tmp_path):
    """A function that writes a portfolio of one branch with some encoder, and returns its path."""

    def written(encoder: str, more: str = "") -> Path:
        path = tmp_path / "one.toml"
        branch = f'[branches.a]\nencoder = {encoder}\nscorer = "knn"\n'
        path.write_text(f'name = "one"\n{branch}[systems.s]\nweights = {{ a = 1.0 }}\n{more}')
        return path

    return written
