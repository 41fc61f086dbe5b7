"""Recordings of a large manifest lie in shards beside it, which it pins: what differs is named as in a small one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil

import polars as pl
import pytest

import asdcore
from asdcore.errors import ManifestError
from asdcore.frozen.manifest import shards
from asdcore.frozen.manifest.shards import folder_of
from asdcore.frozen.manifest.statement import read_manifest
from asdcore.frozen.pinning.hashing import DigestCache


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Forty recordings are many here, and seven make a shard."""
    monkeypatch.setattr(shards, "MANY", 10)
    monkeypatch.setattr(shards, "ROWS", 7)


@pytest.fixture(scope="module")
def once(whole, tmp_path_factory):
    """A frozen run whose manifest has shards. Not to be spoilt."""
    home = tmp_path_factory.mktemp("sharded") / "frozen"
    shutil.copytree(whole.home, home)
    once = type(whole)(home)
    once.path.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "MANY", 10)
        patch.setattr(shards, "ROWS", 7)
        once.freeze("frozen.json")
    return once


@pytest.fixture
def sharded(once, tmp_path):
    """A copy of it, to be spoilt."""
    shutil.copytree(once.home, tmp_path / "frozen")
    return type(once)(tmp_path / "frozen")


def files(manifest):
    """The files of its shards, in the order in which the manifest lists them."""
    return [manifest.shards.path(shard) for shard in manifest.shards.listed]


def test_a_manifest_with_shards_pins_what_one_without_pins(whole, sharded):
    one, other = whole.manifest, sharded.manifest
    assert [shard.subjects for shard in other.shards.listed] == [7, 7, 7, 7, 7, 5]
    assert len(other.subjects) == len(one.subjects)
    assert {name: other.subjects[name] for name in other.subjects} == dict(one.subjects)
    assert other.of_kind("audio") == one.of_kind("audio")
    assert other.cells == one.cells
    assert json.loads(sharded.path.read_bytes())["predicateType"].endswith("v2+shards")
    assert json.loads(whole.path.read_bytes())["predicateType"].endswith("v2")
    assert "nothing.wav" not in other.subjects
    assert sharded.verify().passed
    assert sharded.verify().pinned == whole.verify().pinned


def test_two_freezes_of_one_run_are_the_same_bytes_and_leave_no_other_shard(sharded):
    before = sharded.path.read_bytes()
    stray = folder_of(sharded.path) / f"{'0' * 64}.parquet"
    stray.write_bytes(b"of an earlier freeze")
    sharded.freeze("frozen.json")
    assert sharded.path.read_bytes() == before
    assert sorted(folder_of(sharded.path).iterdir()) == sorted(files(sharded.manifest))


def test_a_freeze_that_fails_leaves_the_earlier_manifest_whole(sharded):
    before = sharded.path.read_bytes()
    sharded.clip.write_bytes(b"another")
    with pytest.raises(ManifestError, match=r"cannot be frozen:\n  - data/fan/test/.*: changed since the run"):
        sharded.freeze("frozen.json")
    assert sharded.path.read_bytes() == before
    assert all(path.is_file() for path in files(sharded.manifest))


@pytest.mark.parametrize("change", ["edited", "missing", "new", "train"])
def test_every_difference_is_named_with_the_results_that_a_small_manifest_names(whole, sharded, change, tmp_path):
    train = sorted((sharded.home / "data").glob("*/train/*"))
    clip = train[-1] if change == "train" else sharded.clip
    if change == "missing":
        clip.unlink()
    elif change == "new":
        shutil.copy(clip, clip.with_name(clip.name.replace("0", "7")))
    else:
        clip.write_bytes(clip.read_bytes() + b"x")
    small = sharded.home / "small.json"
    small.write_bytes(whole.path.read_bytes())
    one, other = asdcore.verify(small), sharded.verify()
    assert one.differences == other.differences != []
    assert one.affected == other.affected != []
    assert one.absent == other.absent


def test_all_recordings_gone_is_said_as_of_a_small_manifest(whole, sharded):
    shutil.rmtree(sharded.home / "data")
    (sharded.home / "small.json").write_bytes(whole.path.read_bytes())
    one, other = asdcore.verify(sharded.home / "small.json"), sharded.verify()
    assert one.differences == other.differences
    assert other.absent == one.absent == {"data": str(sharded.home / "data")}


