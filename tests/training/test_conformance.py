"""The checks of trainable encoders pass a sound one, and find each fault that is planted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from asdcore import DataError, Tokens
from asdcore.frozen.rerun.plugin_check import check_in_a_run
from asdcore.testing import checks

BANDS = 16
TRAINING = [name for name in checks("encoder") if any(word in name for word in ("train", "resume", "unseen", "scope"))]


class Mean:
    """Learns the mean of log spectra and a turned basis, in three epochs."""

    sample_rate, layers, scope = 8000, (0,), "all"
    seen: list[np.ndarray] = []

    def __init__(self):
        self.mean = self.basis = None

    def fit(self, clips, seed, training=None):
        self.begin(seed)
        kept = training.resume() if training else None
        done, state = kept or (0, None)
        if state is not None:
            self.mean, self.steps = np.array(state["mean"]), int(state["steps"])
        for epoch in range(done + 1, 4):
            for row in self.rows(clips):
                self.steps += 1
                self.mean = self.mean + (row - self.mean) / (1 + self.steps)
            if training:
                training.keep(epoch, 3, self.kept(), 1.0)
        return self.after(clips)

    def begin(self, seed):
        self.basis, self.mean, self.steps = np.random.default_rng(seed).standard_normal((BANDS, 3)), np.zeros(BANDS), 0

    def rows(self, clips):
        return [self.spectra(clips.audio(i)[None])[0].mean(0) for i in range(len(clips))]

    def kept(self):
        return {"mean": self.mean, "steps": self.steps}

    def after(self, clips):
        return self

    def state(self):
        if self.mean is None:
            raise DataError("it has not been trained")
        return {"mean": self.mean.copy(), "basis": self.basis.copy()}

    def restore(self, state):
        self.mean, self.basis = state["mean"], state["basis"]
        return self

    def spectra(self, audio):
        frames = audio[..., : audio.shape[-1] // 30 * 30].reshape(len(audio), -1, 30).astype(float)
        return np.log(np.abs(np.fft.rfft(frames)) ** 2 + 1e-6)

    def encode(self, audio, layers):
        if set(layers) - {0}:
            raise ValueError(layers)
        tokens = (self.spectra(audio) - self.mean) @ self.basis
        return {layer: Tokens(tokens[:, :, None].astype(np.float32)) for layer in layers}


class Linear(Mean):
    """A tiny torch network that tells machines apart, with Adam."""

    scope = "machine"

    def fit(self, clips, seed, training=None):
        self.begin(seed)
        self.layer = torch.nn.Linear(BANDS, 3, dtype=torch.float64)
        with torch.no_grad():
            self.layer.weight.copy_(torch.from_numpy(self.basis.T.copy()))
            self.layer.bias.zero_()
        optimizer = torch.optim.Adam(self.layer.parameters(), lr=0.01)
        rows = torch.from_numpy(np.array(self.rows(clips)))
        names = sorted(set(clips.attributes))
        labels = torch.tensor([names.index(name) for name in clips.attributes])
        done, kept = (training.resume() if training else None) or (0, None)
        if kept:
            self.layer.load_state_dict({key: torch.from_numpy(np.array(kept[key])) for key in ("weight", "bias")})
            optimizer.load_state_dict(self.moments(kept, optimizer))
        for epoch in range(done + 1, 4):
            loss = torch.nn.functional.cross_entropy(self.layer(rows), labels)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            if training:
                training.keep(epoch, 3, self.with_moments(optimizer), float(loss.detach()))
        self.mean, self.basis = np.zeros(BANDS), self.layer.weight.detach().numpy().T.copy()
        return self

    def with_moments(self, optimizer):
        weights = {key: value.numpy().copy() for key, value in self.layer.state_dict().items()}
        states = optimizer.state_dict()["state"].items()
        moments = {str(i): {key: value.numpy().copy() for key, value in state.items()} for i, state in states}
        return weights | {"moments": moments}

    def moments(self, kept, optimizer):
        told = optimizer.state_dict()
        told["state"] = {
            int(i): {key: torch.from_numpy(np.array(value)) for key, value in state.items()}
            for i, state in kept["moments"].items()
        }
        return told


def failed(make, *names):
    return {name for name, check in checks("encoder").items() if (not names or name in names) and fails(check, make)}


def fails(check, make):
    try:
        check(make)
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("make", [Mean, Linear])
def test_a_sound_encoder_passes(make):
    """All other checks pass one that ``new_plugin`` writes: see tests/authoring/test_scaffold.py."""
    assert failed(make, *TRAINING, "check_restores_exactly", "check_restore_forgets", "check_input_unchanged") == set()


class PeeksBeside(Mean):
    """Learns of the array that its audio is a window on."""

    def rows(self, clips):
        base = clips.audio(0)
        while isinstance(base.base, np.ndarray):
            base = base.base
        return [*super().rows(clips), self.spectra(base.reshape(-1, clips.n_samples[0])).mean((0, 1))]


class AsksForTestClips(Mean):
    """Would learn of test clips, if there were a way."""

    def after(self, clips):
        self.mean = self.mean + len(getattr(clips, "test", ()))
        return self


class AsksForPaths(Mean):
    def after(self, clips):
        with pytest.raises(AttributeError):
            _ = clips.path
        return self


class AsksForTestDomains(Mean):
    def after(self, clips):
        return clips.test_domain and self


class RemembersInItself(Mean):
    """Goes on from what it learnt before."""

    def begin(self, seed):
        if self.mean is None:
            super().begin(seed)


class RemembersInItsClass(Mean):
    def after(self, clips):
        type(self).seen = [*self.seen, self.mean]
        self.mean = np.mean(self.seen, axis=0)
        return self


class Unseeded(Mean):
    def begin(self, seed):
        super().begin(seed)
        self.basis = np.random.standard_normal((BANDS, 3))


class ForgetsTheStep(Mean):
    """Keeps less than it needs to go on."""

    def kept(self):
        return super().kept() | {"steps": 0}


class KeepsNothing(Mean):
    def fit(self, clips, seed, training=None):
        return super().fit(clips, seed)


class ReturnsNothing(Mean):
    def after(self, clips):
        return None


class RoundsItsState(Mean):
    def state(self):
        return {"mean": super().state()["mean"].astype(np.float32), "basis": self.basis}


class OtherScope(Mean):
    scope = "section"


PLANTED = {
    PeeksBeside: "check_unseen_clips_change_nothing",
    AsksForTestClips: "check_asks_for_train_clips_alone",
    AsksForPaths: "check_asks_for_train_clips_alone",
    AsksForTestDomains: "check_asks_for_train_clips_alone",
    RemembersInItself: "check_training_forgets",
    RemembersInItsClass: "check_training_forgets",
    Unseeded: "check_trained_twice_gives_the_same_bits",
    ForgetsTheStep: "check_resumes_to_the_same_bits",
    KeepsNothing: "check_resumes_to_the_same_bits",
    ReturnsNothing: "check_training_returns_self",
    RoundsItsState: "check_restores_exactly",
    OtherScope: "check_scope",
}


@pytest.mark.parametrize(("make", "check"), PLANTED.items(), ids=lambda value: getattr(value, "__name__", value))
def test_a_planted_fault_is_found(make, check):
    assert failed(make, check) == {check}


def test_an_encoder_that_is_not_trained_passes_the_checks_of_training():
    assert len(TRAINING) >= 6
    assert failed("logmel", *TRAINING) == set()


def test_one_that_finds_test_clips_by_the_frames_of_the_run_is_found_in_a_run(few):
    """From outside: the run is made again with half of the test clips, and gives others other scores."""
    results = check_in_a_run("encoder", "peeping", few)
    assert [result.name for result in results if not result.passed]
