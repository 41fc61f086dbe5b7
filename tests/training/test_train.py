"""One training: it resumes to the same bits, gets nothing but train normals, and says what is wrong."""

from __future__ import annotations

import itertools
import json
import threading
import tracemalloc
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import asdcore
from asdcore.compute.encoding import built_encoders as encoders
from asdcore.compute.encoding import held_whole
from asdcore.compute.training import relayed_progress
from asdcore.compute.training.relayed_progress import relayed, relays
from asdcore.compute.training.resumable_training import ResumableTraining
from asdcore.compute.training.waveforms import WaveformSet
from asdcore.contract.plugins import installed
from asdcore.contract.train_clips import About, ListedClips
from asdcore.contract.training import TrainClips, Training
from asdcore.data.clip_index.clips import completed
from asdcore.errors import DataError, PluginError, StoreError
from asdcore.held_out import crossfit_folds
from asdcore.portfolio import OutOfFold, load_portfolio
from asdcore.portfolio.trained_state import TrainedState, read_trained
from asdcore.progress import Lines, doing, saying, told
from asdcore.stages.training import train
from asdcore.store.arrays_on_disk import InPortions
from asdcore.store.cache import Store
from asdcore.store.disk.file_locks import take

EPOCH = ".epoch.safetensors"


@pytest.fixture(scope="module")
def index(few):
    return completed(asdcore.load_dataset("dcase2026").clips(few))


@pytest.fixture
def job(few, one, index, tmp_path):
    """The training of one network."""

    def planned(encoder='"axes"', store="store", clips=index):
        plan = load_portfolio(one(encoder))
        return train.plan(clips, few, plan, Store(tmp_path / store), installed(), None)[0]

    return planned


def learnt(job):
    return read_trained(job.path).about["state_sha256"]


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_training_that_was_stopped_goes_on_to_the_same_bits(job, monkeypatch, epoch):
    whole, stopped = job(store="whole"), job()
    train.train(whole)
    monkeypatch.setenv("TEST_STOP", str(epoch))
    with pytest.raises(KeyboardInterrupt):
        train.train(stopped)
    assert not stopped.path.exists()
    assert stopped.path.with_suffix(EPOCH).exists()
    monkeypatch.delenv("TEST_STOP")
    shown = []
    with told(shown.append, shown.append):
        train.train(stopped)
    assert any(f"goes on after epoch {epoch} of 3" in text for text in shown)
    assert stopped.path.read_bytes() == whole.path.read_bytes()
    assert [path.name for path in stopped.path.parent.iterdir()] == [stopped.path.name]


def test_a_loss_that_is_not_finite_stops_at_once_and_keeps_the_last_good_epoch(job, monkeypatch):
    failing = job()
    monkeypatch.setenv("TEST_STOP", "1")
    with pytest.raises(KeyboardInterrupt):
        train.train(failing)
    monkeypatch.delenv("TEST_STOP")
    kept = failing.path.with_suffix(EPOCH).read_bytes()
    monkeypatch.setenv("TEST_LOSS", "nan")
    with pytest.raises(
        DataError, match=r"training 'axes' on all machines: the loss is nan at step 2 of 3.*epoch 1 stays"
    ):
        train.train(failing)
    assert failing.path.with_suffix(EPOCH).read_bytes() == kept
    assert not failing.path.exists()


@pytest.mark.parametrize("spoil", [lambda content: content[:-1], lambda content: b"", lambda content: b"x" * 100])
def test_a_damaged_epoch_is_one_clear_message(job, monkeypatch, spoil):
    damaged = job()
    monkeypatch.setenv("TEST_STOP", "1")
    with pytest.raises(KeyboardInterrupt):
        train.train(damaged)
    path = damaged.path.with_suffix(EPOCH)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(StoreError, match=f"{path.name}.*Remove it with 'rm {path}' and run again: the training then"):
        train.train(damaged)


def test_the_epoch_or_state_of_another_training_is_refused(job):
    first, other = job(), job('{ name = "axes", dim = 2 }')
    train.train(first)
    other.path.write_bytes(first.path.read_bytes())
    with pytest.raises(StoreError, match="does not hold the trained state that its name says"):
        train.train(other)
    with pytest.raises(StoreError, match="holds another trained state than this run's"):
        TrainedState(first.path, "0" * 64).read()
    stray = first.path.with_name("f" * 64 + EPOCH)
    ResumableTraining(stray, "it").keep(1, 2, {"a": np.zeros(2)}, 1.0)
    moved = other.path.with_suffix(EPOCH)
    stray.rename(moved)
    with pytest.raises(StoreError, match="does not hold the training that its name says"):
        ResumableTraining(moved, "it").resume()


