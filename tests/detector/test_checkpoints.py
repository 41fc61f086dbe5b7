"""Checkpoints travel inside a detector, or are found by the registry of the other machine."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import asdcore
from asdcore.data.recordings.audio import decode
from asdcore.errors import AsdcoreError
from asdcore.resources import add as adding
from asdcore.resources.registry import open_registry, resource_folder


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A registry of its own: the function leads to another one, as on another machine."""

    def use(name: str) -> Path:
        monkeypatch.setenv("ASDCORE_REGISTRY", str(tmp_path / name / "registry"))
        monkeypatch.setenv("ASDCORE_RESOURCES", str(tmp_path / name / "resources"))
        (tmp_path / name / "registry").mkdir(parents=True, exist_ok=True)
        return tmp_path / name

    use("here")
    return use


@pytest.fixture
def model(tmp_path) -> Path:
    """An ONNX model with its weights in a second file."""
    onnx = pytest.importorskip("onnx", reason="the package onnx writes the model")
    pytest.importorskip("onnxruntime", reason="ONNX models run on onnxruntime")
    from onnx import helper, numpy_helper

    weights = np.random.default_rng(0).normal(size=(4000, 4)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["in", "weight"], ["out"])],
        "g",
        [helper.make_tensor_value_info("in", 1, [1, 4000])],
        [helper.make_tensor_value_info("out", 1, [1, 4])],
        [numpy_helper.from_array(weights, "weight")],
    )
    path = tmp_path / "mine" / "model.onnx"
    path.parent.mkdir()
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, path, save_as_external_data=True, size_threshold=0, location="model.onnx.data")
    adding.add(path, open_registry(), "mine-onnx", source="https://example.org", licence="MIT", plugin="onnx")
    return path


def carried(checkpoint, data, folder, **how):
    """Run, freeze and export a portfolio; returns the run and the detector's file."""
    portfolio = asdcore.Portfolio(
        name="p",
        branches={"a": {"encoder": {"name": "onnx", "checkpoint": str(checkpoint)}, "scorer": "knn"}},
        systems={"S": {"weights": {"a": 1.0}}},
    )
    run = asdcore.run(portfolio, data, folder / "run", task="dcase2026", store=folder / "store")
    asdcore.freeze(run, folder / "frozen.json")
    return run, asdcore.export(folder / "frozen.json", folder / "frozen.asd", **how)


def check_equal(run, detector, data):
    clip, machine = run.clips.filter(split="test").select("clip", "machine").row(0)
    score = detector.score(*decode(data / clip), machine).score
    assert score == run.decisions.filter(clip=clip)["score"].item()


@pytest.mark.parametrize("named", ["its id", "the file", "its folder"])
def test_a_checkpoint_inside_needs_no_registry(dataset, tmp_path, registry, model, named):
    checkpoint = {"its id": "mine-onnx", "the file": model, "its folder": model.parent}[named]
    run, path = carried(checkpoint, dataset, tmp_path, with_checkpoints=True)
    registry("elsewhere")
    for file in sorted(model.parent.iterdir()):
        file.unlink()
    check_equal(run, asdcore.load_detector(path), dataset)


def test_a_checkpoint_by_hash_is_looked_for_in_the_registry(dataset, tmp_path, registry, model):
    run, path = carried("mine-onnx", dataset, tmp_path)
    check_equal(run, asdcore.load_detector(path), dataset)
    (resource_folder("mine-onnx") / "model.onnx.data").unlink()
    clip, machine = run.clips.filter(split="test").select("clip", "machine").row(0)
    with pytest.raises(AsdcoreError, match=r"model.onnx.data of mine-onnx is not in .*mine-onnx"):
        asdcore.load_detector(path).score(*decode(dataset / clip), machine)
    registry("elsewhere")
    with pytest.raises(AsdcoreError, match="mine-onnx.*neither a file or folder here nor a checkpoint in the registry"):
        asdcore.load_detector(path).score(*decode(dataset / clip), machine)


def test_a_network_on_other_kernels_is_noted(dataset, tmp_path, registry, model, monkeypatch):
    _, path = carried("mine-onnx", dataset, tmp_path)
    detector = asdcore.load_detector(path)
    assert detector.notes == []
    before = os.environ.get("OPENBLAS_L2_SIZE", "unset")
    monkeypatch.setenv("OPENBLAS_L2_SIZE", "1")
    (note,) = detector.notes
    assert "the network of a computes here with other code" in note
    assert f"OPENBLAS_L2_SIZE was {before}, is 1" in note


@pytest.mark.parametrize("exact", [False, True])
def test_a_real_network_inside_gives_the_scores_of_the_run(dataset, tmp_path, shared, monkeypatch, exact):
    weights = shared("weights", "mn04_as") / "mn04_as_mAP_432.pt"
    encoder = {"name": "efficientat", "checkpoint": str(weights), "layer": [5, 10], "exact": exact}
    portfolio = asdcore.Portfolio(
        name="real",
        branches={"a": {"encoder": encoder, "scorer": "knn"}, "b": {"encoder": encoder, "scorer": "mahalanobis"}},
        systems={"S": {"weights": {"a": 1.0, "b": 1.0}}},
    )
    run = asdcore.run(portfolio, dataset, tmp_path / "run", task="dcase2026", store=tmp_path / "store")
    asdcore.freeze(run, tmp_path / "frozen.json")
    path = asdcore.export(tmp_path / "frozen.json", tmp_path / "frozen.asd", with_checkpoints=True)
    assert path.stat().st_size > weights.stat().st_size
    detector = asdcore.load_detector(path)
    check_equal(run, detector, dataset)
    monkeypatch.setenv("OPENBLAS_L2_SIZE", "1")
    assert len(detector.notes) == (0 if exact else 1)