def test_a_manifest_that_moves_without_its_shards_says_so_once(sharded, tmp_path):
    moved = tmp_path / "elsewhere.json"
    shutil.copy(sharded.path, moved)
    with pytest.raises(
        ManifestError, match=r"lists its 40 recordings in 6 files of the folder .*, and 6 of these"
    ) as one:
        asdcore.verify(moved)
    assert "move and copy both" in str(one.value)
    shutil.copytree(folder_of(sharded.path), folder_of(moved))
    places = {name: sharded.home / name for name in ("data", "run", "store")}
    assert asdcore.verify(moved, **places).passed


def _missing(paths):
    paths[2].unlink()


def _cut(paths):
    paths[2].write_bytes(paths[2].read_bytes()[:-5])


def _empty(paths):
    paths[2].write_bytes(b"")


def _swapped(paths):
    one, other = paths[1].read_bytes(), paths[2].read_bytes()
    paths[1].write_bytes(other)
    paths[2].write_bytes(one)


def _edited(paths):
    frame = pl.read_parquet(paths[2])
    frame.with_columns(sha256=pl.lit("0" * 64)).write_parquet(paths[2])


def _flipped(paths):
    content = bytearray(paths[2].read_bytes())
    content[len(content) // 2] ^= 1
    paths[2].write_bytes(content)


@pytest.mark.parametrize("attack", [_missing, _cut, _empty, _swapped, _edited, _flipped])
def test_a_shard_that_is_not_the_pinned_one_is_refused(sharded, attack):
    attack(files(sharded.manifest))
    with pytest.raises(ManifestError, match="are not there|was changed after .* was sealed: do not use"):
        sharded.verify()


def test_a_shard_of_another_manifest_is_refused(sharded, tmp_path):
    """Both manifests pin recordings of the same names; only the digests tell their shards apart."""
    ours, theirs = files(sharded.manifest)[0], tmp_path / "theirs.parquet"
    frame = pl.read_parquet(ours)
    frame.with_columns(sha256=frame["sha256"].reverse()).write_parquet(theirs)
    shutil.copy(theirs, ours)
    with pytest.raises(ManifestError, match="was changed after"):
        sharded.verify()


def _listed(change):
    def edit(statement):
        change(statement["predicate"]["shards"])

    return edit


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_listed(lambda rows: rows.reverse()), "out of order"),
        (_listed(lambda rows: rows.append(rows[-1])), "listed twice"),
        (_listed(lambda rows: rows[0].update(subjects=0)), "of no size"),
        (_listed(lambda rows: rows[0].update(sha256="../../etc/passwd")), "no digest"),
        (_listed(lambda rows: rows[0].pop("first")), "first"),
        (lambda statement: statement["predicate"].pop("shards"), "do not go together"),
        (lambda statement: statement.update(predicateType="urn:asdcore:frozen-run:v2"), "do not go together"),
    ],
)
def test_a_manifest_that_lists_shards_as_no_freeze_does_is_refused(sharded, resealed, change, said):
    resealed(sharded.path, change)
    with pytest.raises(ManifestError, match=f"holds what no freeze writes: .*{said}"):
        read_manifest(sharded.path)


NAMES = ["data/../../etc/passwd", "data//x.wav", "data/x/.", "data\\x.wav", "run/x.wav", "data/", "data/a/../b.wav"]


def pin_instead(sharded, resealed, table):
    """Pin a table as the one shard, by its true digest, as whoever wants to deceive would."""
    new = sharded.home / "new.parquet"
    table.write_parquet(new)
    digest = hashlib.sha256(new.read_bytes()).hexdigest()
    new.rename(folder_of(sharded.path) / f"{digest}.parquet")
    names = table["name"].to_list()
    told = {"sha256": digest, "subjects": len(names), "first": names[0], "last": names[-1]}
    resealed(sharded.path, _listed(lambda rows: rows.__setitem__(slice(None), [told])))