def test_a_second_process_waits_and_then_finds_what_the_first_has_trained(job, monkeypatch):
    mine = job()
    monkeypatch.setattr("asdcore.stages.training.train.time.sleep", lambda seconds: None)
    mine.path.parent.mkdir(parents=True)
    lock = take(mine.path.with_suffix(".lock"))
    waiting = threading.Event()

    def second():
        with told(lambda text: waiting.set(), print):
            train.train(mine)

    thread = threading.Thread(target=second)
    thread.start()
    assert waiting.wait(20)
    other = replace(mine, store=mine.store.with_name("other"))
    train._train(other)
    monkeypatch.setattr(train, "_train", lambda job: pytest.fail("trained twice"))
    lock.release()
    thread.join(20)
    assert not thread.is_alive()


def test_a_training_sees_train_normals_and_what_is_said_of_them_and_nothing_else(job, index):
    seen = {}

    class Nosy:
        sample_rate, layers, scope = 16000, (0,), "all"

        def fit(self, clips, seed, training=None):
            seen.update(clips=clips, training=training)
            raise DataError("enough")

    mine = job()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(DataError, match="enough"):
        patch.setattr(train, "build_encoder", lambda *_: Nosy())
        train.train(mine)
    clips = seen["clips"]
    assert isinstance(clips, TrainClips)
    assert isinstance(seen["training"], Training)
    normals = index.filter(pl.col("split") == "train").sort("machine", "section", "clip")
    assert len(clips) == len(normals) == len(clips.n_samples)
    for name in ("machine", "section", "domain", "attributes"):
        assert list(getattr(clips, name)) == normals[name].fill_null("").to_list()
    assert {name for name in dir(clips) if not name.startswith("_")} == {
        *("attributes", "audio", "domain", "machine", "n_samples", "of", "sample_rate", "section")
    }
    assert not any(word in repr(vars(clips)) for word in ("test", "/", ".wav"))
    with pytest.raises(ValueError, match="read-only"):
        clips.audio(0)[0] = 1.0
    with pytest.raises(ValueError, match="WRITEABLE"):
        clips.audio(0).flags.writeable = True


def test_waveforms_that_another_run_removes_are_made_again(job, monkeypatch):
    mine, heard = job(), []
    map_of = WaveformSet.map

    def removed_once(self, audio):
        if not heard:
            heard.append([path.unlink() for path in self.folder.glob("*")])
        return map_of(self, audio)

    (needed,) = train.try_out([mine])
    for chunk in train.lacking(needed):
        train.hear(chunk)
    assert train.lacking(needed) == []
    monkeypatch.setattr(WaveformSet, "map", removed_once)
    train.train(mine)
    assert heard
    assert mine.path.exists()


def test_long_train_clips_are_heard_in_blocks_with_the_same_bits(job, monkeypatch):
    whole, blocks = job(store="whole"), job()
    train.train(whole)
    monkeypatch.setattr(train, "is_long", lambda _: True)
    monkeypatch.setattr(train, "decode", lambda *_: pytest.fail("held as a whole"))
    train.train(blocks)
    assert learnt(blocks) == learnt(whole)


def test_waveforms_are_written_before_there_are_many_with_the_same_bits(job, monkeypatch):
    whole, parts = job(store="whole"), job()
    train.train(whole)
    monkeypatch.setattr(train, "AT_ONCE", 20_000)  # of few clips
    train.train(parts)
    assert learnt(parts) == learnt(whole)
    assert len(list(parts.store.rglob("waveforms/*/*"))) > len(list(whole.store.rglob("waveforms/*/*")))


def test_waveforms_of_any_length_take_no_memory(tmp_path):
    kept, block, n_blocks = WaveformSet(tmp_path / "set"), np.ones(1 << 16, np.float32), 64
    tracemalloc.start()
    try:
        kept.write({"long": InPortions((n_blocks * len(block),), itertools.repeat(block, n_blocks))})
        mapped = kept.map(sorted(kept.held()))
        stretch = mapped["long"][100:200].copy()
        assert tracemalloc.get_traced_memory()[1] < n_blocks * block.nbytes / 4
    finally:
        tracemalloc.stop()
    assert mapped["long"].shape == (n_blocks * len(block),)
    assert stretch.tolist() == [1.0] * 100


def test_a_clip_that_the_trained_encoder_could_not_hear_is_refused_before_it_is_trained(job, monkeypatch):
    monkeypatch.setattr(held_whole, "HELD", 1000)
    with pytest.raises(DataError, match=r"\.wav lasts .* 'near' with encoder 'axes' needs it in memory as a whole"):
        train.try_out([job()])


