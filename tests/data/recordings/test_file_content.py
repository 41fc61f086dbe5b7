"""What cannot be read any more is told, and ends neither the process nor the sound."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest
import soundfile

from asdcore.data.recordings import audio, file_content
from asdcore.data.recordings.audio import decode_new, decoded_in_blocks, measured
from asdcore.data.recordings.file_content import LARGE, FileContent
from asdcore.errors import DataError, LostDiskError

RATE = 16_000
SAMPLES = LARGE // 2 + 200_000


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("long") / "hall.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, SAMPLES), RATE, "PCM_16")
    assert path.stat().st_size > LARGE
    return path


def decode(path):
    with decoded_in_blocks(path) as (facts, blocks):
        assert facts.n_samples == SAMPLES
        return sum(len(block) for block in blocks)


@pytest.mark.parametrize(
    ("number", "kind", "said"),
    [(errno.ENOTCONN, LostDiskError, "does not answer"), (errno.EACCES, DataError, "hall.wav: cannot be read")],
)
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.95])
def test_a_read_that_fails_is_told_wherever_it_is(monkeypatch, capfd, recording, number, kind, said, share):
    read, reads = os.pread, []

    def counted(*arguments):
        reads.append(arguments)
        return read(*arguments)

    monkeypatch.setattr(os, "pread", counted)
    assert decode(recording) == SAMPLES
    last, reads = int(share * len(reads)), []

    def failing(*arguments):
        if len(reads) >= last:
            raise OSError(number, os.strerror(number))
        return counted(*arguments)

    monkeypatch.setattr(os, "pread", failing)
    with pytest.raises(kind, match=said):
        decode(recording)
    assert capfd.readouterr().err == ""


def test_a_file_in_memory_is_sought_before_its_beginning_as_one_on_disk_is(tmp_path, recording):
    """Of a damaged file libsndfile does so; what a callback raises is printed with a trace."""
    (tmp_path / "short.mp3").write_bytes(b"0123456789")
    for path in (tmp_path / "short.mp3", recording):
        with FileContent(path) as content:
            behind = content.behind(2)
            size = len(content.content) - 2
            places = [behind.seek(*to) for to in ((-1, os.SEEK_SET), (4, os.SEEK_CUR), (-9, os.SEEK_CUR))]
            assert places == [0, 4, 0]
            assert [behind.seek(*to) for to in ((-3, os.SEEK_END), (-2 * size, os.SEEK_END))] == [size - 3, 0]
            assert behind.read(2) == content.content[2:4]


def test_a_file_in_parts_that_another_replaces_is_not_taken_for_it(tmp_path, monkeypatch):
    """Its digest is taken by its name, and a logger's samples are read so: of a new file they would be kept as its."""
    monkeypatch.setattr(file_content, "SETTLED", -(10**12))
    path, new = tmp_path / "hall.wav", tmp_path / "new.wav"
    for file in (path, new):
        file.write_bytes(file.name.encode().ljust(64))
    with FileContent(path, "hall.wav#t=0-1") as content:
        new.replace(path)
        with pytest.raises(DataError, match="hall.wav#t=0-1: cannot be read .another file took its place"):
            content.sha256()
        with pytest.raises(DataError, match="hall.wav#t=0-1: changed while it was read"):
            content.check_unchanged()
        path.unlink()
        with pytest.raises(DataError, match="changed while it was read"):
            content.check_unchanged()


def test_samples_of_a_loggers_file_that_another_replaces_are_not_kept_as_its(tmp_path, monkeypatch):
    path, new, named = tmp_path / "pump.csv", tmp_path / "new.csv", tmp_path / "pump.csv#rate=1000"
    for file, level in ((path, 0.1), (new, 0.2)):
        file.write_text("time,acc\n" + "".join(f"{i / 1000},{level * (-1) ** i}\n" for i in range(200)))

    def replaced(*arguments):
        new.replace(path)
        return measured(*arguments)

    monkeypatch.setattr(audio, "measured", replaced)
    with pytest.raises(DataError, match="pump.csv#rate=1000: changed while it was read"):
        decode_new(named)
    monkeypatch.undo()
    assert decode_new(named)[0].max() == np.float32(0.2)


def test_a_recording_that_is_cut_short_while_it_is_read_is_told(tmp_path, recording):
    path = tmp_path / "hall.wav"
    path.write_bytes(recording.read_bytes())
    with pytest.raises(DataError, match="cut short while it was read"), decoded_in_blocks(path) as (_, blocks):
        next(blocks)
        os.truncate(path, LARGE // 2)
        list(blocks)


def test_trouble_of_whoever_hears_the_blocks_is_not_that_of_the_recording(recording):
    with pytest.raises(OSError, match="No space"), decoded_in_blocks(recording) as (_, blocks):
        next(blocks)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
