"""A run remembers what recordings are, and reads all of them if it is told to."""

from __future__ import annotations

import os
import shutil

import pytest

import asdcore
from asdcore.data.clip_index import clips as module
from asdcore.data.clip_index import remembered_facts


@pytest.fixture
def reads(monkeypatch, calls_of):
    """The clips that are read for the index, which the tests take for old."""
    monkeypatch.setattr(remembered_facts, "SETTLED", 0)
    monkeypatch.setattr(remembered_facts, "COARSE", 0)
    return calls_of(module, "inspect_audio")


def test_a_second_run_reads_what_changed_or_with_rehash_everything(dataset, simple, tmp_path, reads):
    data = shutil.copytree(dataset, tmp_path / "data")

    def run(**how):
        reads.clear()
        return asdcore.run(simple, data, tmp_path / "run", store=tmp_path / "store", **how).clips

    first = run()
    assert len(reads) == len(first)
    assert run().equals(first)
    assert not reads
    clip = data / first["clip"][0]
    content, before = bytearray(clip.read_bytes()), clip.stat()
    content[-1] ^= 1
    clip.write_bytes(content)
    os.utime(clip, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = run()
    assert reads == [clip]
    assert second["sha256"][0] != first["sha256"][0]
    assert run(rehash=True).equals(second)
    assert len(reads) == len(first)
