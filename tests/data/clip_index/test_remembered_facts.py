"""A run reads only recordings that may have changed, and takes nothing damaged or of another folder on trust."""

from __future__ import annotations

import os
import shutil
import threading
import time

import numpy as np
import polars as pl
import pytest
import soundfile

from asdcore.data.clip_index import clips as module
from asdcore.data.clip_index import remembered_facts
from asdcore.data.clip_index.clips import index_clips
from asdcore.data.clip_index.noticed import noticing
from asdcore.data.clip_index.remembered_facts import Memory, remembering
from asdcore.errors import DatasetError

CLIPS = [f"fan/train/{n}.wav" for n in range(4)]


def write(path, value, n=800):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(n, value), 16_000, subtype="PCM_16")


@pytest.fixture
def root(tmp_path):
    """Four recordings of equal size, which the tests take for old."""
    for n, clip in enumerate(CLIPS):
        write(tmp_path / "data" / clip, n / 8)
    return tmp_path / "data"


@pytest.fixture
def memory(tmp_path, monkeypatch):
    monkeypatch.setattr(remembered_facts, "SETTLED", 0)
    monkeypatch.setattr(remembered_facts, "COARSE", 0)
    return Memory(tmp_path / "store" / "recordings")


@pytest.fixture
def reads(calls_of):
    """The clips that are read."""
    return calls_of(module, "inspect_audio")


def fresh(root, clips=CLIPS):
    """Return the index that is made from the recordings alone."""
    entries = [
        {"clip": clip, "machine": "fan", "section": "00", "split": "train", "domain": "source"} for clip in clips
    ]
    return index_clips(root, entries)


def listed(root, memory, clips=CLIPS):
    """Return the index as a run makes it."""
    with remembering(memory):
        return fresh(root, clips)


def read_again(root, memory, reads, clips=CLIPS):
    """Return what a run reads; its index must be that of the recordings as they are."""
    reads.clear()
    index = listed(root, memory, clips)
    names = sorted(path.name for path in reads)
    assert index.equals(fresh(root, clips))
    return names


def test_what_did_not_change_is_read_once(root, memory, reads):
    assert read_again(root, memory, reads) == ["0.wav", "1.wav", "2.wav", "3.wav"]
    assert read_again(root, memory, reads) == []
    assert read_again(root, Memory(memory.folder, trusted=False), reads) == ["0.wav", "1.wav", "2.wav", "3.wav"]


def test_without_a_memory_everything_is_read(root, reads):
    fresh(root), fresh(root)
    assert len(reads) == 8


