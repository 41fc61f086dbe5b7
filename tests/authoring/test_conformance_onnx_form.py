"""A component whose ONNX form gives other numbers is found out; one that refuses, or has none, passes."""

from __future__ import annotations

import numpy as np
import pytest

from asdcore import DataError
from asdcore.authoring.conformance import onnx_form
from asdcore.authoring.conformance.kinds import guard, normalizer, scorer, view
from asdcore_plugins.guards.tail import TailGuard
from asdcore_plugins.normalizers.mean_std import MeanStd
from asdcore_plugins.scorers.knn import KNN
from asdcore_plugins.scorers.pca_residual import PCAResidual
from asdcore_plugins.views.channels import Mean


class TheFirstChannel(Mean):
    def to_onnx(self, audio, sample_rate):
        return audio.take(0)


class InFloat16(MeanStd):
    def to_onnx(self, scores):
        return super().to_onnx(scores).astype(np.float16).astype(np.float64)


class ForgetsAReference(PCAResidual):
    def __init__(self):
        super().__init__(components=3, references=["pooled", "source"])

    def to_onnx(self, features):
        return {"pooled": super().to_onnx(features)["pooled"]}


class TheFarthest(KNN):
    def distances_to_onnx(self, distances):
        return {name: distances.take(rows, axis=1).max(1) for name, rows in self._banks.items()}


class NoExcess(TailGuard):
    def __init__(self):
        super().__init__("near_knn")

    def to_onnx(self, base, z):
        return 0.0 * super().to_onnx(base, z)


class Refuses(MeanStd):
    def to_onnx(self, scores):
        raise DataError("not with these parameters")


class NeedsTheNumbers(MeanStd):
    def to_onnx(self, scores):
        return scores["pooled"] if scores["pooled"] > 0 else -scores["pooled"]


FOUND = [
    (onnx_form.check_onnx_form, view.ViewBench, TheFirstChannel, "waveform of row 0 is "),
    (onnx_form.check_onnx_form, normalizer.NormalizerBench, InFloat16, "In what to_onnx writes, z of row 0 is "),
    (onnx_form.check_onnx_form, scorer.ScorerBench, ForgetsAReference, "to_onnx gave pooled, and the component pooled"),
    (onnx_form.check_onnx_form_by_distances, scorer.ScorerBench, TheFarthest, "(pooled|source|target) of row 0 is "),
    (onnx_form.check_onnx_form, guard.GuardBench, NoExcess, "penalty of row 0 is -?0 instead of "),
]


@pytest.mark.parametrize(("check", "bench", "component", "message"), FOUND, ids=[row[2].__name__ for row in FOUND])
def test_an_onnx_form_that_differs_is_found(check, bench, component, message):
    with pytest.raises(AssertionError, match=message):
        check(bench(component))


@pytest.mark.parametrize("component", [Refuses, NeedsTheNumbers])
def test_a_refusal_will_do(component):
    onnx_form.check_onnx_form(normalizer.NormalizerBench(component))


def test_without_onnxruntime_nothing_is_checked(monkeypatch):
    monkeypatch.setattr(onnx_form, "find_spec", lambda name: None)
    onnx_form.check_onnx_form(normalizer.NormalizerBench(InFloat16))
