"""A component is built by name, its checkpoint named by a path or by an id: the same file, the same features."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import asdcore
from asdcore import Tokens, hookimpl
from asdcore.components import build as building
from asdcore.components.build import build
from asdcore.components.checkpoints import check_checkpoint, pinned, resolved
from asdcore.compute.recipes import component_recipe
from asdcore.contract.plugins import Component, Plugins
from asdcore.errors import PluginError, PortfolioError, ResourceError
from asdcore.portfolio import load_portfolio
from asdcore.resources import registry as shipped
from asdcore.resources.add import add
from asdcore.resources.checkpoint_files import checkpoint_files
from asdcore.resources.registry import open_registry, resource_folder

WEIGHTS = b"\x03"
PLUGIN = '''
from pathlib import Path

import numpy as np
from asdcore import Tokens, hookimpl


class Weighted:
    """Frames of sound, multiplied by the first byte of the checkpoint."""

    sample_rate = 16000
    layers = (0,)

    def __init__(self, checkpoint):
        assert isinstance(checkpoint, Path)
        file = checkpoint / "w.pt" if checkpoint.is_dir() else checkpoint
        self.weight = np.float32(file.read_bytes()[0])

    def encode(self, audio, layers):
        frames = audio[:, : audio.shape[1] // 100 * 100].reshape(len(audio), -1, 4, 25)
        return {layer: Tokens((self.weight * frames).astype(np.float32)) for layer in layers}


@hookimpl
def register_encoders(register):
    register("weighted", Weighted)
'''


class Weighted:
    sample_rate = 16000
    layers = (0,)

    def __init__(self, checkpoint=None, more=None):
        self.checkpoint = checkpoint

    def encode(self, audio, layers):
        return {layer: Tokens(audio[:, None, None]) for layer in layers}


class Theirs:
    @hookimpl
    def register_encoders(self, register):
        register("weighted", Weighted)


@pytest.fixture
def plugins():
    return Plugins([("theirs", Theirs(), "theirs", "1")])


@pytest.fixture
def weights(tmp_path):
    """A checkpoint that the registry knows as ``tiny``, and that also lies elsewhere under another name."""
    path = tmp_path / "mine" / "w.pt"
    path.parent.mkdir()
    path.write_bytes(WEIGHTS)
    add(path, open_registry(), "tiny", source="https://example.org", licence="MIT", plugin="weighted")
    return path


def test_a_component_gets_a_path_whatever_names_its_checkpoint(plugins, weights):
    place = resource_folder("tiny") / "w.pt"
    for named, path in (("tiny", place), (str(weights), weights), (weights, weights), (weights.parent, weights.parent)):
        assert build("encoder", "weighted", {"checkpoint": named}, plugins).checkpoint == path
    assert build("encoder", "weighted", {"checkpoint": None}, plugins).checkpoint is None
    assert build("encoder", "weighted", {}, plugins).checkpoint is None


def test_the_public_loaders_take_an_id(plugins, weights, monkeypatch):
    monkeypatch.setattr(building, "installed", lambda: plugins)
    encoder = asdcore.load_encoder("weighted", checkpoint="tiny")
    assert encoder.checkpoint == resource_folder("tiny") / "w.pt"


@pytest.mark.parametrize("named", ["tinny", "no/such/file.pt", "./tiny", "TINY", Path("nowhere.pt")])
def test_what_is_neither_path_nor_id_is_refused_with_both_named(weights, named):
    said = "is neither a file or folder here nor a checkpoint in the registry.*'asdcore registry list' shows all"
    for what in (resolved, check_checkpoint, pinned):
        with pytest.raises(ResourceError, match=said):
            what({"checkpoint": named})
    with pytest.raises(ResourceError, match=r"Did you mean 'tiny'\?"):
        resolved({"checkpoint": "tinny"})


@pytest.mark.parametrize("named", ["", 3, True, ["tiny"], {"path": "x"}])
def test_a_checkpoint_is_a_path_or_an_id(named):
    for what in (resolved, check_checkpoint):
        with pytest.raises(ResourceError, match="a path is allowed, or the id of a registry entry"):
            what({"checkpoint": named})


def test_a_name_that_is_both_is_refused(weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").write_bytes(b"another")
    with pytest.raises(ResourceError, match=r"is a registry entry, but also a path here: './tiny' is the path"):
        resolved({"checkpoint": "tiny"})
    assert resolved({"checkpoint": "./tiny"}) == {"checkpoint": Path("tiny")}


def test_a_dataset_is_no_checkpoint():
    with pytest.raises(ResourceError, match="'dcase2026-dev' is neither"):
        resolved({"checkpoint": "dcase2026-dev"})


def test_checking_reads_no_checkpoint(weights, monkeypatch):
    monkeypatch.setattr(shipped, "file_digest", lambda path: pytest.fail(f"{path} was read"))
    check_checkpoint({"checkpoint": "tiny"})
    check_checkpoint({"checkpoint": "beats-iter3-plus-as2m"})
    check_checkpoint({"checkpoint": str(weights)})
    check_checkpoint({})


def test_another_content_than_the_recorded_is_not_built(plugins, weights):
    place = resource_folder("tiny") / "w.pt"
    place.unlink()
    place.write_bytes(b"x")
    with pytest.raises(ResourceError, match="has the SHA-256 .*, the registry records"):
        build("encoder", "weighted", {"checkpoint": "tiny"}, plugins)


def test_a_recipe_counts_a_checkpoint_by_its_content(plugins, weights, tmp_path):
    component = plugins.component("encoder", "weighted")
    recipe = component_recipe(component, {"checkpoint": "tiny"})
    assert recipe == component_recipe(component, {"checkpoint": str(weights)})
    assert recipe["parameters"] == {"checkpoint": {"content_sha256": hashlib.sha256(WEIGHTS).hexdigest()}}
    folder = component_recipe(component, {"checkpoint": weights.parent})
    moved = weights.parent.rename(tmp_path / "moved")
    assert component_recipe(component, {"checkpoint": moved}) == folder != recipe
    (moved / "w.pt").write_bytes(b"other")
    assert component_recipe(component, {"checkpoint": moved}) != folder
    text = component_recipe(component, {"more": "mean"})
    assert text["parameters"] == {"more": "mean"}


def test_a_pinned_checkpoint_is_held_to_its_content(plugins, weights):
    job = pinned({"checkpoint": "tiny", "more": 1})
    assert json.loads(json.dumps(job)) == job
    assert resolved(job) == {"checkpoint": resource_folder("tiny") / "w.pt", "more": 1}
    assert pinned(job) == job
    job = pinned({"checkpoint": str(weights)})
    weights.unlink()
    weights.write_bytes(b"y")
    with pytest.raises(ResourceError, match=r"w.pt has changed: the pinned content is .*, now it is .*Run again"):
        build("encoder", "weighted", job, plugins)
    weights.unlink()
    with pytest.raises(ResourceError, match="now it is missing"):
        build("encoder", "weighted", job, plugins)


@pytest.fixture
def reader():
    """A plugin whose component reads a file beside its checkpoint."""

    class Reader:
        @staticmethod
        def files(checkpoint):
            return [checkpoint, checkpoint.with_suffix(".data")]

    return Component("encoder", "reader", Reader, "p", "d", "1", None)


def test_what_a_component_reads_beside_its_checkpoint_is_part_of_it(reader, tmp_path):
    model, data = tmp_path / "m.pt", tmp_path / "m.data"
    model.write_bytes(b"model")
    data.write_bytes(b"one")
    assert checkpoint_files(model, reader) == [model, data]
    assert checkpoint_files(model) == [model]
    recipe, job = component_recipe(reader, {"checkpoint": model}), pinned({"checkpoint": model}, reader)
    assert resolved(job) == {"checkpoint": model}
    assert pinned(job, reader) == pinned(job) == json.loads(json.dumps(job)) == job
    data.write_bytes(b"two")
    assert component_recipe(reader, {"checkpoint": model}) != recipe
    with pytest.raises(ResourceError, match=r"m\.pt has changed: the pinned content is"):
        resolved(job)
    data.write_bytes(b"one")
    assert component_recipe(reader, {"checkpoint": model}) == recipe
    data.unlink()
    with pytest.raises(ResourceError, match="now it is missing"):
        resolved(job)


def test_parameters_that_name_no_checkpoint_stay_as_they_are():
    assert (
        resolved({"k": 1, "metric": "cosine"}) == pinned({"k": 1, "metric": "cosine"}) == {"k": 1, "metric": "cosine"}
    )


def test_a_plugins_own_refusals_come_through(plugins, weights):
    with pytest.raises(PluginError, match=r"takes no parameter 'chekpoint'. Did you mean 'checkpoint'\?"):
        build("encoder", "weighted", {"chekpoint": "tiny"}, plugins)


def portfolio(tmp_path, checkpoint):
    path = tmp_path / "p.toml"
    path.write_text(
        f"""
        name = "weighted"
        [branches.a]
        encoder = {{ name = "weighted", checkpoint = "{checkpoint}" }}
        scorer = "knn"
        [branches.b]
        encoder = {{ name = "weighted", checkpoint = "{checkpoint}", pooling = "max" }}
        scorer = "knn"
        [systems.S]
        weights = {{ a = 0.5, b = 0.5 }}
        """
    )
    return path


def test_an_unknown_id_is_said_when_the_portfolio_is_loaded(tmp_path):
    path = tmp_path / "p.toml"
    text = '[branches.a]\nencoder = { name = "beats", checkpoint = "beats-iter3-plus" }\nscorer = "knn"\n'
    path.write_text(f'name = "p"\n{text}[systems.S]\nweights = {{ a = 1 }}')
    with pytest.raises(
        ResourceError, match=r"p.toml: branches.a: .*'beats-iter3-plus' is neither .*Did you mean 'beats-"
    ):
        load_portfolio(path)
    path.write_text(path.read_text().replace("beats-iter3-plus", "beats-iter3-plus-as2m"))
    assert load_portfolio(path).branches["a"].encoder.parameters == {"checkpoint": "beats-iter3-plus-as2m"}
    path.write_text(path.read_text().replace("beats-iter3-plus-as2m", "").replace('""', "3"))
    with pytest.raises((ResourceError, PortfolioError), match="checkpoint is 3; a path is allowed"):
        load_portfolio(path)


@pytest.fixture
def environment(tmp_path):
    """The environment of a process in which the encoder ``weighted`` is installed."""
    site = tmp_path / "site"
    info = site / "weighted-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: weighted\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[asdcore]\nweighted = weighted_encoder\n")
    (site / "weighted_encoder.py").write_text(PLUGIN)
    return {**os.environ, "PYTHONPATH": str(site)}


def run(environment, *arguments):
    command = [Path(sys.executable).parent / "asdcore", "run", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_a_run_finds_its_checkpoint_by_id_or_path_with_any_number_of_workers(dataset, tmp_path, weights, environment):
    def tables(named, workers, store):
        out = tmp_path / f"{store}-{workers}"
        done = run(
            environment, portfolio(tmp_path, named), "--data", dataset, "--out", out, "--store", tmp_path / store,
            "--workers", workers,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        embedded = next(line for line in done.stderr.splitlines() if line.startswith("embed"))
        return json.loads((out / "run.json").read_text())["tables"], embedded.split(" in ")[0]

    by_id, embedded = tables("tiny", 2, "s1")
    assert embedded == "embed: 80"
    by_path, again = tables(weights, 1, "s1")
    assert again == "embed: 0"
    alone, _ = tables(weights, 1, "s2")
    assert by_id == by_path == alone


def test_a_run_without_its_checkpoint_ends_in_one_message(dataset, tmp_path, weights, environment):
    (resource_folder("tiny") / "w.pt").unlink()
    done = run(environment, portfolio(tmp_path, "tiny"), "--data", dataset, "--out", tmp_path / "run")
    assert done.returncode == 2
    assert "w.pt of tiny is not in" in done.stderr
    assert "asdcore registry add w.pt --id tiny" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()
