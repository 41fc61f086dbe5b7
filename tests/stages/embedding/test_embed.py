"""Features: one decode a clip, one forward pass an encoder, nothing computed twice, nothing depending on neighbours."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

import asdcore
from asdcore import Tokens, hookimpl
from asdcore.compute.encoding import built_encoders, encoding
from asdcore.compute.recipes import feature_recipe
from asdcore.contract.plugins import Plugins, offered
from asdcore.data.features.pooling import pool
from asdcore.errors import DataError, PluginError, PortfolioError
from asdcore.portfolio import parse_portfolio
from asdcore.stages.embedding import embed
from asdcore.store.cache import Store
from asdcore.store.tables import AUDIO_FACTS


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
        special = patches[:, 0, 0] if self.how == "special" else None
        return {} if self.how == "absent" else {layer: Tokens(patches, special) for layer in layers}


class Published(Layered):
    """Has a class token, and poolings with published parameters."""

    pooling_defaults = {"rdp": {"gamma": 4}, "gem": {"p": 5, "clean_up": True}}

    def encode(self, audio, layers):
        tokens = super().encode(audio, layers)
        return {layer: Tokens(one.patches, one.patches[:, 0, :2] + 1) for layer, one in tokens.items()}


class Misprinted(Layered):
    pooling_defaults = {"rdp": {"gama": 4}}


class Adapts(Layered):
    """Takes off the running mean of the clips that it has heard."""

    def __init__(self):
        self.mean, self.n = 0.0, 0

    def encode(self, audio, layers):
        self.n += 1
        self.mean = self.mean + (audio.mean() - self.mean) / self.n
        return super().encode(audio - np.float32(self.mean), layers)


class Carries(Layered):
    """Begins each clip with the end of the one before, as a recurrent model does whose state is not reset."""

    state = np.float32(0)

    def encode(self, audio, layers):
        tokens = super().encode(audio + 0.001 * Carries.state, layers)
        Carries.state = audio[0, -1]
        return tokens


class LateLearner(Layered):
    """Learns once, from what it has heard by then."""

    def __init__(self):
        self.heard, self.mean = [], np.float32(0)

    def encode(self, audio, layers):
        self.heard.append(audio.mean())
        if len(self.heard) == 70:
            self.mean = np.mean(self.heard)
        return super().encode(audio - self.mean, layers)


class Prepares(Layered):
    """Keeps something in its front end."""

    n = 0

    def prepare(self, audio):
        self.n += 1
        return audio * np.float32(1 + 1e-6 * self.n)

    def encode_prepared(self, clips, layers):
        return [self.encode(clip, layers) for clip in clips]


class Follows:
    """A view with automatic gain: the level of the last clips."""

    def __init__(self):
        self.level = 1.0

    def __call__(self, audio, sample_rate):
        self.level = 0.9 * self.level + 0.1 * float(np.abs(audio).max())
        return (audio[0] / np.float32(self.level)).astype(np.float32)


class Theirs:
    @hookimpl
    def register_views(self, register):
        register("follows", Follows)

    @hookimpl
    def register_encoders(self, register):
        register("adapts", Adapts)
        register("carries", Carries)
        register("late", LateLearner)
        register("prepares", Prepares)
        register("layered", Layered)
        register("broken", Broken)
        register("published", Published)
        register("misprinted", Misprinted)


@pytest.fixture
def plugins(monkeypatch):
    known = Plugins([*offered(), ("theirs", Theirs(), "theirs", "1")])
    monkeypatch.setattr(encoding, "installed", lambda: known)
    monkeypatch.setattr(built_encoders, "installed", lambda: known)
    monkeypatch.setattr(embed, "installed", lambda: known)
    built_encoders._encoder.cache_clear()
    Layered.calls.clear()
    yield known
    built_encoders._encoder.cache_clear()


def branches(*encoders, view="near"):
    scorer = {"scorer": "knn"}
    values = {f"b{i}": {"view": view, "encoder": encoder, **scorer} for i, encoder in enumerate(encoders)}
    return parse_portfolio({"name": "p", "branches": values, "systems": {"S": {"weights": {"b0": 1}}}}).branches


def work(dataset, store, wanted, plugins, clips=None):
    index = asdcore.load_dataset("dcase").clips(dataset) if clips is None else clips
    jobs = embed.plan(index, dataset, wanted, store, plugins, None)
    for job in jobs:
        embed.embed(job)
    return index, jobs


def again(index):
    """The clips that are heard again, one a chunk, to see whether anything is kept of the others."""
    return math.ceil(len(index) / embed.CHUNK)


def features(store, branch, plugins, digests):
    (part,) = branch.parts
    return store.features(feature_recipe(part, plugins, None)).load(digests)


def test_one_pass_serves_every_layer_and_pooling(dataset, tmp_path, plugins):
    store = Store(tmp_path)
    wanted = branches(
        {"name": "layered", "layer": 0},
        {"name": "layered", "layer": 1},
        {"name": "layered", "pooling": "max"},
        {"name": "layered", "pooling": "mean_all"},
    )
    index, _ = work(dataset, store, wanted, plugins)
    assert len(Layered.calls) == len(index) + again(index)
    assert set(Layered.calls) == {((1, 2000), (0, 1))}
    digests = index["sha256"].to_list()
    low, high, top, flat = (features(store, branch, plugins, digests) for branch in wanted.values())
    np.testing.assert_allclose(high, 2 * low, rtol=1e-6)
    assert low.shape == top.shape == (len(index), 100)
    assert flat.shape == (len(index), 25)


def test_a_chunk_that_another_process_has_finished_is_not_computed_again(dataset, tmp_path, plugins):
    _, jobs = work(dataset, Store(tmp_path), branches({"name": "layered", "layer": 0}, "layered"), plugins)
    Layered.calls.clear()
    assert [embed.embed(job) for job in jobs] == [len(job.clips) for job in jobs]
    assert not Layered.calls
    shards = sorted(tmp_path.rglob("*.parquet"))
    shards[0].unlink()  # of one layer
    for job in jobs:
        embed.embed(job)
    assert Layered.calls
    assert sorted(tmp_path.rglob("*.parquet")) == shards


def test_the_default_layer_is_the_last(dataset, tmp_path, plugins):
    wanted = branches("layered", {"name": "layered", "layer": 1})
    index, _ = work(dataset, Store(tmp_path), wanted, plugins)
    first, second = (features(Store(tmp_path), one, plugins, index["sha256"].to_list()) for one in wanted.values())
    np.testing.assert_array_equal(first, second)


def test_pooling_parameters_reach_the_features(dataset, tmp_path, plugins):
    wanted = branches(
        "layered",
        {"name": "layered", "pooling": {"name": "rdp", "gamma": 0}},
        {"name": "layered", "pooling": {"name": "rdp", "gamma": 8}},
        {"name": "layered", "pooling": {"name": "frames"}},
    )
    index, _ = work(dataset, Store(tmp_path), wanted, plugins)
    digests = index["sha256"].to_list()
    plain, even, uneven, frames = (features(Store(tmp_path), one, plugins, digests) for one in wanted.values())
    np.testing.assert_array_equal(even, plain)
    np.testing.assert_array_equal(uneven, [pool("rdp", clip, gamma=8) for clip in frames])
    assert abs(uneven - plain).max() > 1e-3


def test_special_tokens_are_pooled_by_cls(dataset, tmp_path, plugins):
    wanted = branches({"name": "published", "pooling": "cls"}, {"name": "published", "pooling": "frames"})
    index, _ = work(dataset, Store(tmp_path), wanted, plugins)
    special, frames = (features(Store(tmp_path), one, plugins, index["sha256"].to_list()) for one in wanted.values())
    np.testing.assert_allclose(special, 1 + frames[:, 0, :2].mean(axis=1), rtol=1e-6)


def test_an_encoder_without_special_tokens_is_named(dataset, tmp_path, plugins):
    with pytest.raises(PortfolioError, match=r"encoder 'layered': pooling 'cls' needs special tokens"):
        work(dataset, Store(tmp_path), branches({"name": "layered", "pooling": "cls"}), plugins)


@pytest.mark.parametrize(
    ("pooling", "parameters"),
    [
        ("mean", {"clean_up": False}),
        ("rdp", {"gamma": 4.0, "clean_up": False}),
        ({"name": "rdp", "gamma": 7}, {"gamma": 7.0, "clean_up": False}),
        ("gem", {"p": 5.0, "clean_up": True}),
        ({"name": "gem", "clean_up": False}, {"p": 5.0, "clean_up": False}),
        ("rdp_gem", {"gamma": 9.0, "p": 3.0, "clean_up": False}),
    ],
)
def test_a_recipe_holds_every_pooling_parameter_wherever_it_comes_from(plugins, pooling, parameters):
    (branch,) = branches({"name": "published", "pooling": pooling}).values()
    assert feature_recipe(branch.parts[0], plugins, None)["pooling"]["parameters"] == parameters


def test_an_encoders_own_pooling_parameters_change_its_features(dataset, tmp_path, plugins, monkeypatch):
    wanted = branches({"name": "published", "pooling": "rdp"})
    index, _ = work(dataset, Store(tmp_path), wanted, plugins)
    before = features(Store(tmp_path), wanted["b0"], plugins, index["sha256"].to_list())
    monkeypatch.setattr(Published, "pooling_defaults", {})
    _, jobs = work(dataset, Store(tmp_path), wanted, plugins)
    assert jobs
    assert abs(features(Store(tmp_path), wanted["b0"], plugins, index["sha256"].to_list()) - before).max() > 1e-4


def test_an_encoder_whose_own_pooling_parameters_cannot_be_is_named(plugins):
    (branch,) = branches({"name": "misprinted", "pooling": "rdp"}).values()
    with pytest.raises(PluginError, match=r"'misprinted' has invalid pooling_defaults: .* Did you mean 'gamma'"):
        feature_recipe(branch.parts[0], plugins, None)


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
    assert len(Layered.calls) == 3 + again(index[10:13])
    _, jobs = work(dataset, Store(tmp_path), branches("layered"), plugins, index[:13])
    assert jobs == []


@pytest.mark.parametrize(
    ("view", "encoder", "said"),
    [
        ("near", "adapts", "encoder 'adapts'"),
        ("near", "carries", "encoder 'carries'"),
        ("near", "late", "encoder 'late'"),
        ("near", "prepares", "encoder 'prepares'"),
        ("follows", "layered", "view 'follows'"),
    ],
)
@pytest.mark.parametrize("new", [False, True])
def test_what_keeps_something_of_other_clips_is_named_with_a_clip(tmp_path, dataset, plugins, new, view, encoder, said):
    wanted = branches(encoder, view=view)
    index = asdcore.load_dataset("dcase").clips(dataset)
    with pytest.raises(PluginError, match=rf"{said} gives \S+\.wav other features after it has heard other clips"):
        if new:
            new_work([dataset / clip for clip in index["clip"]], Store(tmp_path), wanted, plugins)
        else:
            work(dataset, Store(tmp_path), wanted, plugins)


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
        ("nan", DataError, r"\.wav: encoder 'broken': the encoder's tokens hold 6 values that are not finite"),
        ("flat", PluginError, r"patches \(1, 3, 2\) for one clip; \(1, time, band, dim\)"),
        ("special", PluginError, r"special tokens \(1, 2\) for one clip; \(1, n_special, dim\)"),
        ("absent", PluginError, "layer 1 was asked for, but the encoder gave"),
    ],
)
def test_an_encoder_off_its_contract_is_named(dataset, tmp_path, plugins, how, error, said):
    with pytest.raises(error, match=said):
        work(dataset, Store(tmp_path), branches({"name": "broken", "how": how}), plugins)
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_layer_that_is_not_there(dataset, tmp_path, plugins):
    with pytest.raises(PortfolioError, match=r"encoder 'layered': it has no layer 7. Its layers are 0, 1"):
        work(dataset, Store(tmp_path), branches({"name": "layered", "layer": 7}), plugins)


def test_a_clip_that_changed_since_it_was_listed(dataset, tmp_path, plugins):
    index = asdcore.load_dataset("dcase").clips(dataset).with_columns(sha256=pl.lit("0" * 64))
    with pytest.raises(DataError, match="changed since it was indexed"):
        work(dataset, Store(tmp_path), branches("layered"), plugins, index[:1])


def test_a_checkpoint_counts_by_its_content(tmp_path, plugins):
    weights = tmp_path / "a.pt"
    weights.write_bytes(b"1")
    branch = branches({"name": "layered", "checkpoint": str(weights)})["b0"]
    before = feature_recipe(branch.parts[0], plugins, None)
    moved = weights.rename(tmp_path / "b.pt")
    assert (
        feature_recipe(branches({"name": "layered", "checkpoint": str(moved)})["b0"].parts[0], plugins, None) == before
    )
    moved.write_bytes(b"2")
    assert (
        feature_recipe(branches({"name": "layered", "checkpoint": str(moved)})["b0"].parts[0], plugins, None) != before
    )
    assert str(tmp_path) not in json.dumps(before)


def test_views_are_tried_before_the_work_begins(tmp_path, plugins, make_dataset):
    root = make_dataset(tmp_path / "mono", ("fan",), channels=1, source=2, target=2, test=1)
    index = asdcore.load_dataset("dcase").clips(root)
    jobs = embed.plan(index, root, branches("logmel", view="far"), Store(tmp_path / "s"), plugins, None)
    with pytest.raises(DataError, match=r"fan/.*\.wav, view 'far': the far channel is asked for, but .* 1 channel"):
        embed.try_out(jobs, index, root)
    assert not Path(tmp_path / "s").exists()


def new_work(paths, store, wanted, plugins):
    jobs = embed.plan_new(dict.fromkeys(paths, "fan"), wanted, store, plugins, None)
    return jobs, [found for job in jobs for found in embed.embed_new(job)]


def test_clips_that_nobody_has_read_get_the_features_and_facts_of_indexed_ones(dataset, tmp_path, plugins, monkeypatch):
    wanted = branches("layered", {"name": "layered", "layer": 0, "pooling": "max"}) | {
        "far": branches("logmel", view="far")["b0"]
    }
    index, _ = work(dataset, Store(tmp_path / "indexed"), wanted, plugins)
    monkeypatch.setattr("asdcore.stages.embedding.embed_jobs.CHUNK", 7)
    paths = [dataset / clip for clip in index["clip"]]
    jobs, found = new_work(paths, Store(tmp_path / "new"), wanted, plugins)
    assert [len(job.clips) for job in jobs] == [7] * 11 + [3]
    assert [path for path, _ in found] == paths
    known = [tuple(getattr(facts, name) for name in AUDIO_FACTS) for _, facts in found]
    assert known == index.select(list(AUDIO_FACTS)).rows()
    digests = index["sha256"].to_list()
    for branch in wanted.values():
        one, other = (features(Store(tmp_path / name), branch, plugins, digests) for name in ("indexed", "new"))
        assert one.tobytes() == other.tobytes()


def test_a_new_clip_whose_features_are_kept_is_not_encoded_again(dataset, tmp_path, plugins):
    index = asdcore.load_dataset("dcase").clips(dataset)
    work(dataset, Store(tmp_path), branches("layered"), plugins, index[:3])
    Layered.calls.clear()
    _, found = new_work([dataset / clip for clip in index["clip"][:5]], Store(tmp_path), branches("layered"), plugins)
    assert len(Layered.calls) == 2 + again(index[3:5])
    assert [facts.sha256 for _, facts in found] == index["sha256"][:5].to_list()


def test_all_new_clips_that_cannot_be_had_are_named_and_the_others_are_kept(tmp_path, plugins, make_dataset):
    root = make_dataset(tmp_path / "data", ("fan",), source=3, target=3, test=1)
    paths = sorted((root / "fan").rglob("*.wav"))
    paths[1].write_bytes(b"")
    paths[2].write_bytes(paths[2].read_bytes()[:100])
    samples, rate = soundfile.read(paths[4])
    soundfile.write(paths[4], samples[:, :1], rate)
    wanted = branches("layered", view="far")
    _, found = new_work([*paths, root / "gone.wav"], Store(tmp_path / "store"), wanted, plugins)
    troubles = {path.name: said for path, said in found if isinstance(said, str)}
    assert list(troubles) == [paths[1].name, paths[2].name, paths[4].name, "gone.wav"]
    # Each begins with the clip's name: a dataset's problems then name its path.
    assert all(said.startswith(f"{name}: ") for name, said in troubles.items())
    assert "view 'far': the far channel is asked for" in troubles[paths[4].name]
    kept = [facts.sha256 for _, facts in found if not isinstance(facts, str)]
    assert len(kept) == len(paths) - 3
    assert len(features(Store(tmp_path / "store"), wanted["b0"], plugins, kept)) == len(kept)


@pytest.mark.parametrize(("how", "error"), [("nan", None), ("flat", PluginError)])
def test_an_encoder_that_refuses_a_new_clip_is_no_fault_of_the_clip_unless_it_says_so(
    dataset, tmp_path, plugins, how, error
):
    paths = sorted((dataset / "fan" / "test").iterdir())[:3]
    wanted = branches({"name": "broken", "how": how})
    if error:
        with pytest.raises(error, match="encoder 'broken'"):
            new_work(paths, Store(tmp_path), wanted, plugins)
    else:
        _, found = new_work(paths, Store(tmp_path), wanted, plugins)
        assert [said.startswith(f"{path.name}: encoder 'broken': ") for path, said in found] == [True] * 3
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_device_is_part_of_the_recipe_where_the_encoder_takes_one(plugins):
    class Fast:
        def __init__(self, device="cpu"):
            self.sample_rate, self.layers = 16000, [0]

    class Theirs:
        @hookimpl
        def register_encoders(self, register):
            register("fast", Fast)

    known = Plugins([*offered(), ("theirs", Theirs(), "theirs", "1")])
    (fast,), (plain,) = (branches(one)["b0"].parts for one in ("fast", "logmel"))
    on = {device: feature_recipe(fast, known, device) for device in (None, "cpu", "cuda", "cuda:1")}
    assert on[None] == on["cpu"]
    assert on["cuda"] == on["cuda:1"] != on["cpu"]
    assert feature_recipe(plain, known, "cuda") == feature_recipe(plain, known, None)


@pytest.mark.parametrize(("cores", "device", "threads"), [(1, None, 1), (2, "cpu", 1), (8, None, 2), (8, "cuda:0", 8)])
def test_threads_that_get_sound_ready_leave_the_network_a_core(monkeypatch, cores, device, threads):
    monkeypatch.setattr(embed, "cores", lambda: cores)
    assert embed._decoders(device) == threads


@pytest.mark.parametrize("kind", ["indexed", "new"])
def test_long_recordings_among_clips_get_the_features_that_they_have_in_memory(
    dataset, tmp_path, plugins, monkeypatch, kind
):
    wanted = branches("logmel", "layered") | {"far": branches("psd_shape", view="far")["b0"]}
    index, _ = work(dataset, Store(tmp_path / "memory"), wanted, plugins)
    sizes = sorted((dataset / clip).stat().st_size for clip in index["clip"])
    monkeypatch.setattr("asdcore.data.recordings.audio.LARGE", sizes[len(sizes) // 2])
    monkeypatch.setattr("asdcore.data.recordings.file_content.LARGE", sizes[len(sizes) // 2])
    store = Store(tmp_path / "blocks")
    if kind == "indexed":
        assert work(dataset, store, wanted, plugins)[0].equals(index)
    else:
        _, found = new_work([dataset / clip for clip in index["clip"]], store, wanted, plugins)
        assert [facts.sha256 for _, facts in found] == index["sha256"].to_list()
    for branch in wanted.values():
        one, other = (
            features(held, branch, plugins, index["sha256"].to_list()) for held in (store, Store(tmp_path / "memory"))
        )
        assert one.tobytes() == other.tobytes()


def test_long_recordings_that_cannot_be_had_are_named(tmp_path, plugins, make_dataset, monkeypatch):
    monkeypatch.setattr("asdcore.data.recordings.audio.LARGE", 1)
    monkeypatch.setattr("asdcore.data.recordings.file_content.LARGE", 1)
    root = make_dataset(tmp_path / "data", ("fan",), source=3, target=2, test=1)
    index = asdcore.load_dataset("dcase").clips(root)
    paths = sorted((root / "fan").rglob("*.wav"))
    paths[1].write_bytes(paths[1].read_bytes()[:100])
    samples, rate = soundfile.read(paths[2])
    soundfile.write(paths[2], samples[:, :1], rate)
    _, found = new_work(paths, Store(tmp_path / "new"), branches("logmel", view="far"), plugins)
    troubles = {path.name: said for path, said in found if isinstance(said, str)}
    assert list(troubles) == [paths[1].name, paths[2].name]
    assert all(said.startswith(f"{name}: ") for name, said in troubles.items())
    with pytest.raises(DataError, match=r"/fan/.*\.wav: (cut short|changed).* Restore or replace the file"):
        work(root, Store(tmp_path / "indexed"), branches("logmel"), plugins, index)