def test_a_name_that_leads_out_of_its_root_is_refused(sharded, resealed):
    for name in NAMES:
        row = {"name": name, "size": 1, "sha256": "0" * 64, "part": "audio/fan/00/test"}
        pin_instead(sharded, resealed, pl.DataFrame(row))
        with pytest.raises(ManifestError, match="holds what no freeze writes: a name that leads out of its root"):
            sharded.verify()


def test_a_pinned_shard_that_holds_what_no_freeze_writes_is_refused(sharded, resealed):
    frame = pl.read_parquet(files(sharded.manifest)[0])
    for spoilt, said in [
        (frame[[0, 2, 1, 3, 4, 5, 6]], "not sorted"),
        (frame[[0, 1, 1, 3, 4, 5, 6]], "twice the same"),
        (frame.with_columns(size=pl.lit(-1, pl.Int64)), "size"),
        (frame.with_columns(sha256=pl.lit("x")), "digest"),
        (frame.drop("part"), "other columns"),
        (frame.with_columns(part=pl.lit(None, pl.String)), "other columns"),
    ]:
        pin_instead(sharded, resealed, spoilt)
        with pytest.raises(ManifestError, match=f"is pinned, but holds what no freeze writes: .*{said}"):
            sharded.verify()


def test_a_pinned_shard_that_is_no_table_is_refused(sharded, resealed):
    shard = files(sharded.manifest)[0]
    content = b"no table"
    digest = hashlib.sha256(content).hexdigest()
    (folder_of(sharded.path) / f"{digest}.parquet").write_bytes(content)
    resealed(sharded.path, _listed(lambda rows: rows[0].update(sha256=digest)))
    shard.unlink()
    with pytest.raises(ManifestError, match=r"is pinned, but holds what no freeze writes: Parquet .*[^.]\.$"):
        sharded.verify()


def _pipe(path):
    os.mkfifo(path)


def _device(path):
    path.symlink_to("/dev/zero")


def _huge(path):
    path.touch()
    os.truncate(path, 1 << 40)


@pytest.mark.parametrize("put", [_pipe, _device, _huge])
def test_a_shard_that_never_ends_is_not_read(sharded, tmp_path, put):
    shard = files(sharded.manifest)[1]
    shard.unlink()
    put(shard)
    with pytest.raises(ManifestError, match="are not there|is not a regular file, or larger than any shard"):
        sharded.verify()
    with pytest.raises(ManifestError, match="is not a regular file, or larger than any shard"):
        asdcore.infer(sharded.path, sharded.home / "data", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_trusted_times_are_kept_for_each_shard(sharded, monkeypatch, tmp_path):
    monkeypatch.setenv("ASDCORE_STORE", str(tmp_path / "own"))
    monkeypatch.setattr("asdcore.frozen.pinning.hashing.FRESH", -1)
    assert sharded.verify().passed
    kept = list((tmp_path / "own" / "verified").rglob("*.json"))
    assert len(kept) == 1 + 6
    recalled = []
    recall = DigestCache.recall
    monkeypatch.setattr(DigestCache, "recall", lambda *given: recalled.append(recall(*given)) or recalled[-1])
    assert sharded.verify(trust_mtime=True).passed
    assert len(recalled) > 40
    assert all(recalled)


def test_a_detector_and_an_inference_need_no_more_than_before(sharded, tmp_path):
    path = asdcore.export(sharded.path, tmp_path / "fan.asd")
    detector = asdcore.load_detector(path)
    assert ("fan", "00") in detector.machines
    new = tmp_path / "new" / "fan" / "test"
    new.mkdir(parents=True)
    shutil.copy(sharded.clip, new / "section_00_0001.wav")
    done = asdcore.infer(sharded.path, tmp_path / "new", out=tmp_path / "final")
    assert done.systems.filter(role="test")["clip"].n_unique() == 1
    sharded.clip.unlink()
    again = asdcore.infer(sharded.path, tmp_path / "new", out=tmp_path / "again")
    assert again.systems.equals(done.systems)


def test_the_command_says_how_many_are_pinned(sharded, asdcore_command):
    answer = asdcore_command("freeze", sharded.home / "run", "--out", sharded.home / "more.json")
    assert answer.code == 0
    assert "40 audio" in answer.out