def change_content(path):
    """Another content of the same size, and the time of change set back: only the time of status change tells."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_by_another(path):
    """Another file of the same size and time of change is moved to its place."""
    other, before = path.with_name("other"), path.stat()
    write(other.with_suffix(".wav"), 0.9)
    other.with_suffix(".wav").rename(other)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def touch(path):
    os.utime(path, ns=(1, 1))


def grow(path):
    write(path, 0.1, n=801)


@pytest.mark.parametrize("change", [change_content, replace_by_another, touch, grow])
def test_what_changed_is_read_again(root, memory, reads, change):
    read_again(root, memory, reads)
    time.sleep(0.02)  # more than a tick of the clock
    change(root / CLIPS[2])
    assert read_again(root, memory, reads) == ["2.wav"]
    assert read_again(root, memory, reads) == []


def test_a_file_that_had_just_changed_is_read_again(root, memory, reads, monkeypatch):
    monkeypatch.setattr(remembered_facts, "SETTLED", 3_600_000_000_000)
    for _ in range(2):
        assert len(read_again(root, memory, reads)) == 4


def test_where_clocks_count_seconds_a_change_is_recent_for_longer(root, memory, reads, monkeypatch):
    monkeypatch.setattr(remembered_facts, "COARSE", 3_600_000_000_000)
    status = remembered_facts._status

    def in_seconds(folder, clips):
        return status(folder, clips).with_columns(changed=pl.col("changed") // 10**9 * 10**9)

    read_again(root, memory, reads)
    assert read_again(root, memory, reads) == []
    monkeypatch.setattr(remembered_facts, "_status", in_seconds)
    for _ in range(2):
        assert len(read_again(root, memory, reads)) == 4


def test_times_in_the_future_are_never_trusted(root, memory, reads):
    ahead = time.time_ns() + 10**12
    os.utime(root / CLIPS[1], ns=(ahead, ahead))
    for _ in range(2):
        read_again(root, memory, reads)
    assert read_again(root, memory, reads) == ["1.wav"]


def test_clips_that_come_and_go(root, memory, reads):
    read_again(root, memory, reads, CLIPS[:3])
    assert read_again(root, memory, reads) == ["3.wav"]
    (root / CLIPS[0]).unlink()
    assert read_again(root, memory, reads, CLIPS[1:]) == []


def test_another_folder_at_the_same_place_and_a_folder_that_moved(root, memory, reads):
    read_again(root, memory, reads)
    root.rename(root.with_name("moved"))
    assert len(read_again(root.with_name("moved"), memory, reads)) == 4
    shutil.copytree(root.with_name("moved"), root)  # copies, with the times of the originals
    write(root / CLIPS[0], 0.7)
    assert len(read_again(root, memory, reads)) == 4


@pytest.mark.parametrize("damage", [b"", b"PAR1 and no more", None], ids=["empty", "cut short", "a folder"])
def test_a_damaged_memory_is_the_same_as_none(root, memory, reads, damage):
    read_again(root, memory, reads)
    table = memory.table(root)
    table.unlink()
    table.mkdir() if damage is None else table.write_bytes(damage)
    assert len(read_again(root, memory, reads)) == 4
    assert read_again(root, memory, reads) == ([] if damage is not None else ["0.wav", "1.wav", "2.wav", "3.wav"])


def test_a_changed_memory_is_noticed(root, memory, reads):
    read_again(root, memory, reads)
    table = memory.table(root)
    metadata = {key: value for key, value in pl.read_parquet_metadata(table).items() if not key.startswith("ARROW")}
    pl.read_parquet(table).with_columns(sha256=pl.lit("0" * 64)).write_parquet(table, metadata=metadata)
    assert len(read_again(root, memory, reads)) == 4


def test_a_store_that_cannot_be_written_only_costs_time(root, tmp_path, memory, reads):
    memory.folder.parent.mkdir(parents=True)
    memory.folder.write_text("a file where the folder belongs")
    for _ in range(2):
        assert len(read_again(root, memory, reads)) == 4


def test_an_unreadable_clip_is_named_every_time_and_the_others_are_remembered(root, memory, reads):
    (root / CLIPS[3]).write_bytes(b"RIFF")
    with pytest.raises(DatasetError):
        listed(root, memory)
    assert not memory.folder.parent.exists()  # of a faulty data set no store comes to be
    memory.folder.parent.mkdir()
    for again in (["0.wav", "1.wav", "2.wav", "3.wav"], ["3.wav"], ["3.wav"]):
        reads.clear()
        with pytest.raises(DatasetError) as caught:
            listed(root, memory)
        assert [problem.partition(":")[0] for problem in caught.value.problems] == [CLIPS[3]]
        assert sorted(path.name for path in reads) == again
    write(root / CLIPS[3], 0.3)
    assert read_again(root, memory, reads) == ["3.wav"]


def test_bytes_after_the_last_sample_are_remembered_too(root, memory):
    path = root / CLIPS[0]
    content = bytearray(path.read_bytes())
    size = int.from_bytes(content[40:44], "little")
    content[4:8], content[40:44] = (len(content) - 7).to_bytes(4, "little"), (size + 1).to_bytes(4, "little")
    path.write_bytes(bytes(content) + b"x")
    for _ in range(2):
        with noticing() as noticed:
            listed(root, memory)
        assert noticed.rests == {CLIPS[0]: 1}
        assert set(noticed.sounds) == set(CLIPS)


def test_runs_at_once_leave_a_sound_memory(root, memory, reads):
    works = [threading.Thread(target=listed, args=(root, memory, CLIPS[: 2 + n % 3])) for n in range(8)]
    for work in works:
        work.start()
    for work in works:
        work.join()
    read_again(root, memory, reads)
    assert read_again(root, memory, reads) == []