def test_a_minute_of_a_clip_shows_whether_an_encoder_is_brought_back(job, monkeypatch):
    mine, heard = job(), []
    encoder = type(encoders.build_encoder(mine.encoder, mine.encoder_parameters, None))
    encode = encoder.encode

    def watched(self, audio, layers):
        heard.append(audio.shape)
        return encode(self, audio, layers)

    monkeypatch.setattr(encoder, "encode", watched)
    monkeypatch.setattr(train, "TRIED_SECONDS", 0.25)
    train.train(mine)
    assert heard == [(1, 4000), (1, 4000)]


def test_damaged_waveforms_are_told(job):
    mine = job()
    (needed,) = train.try_out([mine])
    (chunk,) = train.lacking(needed)
    train.hear(chunk)
    (path,) = chunk.folder.iterdir()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match=f"{path.name}"):
        train.train(mine)


def test_epochs_are_kept_one_by_one(tmp_path):
    training = ResumableTraining(tmp_path / f"it{EPOCH}", "it")
    with pytest.raises(PluginError, match="keeps epoch 2 of 3 after 0"):
        training.keep(2, 3, {}, 1.0)
    with pytest.raises(DataError, match="the loss is inf at epoch 1 of 3"):
        training.keep(1, 3, {}, float("inf"))
    assert training.resume() is None


def test_progress_tells_epoch_loss_seconds_left_and_cost(tmp_path):
    shown, said = [], []
    training = ResumableTraining(tmp_path / f"it{EPOCH}", "training 'it'", None, (3, 4.0))
    with told(shown.append, said.append):
        training.cost(7200, 0.5)
        training.step(1, 4, 2.0)
        training.step(2, 4, 1.5)
        training.keep(1, 2, {"a": np.zeros(1)}, 1.75)
        training.note("batch halved to 32")
        training.note("batch halved to 32")
    assert said == [
        "training 'it': 7,200 steps of 0.5 s, about 1 CPU hours; all 3 trainings about 4.",
        "training 'it': batch halved to 32",
    ]
    assert shown[1].startswith("training 'it': epoch 1, step 2 of 4, loss 1.5, ")
    assert shown[1].endswith(" s left")
    assert shown[2] == "training 'it': epoch 1 of 2 done, loss 1.75"


def test_what_workers_do_is_shown_where_the_run_is(job, monkeypatch):
    monkeypatch.setattr(relayed_progress, "EVERY", 0.01)
    shown, said = threading.Event(), []
    with told(lambda text: shown.set(), said.append), relays([job()], 2) as (mine,):
        with relayed(mine.relay):
            saying("it costs much")
            doing("epoch 1")
        assert json.loads(mine.relay.read_text())["said"] == ["it costs much"]
        assert shown.wait(20)
    assert said == ["it costs much"]
    with Lines().stage("train", 1), relays([job()], 1) as (alone,):
        assert alone.relay is None


def test_no_fold_sees_what_it_is_to_score_nor_its_group(index):
    train_clips = index.filter((pl.col("split") == "train") & (pl.col("machine") == "fan")).sort("clip")
    numbered = train_clips.with_columns(recording=pl.Series([f"r{i // 2}" for i in range(len(train_clips))]))
    folds = crossfit_folds(numbered, OutOfFold(by="recording"), 3, 0)
    assert sorted(row for unseen, _ in folds for row in unseen) == list(range(12))
    for unseen, seen in folds:
        assert not {row // 2 for row in unseen} & {row // 2 for row in seen}


def test_the_neighbours_of_a_fold_take_no_part_in_its_training():
    rows = {"machine": "m", "section": "00", "domain": "source", "attributes": None, "recording": None}
    clips = pl.DataFrame([{"clip": f"{i:02}", "sha256": f"{i:064}", "order": float(i), **rows} for i in range(60)])
    for unseen, seen in crossfit_folds(clips, OutOfFold(by="neighbours"), 3, 0):
        assert len(unseen) == 20
        assert min(abs(int(a) - int(b)) for a in unseen for b in seen) > 1


def test_one_clip_cannot_be_crossfitted(index):
    with pytest.raises(DataError, match="fan section 00, crossfit: 1 train normal"):
        crossfit_folds(index.filter(pl.col("machine") == "fan").head(1), OutOfFold(), 2, 0)


def test_clips_in_memory_are_read_only_too():
    clips = ListedClips.of([About("m", "00", "source", "")], [np.zeros(5, np.float32)], 16000)
    assert (len(clips), clips.n_samples, clips.attributes) == (1, (5,), ("",))
    assert not clips.audio(0).flags.writeable
