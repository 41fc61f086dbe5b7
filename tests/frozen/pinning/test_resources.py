"""Of what a portfolio reads from disk, only what the registry records with source and hash may be frozen."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from asdcore.components.build import load_encoder
from asdcore.errors import DataError, ResourceError
from asdcore.frozen.pinning.resources import pinned_resources
from asdcore.portfolio import parse_portfolio
from asdcore.resources import add as adding
from asdcore.resources.registry import open_registry, resource_folder

ENTRY = """
title = "{id}"
kind = "checkpoint"
source = "https://example.org/{id}"
revision = "1"
licence = "MIT"
plugin = "encoders.mine"
evidence = "computed: by this test"
allowed_because = "this test says so"
{folder}
[allowed]
2026 = "yes"
2025 = "no"

"""


@pytest.fixture
def add(tmp_path, monkeypatch):
    """A function that records a checkpoint of some files and puts them where the registry keeps them."""
    monkeypatch.setenv("ASDCORE_REGISTRY", str(tmp_path / "registry"))
    monkeypatch.setenv("ASDCORE_RESOURCES", str(tmp_path / "resources"))
    (tmp_path / "registry").mkdir()

    def record(identifier: str, **files: bytes) -> Path:
        folder = tmp_path / "resources" / identifier
        folder.mkdir(parents=True)
        text = ENTRY.format(id=identifier, folder="folder = true\n" if len(files) > 1 else "")
        for name, content in files.items():
            (folder / name).write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            text += f'[[files]]\nname = "{name}"\nsize = {len(content)}\nsha256 = "{digest}"\n\n'
        (tmp_path / "registry" / f"{identifier}.toml").write_text(text)
        return folder

    return record


def plan(guard=None, **branches):
    """A portfolio of branches, each given the parameters of its components."""
    made = {
        name: {kind: {"name": kind, **components.get(kind, {})} for kind in ("view", "encoder", "scorer", "normalizer")}
        for name, components in branches.items()
    }
    system = {"weights": dict.fromkeys(made, 1.0), "guards": [{"name": "g", **guard}] if guard else []}
    return parse_portfolio({"name": "p", "branches": made, "systems": {"S": system}})


@pytest.fixture
def split_model(tmp_path):
    """An ONNX model with its weights in a second file."""
    onnx = pytest.importorskip("onnx", reason="the package onnx writes the model")
    from onnx import helper, numpy_helper

    weight = numpy_helper.from_array(np.ones((16, 4), np.float32), "weight")
    given, out = (helper.make_tensor_value_info(name, 1, [1, n]) for name, n in (("in", 16), ("out", 4)))
    graph = helper.make_graph([helper.make_node("MatMul", ["in", "weight"], ["out"])], "g", [given], [out], [weight])
    path = tmp_path / "mine" / "model.onnx"
    path.parent.mkdir()
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path, save_as_external_data=True, size_threshold=0, location="model.onnx.data")
    return path


@pytest.mark.parametrize("named", ["the file", "its folder", "the id"])
def test_all_files_of_a_model_are_pinned_however_it_is_named(named, add, split_model):
    pytest.importorskip("onnxruntime", reason="ONNX models run on onnxruntime")
    said = {"source": "https://example.org/mine", "licence": "MIT", "plugin": "onnx"}
    entry = adding.add(split_model, open_registry(), "mine-onnx", **said)
    assert [(one.name, entry.folder) for one in entry.files] == [("model.onnx", True), ("model.onnx.data", True)]
    checkpoint = {"the file": split_model, "its folder": split_model.parent, "the id": "mine-onnx"}[named]
    (pinned,) = pinned_resources(plan(a={"encoder": {"name": "onnx", "checkpoint": str(checkpoint)}}))
    assert pinned.subjects == ["resource/mine-onnx/model.onnx", "resource/mine-onnx/model.onnx.data"]
    assert pinned.folder == (resource_folder("mine-onnx") if named == "the id" else split_model.parent)
    encoder = load_encoder("onnx", checkpoint=checkpoint)
    assert encoder.encode(np.ones((1, 16), np.float32))["out"].patches.tolist() == [[[[16.0] * 4]]]


def test_a_model_whose_second_file_the_registry_does_not_know_is_refused(add, split_model):
    said = {"source": "https://example.org/mine", "licence": "MIT", "plugin": "onnx"}
    adding.add(split_model, open_registry(), "mine-onnx", **said)
    data = split_model.with_name("model.onnx.data")
    content = data.read_bytes()
    data.unlink()  # it is a hard link to what the registry keeps
    data.write_bytes(content[:-1] + b"x")
    for checkpoint in (split_model, split_model.parent):
        with pytest.raises(ResourceError, match=r"the 2 files of .* have hashes that no entry of the registry records"):
            pinned_resources(plan(a={"encoder": {"name": "onnx", "checkpoint": str(checkpoint)}}))
    data.unlink()
    with pytest.raises(DataError, match=r"model\.onnx\.data, which is not beside it.*external_data=False"):
        pinned_resources(plan(a={"encoder": {"name": "onnx", "checkpoint": str(split_model)}}))


def test_of_weights_in_a_folder_of_the_hub_what_describes_them_is_pinned_too(add):
    folder = add("hub-1", **{"config.json": b"{}", "model.safetensors": b"weights", "vocab.txt": b"a"})
    named = str(folder / "model.safetensors")
    (pinned,) = pinned_resources(plan(a={"encoder": {"name": "ast", "checkpoint": named}}))
    assert pinned.names == ["config.json", "model.safetensors"]
    (folder / "config.json").write_bytes(b'{"hidden_size": 1}')
    with pytest.raises(ResourceError, match="no entry of the registry records"):
        pinned_resources(plan(a={"encoder": {"name": "ast", "checkpoint": named}}))


def test_a_portfolio_that_reads_nothing_pins_nothing(add):
    assert pinned_resources(plan(a={}, b={"encoder": {"sample_rate": 16000, "name_of": "no/such/file.pt"}})) == []


def test_a_checkpoint_is_pinned_with_what_the_registry_says_of_it(add):
    folder = add("mine-v1", weights=b"12345")
    (pinned,) = pinned_resources(plan(a={"encoder": {"checkpoint": "mine-v1"}}))
    assert (pinned.folder, pinned.subjects, pinned.branches) == (folder, ["resource/mine-v1/weights"], {"a"})
    assert not pinned.is_elsewhere
    assert pinned.as_json() == {
        "id": "mine-v1",
        "title": "mine-v1",
        "source": "https://example.org/mine-v1",
        "revision": "1",
        "licence": "MIT",
        "plugin": "encoders.mine",
        "allowed": {"2025": "no", "2026": "yes"},
        "files": ["weights"],
    }


def test_one_checkpoint_of_several_branches_is_pinned_once_and_ids_are_sorted(add):
    add("b-v1", weights=b"1")
    add("a-v1", weights=b"2")
    branches = {name: {"encoder": {"checkpoint": one}} for name, one in (("x", "b-v1"), ("y", "a-v1"), ("z", "b-v1"))}
    found = pinned_resources(plan(**branches))
    assert [(one.entry.id, one.branches) for one in found] == [("a-v1", {"y"}), ("b-v1", {"x", "z"})]


def test_a_folder_of_files_is_pinned_file_by_file(add):
    add("model-v1", config=b"{}", weights=b"12345")
    (pinned,) = pinned_resources(plan(a={"encoder": {"checkpoint": "model-v1"}}))
    assert pinned.subjects == ["resource/model-v1/config", "resource/model-v1/weights"]


@pytest.mark.parametrize("kind", ["view", "encoder", "scorer", "normalizer"])
def test_whatever_component_reads_it_it_is_pinned(add, kind):
    add("mine-v1", weights=b"12345")
    (pinned,) = pinned_resources(plan(a={kind: {"checkpoint": "mine-v1"}}, b={}))
    assert pinned.branches == {"a"}


def test_what_a_guard_reads_concerns_every_branch(add):
    add("mine-v1", weights=b"12345")
    (pinned,) = pinned_resources(plan(guard={"checkpoint": "mine-v1"}, a={}, b={}))
    assert pinned.branches == {"a", "b"}


def test_a_path_is_known_by_its_content_and_its_place_is_said(add, tmp_path):
    add("mine-v1", weights=b"12345")
    (tmp_path / "downloads").mkdir()
    copy = tmp_path / "downloads" / "renamed.pt"
    copy.write_bytes(b"12345")
    for key in ("checkpoint", "another_parameter"):
        (pinned,) = pinned_resources(plan(a={"encoder": {key: str(copy)}}))
        assert (pinned.entry.id, pinned.folder, pinned.is_elsewhere) == ("mine-v1", copy.parent, True)
        assert pinned.subjects == ["resource/mine-v1/renamed.pt"]


@pytest.mark.parametrize("key", ["checkpoint", "another_parameter"])
def test_a_file_that_the_registry_does_not_record_is_refused_saying_where(add, tmp_path, key):
    unknown = tmp_path / "unknown.pt"
    unknown.write_bytes(b"who knows")
    said = rf"branches.a.encoder: .*unknown.pt has the SHA-256 {hashlib.sha256(b'who knows').hexdigest()}.*registry add"
    with pytest.raises(ResourceError, match=said):
        pinned_resources(plan(a={"encoder": {key: str(unknown)}}))


def test_a_checkpoint_that_is_not_what_the_registry_records_is_refused(add):
    folder = add("mine-v1", weights=b"12345")
    (folder / "weights").write_bytes(b"54321")
    with pytest.raises(ResourceError, match="branches.a.encoder: .*weights has the SHA-256"):
        pinned_resources(plan(a={"encoder": {"checkpoint": "mine-v1"}}))
    (folder / "weights").unlink()
    with pytest.raises(ResourceError, match="branches.a.encoder: weights of mine-v1 is not in"):
        pinned_resources(plan(a={"encoder": {"checkpoint": "mine-v1"}}))
