"""Features: one decode a clip, one forward pass an encoder, nothing computed twice, nothing depending on neighbours."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import asdcore
from asdcore import Tokens, hookimpl
from asdcore.contract.plugins import Plugins, _installed
from asdcore.errors import DataError, PluginError, PortfolioError
from asdcore.portfolio import parse_portfolio
from asdcore.stages import embed
from asdcore.store.cache import Store
from asdcore.store.recipes import feature_recipe


class Layered:
    """Two layers that count their forward passes: layer 1 is twice layer 0."""

    sample_rate = 8000
    layers = (0, 1)
    calls: list[tuple[tuple[int, ...], tuple]] = []

    def encode(self, audio, layers):
        Layered.calls.append((audio.shape, tuple(layers)))
        patches = audio[:, : audio.shape[1] // 100 * 100].reshape(len(audio), -1, 4, 25)
        return {layer: Tokens(patches * (1 + layer)) for layer in layers}


class Broken(Layered):
    def __init__(self, how):
        self.how = how

    def encode(self, audio, layers):
        patches = np.zeros((len(audio), 3, 2, 2), np.float32)
        if self.how == "nan":
            patches[..., 0] = np.nan
        if self.how == "flat":
            patches = patches[..., 0]
        return {} if self.how == "absent" else {layer: Tokens(patches) for layer in layers}


class Theirs:
    @hookimpl
    def register_encoders(self, register):
        register("layered", Layered)
        register("broken", Broken)


@pytest.fixture
def plugins(monkeypatch):
    known = Plugins([*_installed(None), ("theirs", Theirs(), "theirs", "1")])
    monkeypatch.setattr(embed, "installed", lambda: known)
    embed._encoder.cache_clear()
    Layered.calls.clear()
    yield known
    embed._encoder.cache_clear()


def branches(*encoders, view="near"):
    scorer = {"scorer": "knn"}
    values = {f"b{i}": {"view": view, "encoder": encoder, **scorer} for i, encoder in enumerate(encoders)}
    return parse_portfolio({"name": "p", "branches": values, "systems": {"S": {"weights": {"b0": 1}}}}).branches


def work(dataset, store, wanted, plugins, clips=None):
    index = asdcore.load_dataset("dcase").clips(dataset) if clips is None else clips
    jobs = embed.plan(index, dataset, wanted.values(), store, plugins, None)
    for job in jobs:
        embed.embed(job)
    return index, jobs


def features(store, branch, plugins, digests):
    return store.features(feature_recipe(branch, plugins)).load(digests)


def test_one_pass_serves_every_layer_and_pooling(dataset, tmp_path, plugins):
    store = Store(tmp_path)
    wanted = branches(
        {"name": "layered", "layer": 0},
        {"name": "layered", "layer": 1},
        {"name": "layered", "pooling": "max"},
        {"name": "layered", "pooling": "mean_all"},
    )
    index, _ = work(dataset, store, wanted, plugins)
    assert len(Layered.calls) == len(index)
    assert set(Layered.calls) == {((1, 2000), (0, 1))}
    digests = index["sha256"].to_list()
    low, high, top, flat = (features(store, branch, plugins, digests) for branch in wanted.values())
    np.testing.assert_allclose(high, 2 * low, rtol=1e-6)
    assert low.shape == top.shape == (len(index), 100)
    assert flat.shape == (len(index), 25)


def test_the_default_layer_is_the_last(dataset, tmp_path, plugins):
    wanted = branches("layered", {"name": "layered", "layer": 1})
    index, _ = work(dataset, Store(tmp_path), wanted, plugins)
    first, second = (features(Store(tmp_path), one, plugins, index["sha256"].to_list()) for one in wanted.values())
    np.testing.assert_array_equal(first, second)


def test_each_clip_is_decoded_once_for_all_views(dataset, tmp_path, plugins, monkeypatch):
    seen = []
    monkeypatch.setattr(
        embed, "decode", lambda path, sha, original=embed.decode: seen.append(path) or original(path, sha)
    )
    wanted = branches("layered") | {
        "far": branches("logmel", view="far")["b0"],
        "w1": branches("logmel", view="w1")["b0"],
    }
    index, _ = work(dataset, Store(tmp_path), wanted, plugins)
    assert len(seen) == len(set(seen)) == len(index)


def test_only_new_clips_are_computed(dataset, tmp_path, plugins):
    index = asdcore.load_dataset("dcase").clips(dataset)
    work(dataset, Store(tmp_path), branches("layered"), plugins, index[:10])
    Layered.calls.clear()
    work(dataset, Store(tmp_path), branches("layered"), plugins, index[:13])
    assert len(Layered.calls) == 3
    _, jobs = work(dataset, Store(tmp_path), branches("layered"), plugins, index[:13])
    assert jobs == []


def test_features_do_not_depend_on_neighbours(dataset, tmp_path, plugins):
    index = asdcore.load_dataset("dcase").clips(dataset)
    wanted = branches("logmel")
    work(dataset, Store(tmp_path / "all"), wanted, plugins, index)
    one = index.filter(pl.col("clip").str.contains("0003"))[:1]
    work(dataset, Store(tmp_path / "one"), wanted, plugins, one)
    digests = one["sha256"].to_list()
    together = features(Store(tmp_path / "all"), wanted["b0"], plugins, digests)
    alone = features(Store(tmp_path / "one"), wanted["b0"], plugins, digests)
    assert together.tobytes() == alone.tobytes()


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ("nan", DataError, r"0\.wav|\.wav: encoder 'broken': the features \(mean\) hold 2 values that are not finite"),
        ("flat", PluginError, r"patches \(1, 3, 2\) for one clip; \(1, time, band, dim\)"),
        ("absent", PluginError, "layer 1 was asked for, but the encoder gave"),
    ],
)
def test_an_encoder_off_its_contract_is_named(dataset, tmp_path, plugins, how, error, said):
    with pytest.raises(error, match=said):
        work(dataset, Store(tmp_path), branches({"name": "broken", "how": how}), plugins)
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_layer_that_is_not_there(dataset, tmp_path, plugins):
    with pytest.raises(PortfolioError, match=r"encoder 'layered': there is no layer 7. Its layers are 0, 1"):
        work(dataset, Store(tmp_path), branches({"name": "layered", "layer": 7}), plugins)


def test_a_clip_that_changed_since_it_was_listed(dataset, tmp_path, plugins):
    index = asdcore.load_dataset("dcase").clips(dataset).with_columns(sha256=pl.lit("0" * 64))
    with pytest.raises(DataError, match="changed since it was indexed"):
        work(dataset, Store(tmp_path), branches("layered"), plugins, index[:1])


def test_a_checkpoint_counts_by_its_content(tmp_path, plugins):
    weights = tmp_path / "a.pt"
    weights.write_bytes(b"1")
    branch = branches({"name": "layered", "checkpoint": str(weights)})["b0"]
    before = feature_recipe(branch, plugins)
    moved = weights.rename(tmp_path / "b.pt")
    assert feature_recipe(branches({"name": "layered", "checkpoint": str(moved)})["b0"], plugins) == before
    moved.write_bytes(b"2")
    assert feature_recipe(branches({"name": "layered", "checkpoint": str(moved)})["b0"], plugins) != before
    assert str(tmp_path) not in json.dumps(before)


def test_views_are_tried_before_the_work_begins(tmp_path, plugins, make_dataset):
    root = make_dataset(tmp_path / "mono", ("fan",), channels=1, source=2, target=2, test=1)
    index = asdcore.load_dataset("dcase").clips(root)
    jobs = embed.plan(index, root, branches("logmel", view="far").values(), Store(tmp_path / "s"), plugins, None)
    with pytest.raises(DataError, match=r"fan/.*\.wav, view 'far': the far channel is asked for, but .* 1 channel"):
        embed.try_out(jobs, index, root)
    assert not Path(tmp_path / "s").exists()
