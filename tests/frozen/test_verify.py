"""Whatever differs from what was frozen is found, all at once, and told with the results that it reaches."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import unicodedata

import polars as pl
import pytest

from asdcore.cli.shared import FAILED, MISUSED
from asdcore.errors import ManifestError
from asdcore.frozen.manifest.statement import PREDICATE
from asdcore.frozen.pinning import hashing
from asdcore.frozen.verify import verify
from asdcore.frozen.verifying.differences import CHANGED, EXTRA, MISSING, VERSION, grouped
from asdcore.runs.folder import RUN_FILE, TABLES
from asdcore.store.cache import FeatureSet
from asdcore.store.digests.sealed_json import FIELD, seal, unsealed

EVERY = ["guarded/3DPrinter/00", "guarded/fan/00", "near/3DPrinter/00", "near/fan/00"]
OF_THE_FAN = ["guarded/fan/00", "near/fan/00"]


def told(result):
    """Return {(kind, artifact)} of a verification."""
    return {(one.kind, one.artifact) for one in result.differences}


def flip(path, i=None):
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if i is None else i] ^= 1
    path.write_bytes(content)


def test_what_is_as_it_was_passes(whole, asdcore_command):
    result = whole.verify()
    assert (result.passed, list(result.differences), list(result.affected)) == (True, [], [])
    done = asdcore_command("verify", whole.path)
    assert (done.code, done.err.startswith("verify: ")) == (0, True)
    assert done.out.startswith(f"Verified: {len(whole.manifest.subjects)} pinned artifacts and the environment are as")


def test_a_frozen_run_may_be_moved_or_split_up(frozen, tmp_path):
    for name in ("data", "run", "store"):
        shutil.move(frozen.home / name, tmp_path / f"moved {name}")
    assert not frozen.verify().passed
    assert frozen.verify(**{name: tmp_path / f"moved {name}" for name in ("data", "run", "store")}).passed


def test_the_roots_may_be_links(frozen, tmp_path):
    for name in ("data", "run", "store"):
        shutil.move(frozen.home / name, tmp_path / f"moved {name}")
        (frozen.home / name).symlink_to(tmp_path / f"moved {name}")
    (tmp_path / "link.json").symlink_to(frozen.path)
    assert frozen.verify().passed
    assert verify(tmp_path / "link.json").passed


ARTIFACTS = {
    "a recording": lambda frozen: (frozen.clip, OF_THE_FAN),
    "features": lambda frozen: (frozen.shard, None),
    "a table": lambda frozen: (frozen.home / "run" / "scores.parquet", EVERY),
    "the portfolio": lambda frozen: (frozen.home / "run" / "portfolio.json", EVERY),
    "the record": lambda frozen: (frozen.home / "run" / RUN_FILE, []),
}
FAULTS = {
    "a flipped byte": (flip, CHANGED),
    "a truncation": (lambda path: path.write_bytes(path.read_bytes()[:-1]), CHANGED),
    "a byte too many": (lambda path: path.write_bytes(path.read_bytes() + b"\0"), CHANGED),
    "emptiness": (lambda path: path.write_bytes(b""), CHANGED),
    "a deletion": (lambda path: path.unlink(), MISSING),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("artifact", ARTIFACTS)
def test_every_kind_of_artifact_is_watched(frozen, artifact, fault):
    path, affected = ARTIFACTS[artifact](frozen)
    spoil, kind = FAULTS[fault]
    spoil(path)
    result = frozen.verify()
    assert told(result) == {(kind, frozen.name_of(path))}
    assert affected is None or list(result.affected) == affected


def test_features_are_not_extra_when_others_are_damaged(frozen):
    """What a damaged file of features would have been read for is no fault of its neighbours."""
    shards = sorted((frozen.home / "store" / "features").rglob("*.parquet"))
    for shard in shards:
        flip(shard, 40)
    assert told(frozen.verify()) == {(CHANGED, frozen.name_of(shard)) for shard in shards}


def test_two_files_that_changed_places_are_both_told(frozen):
    one, two = sorted(frozen.clip.parent.iterdir())[:2]
    held = one.read_bytes()
    assert one.stat().st_size == two.stat().st_size
    one.write_bytes(two.read_bytes())
    two.write_bytes(held)
    assert told(frozen.verify()) == {(CHANGED, frozen.name_of(path)) for path in (one, two)}


def test_a_renamed_recording_is_missing_here_and_extra_there(frozen):
    renamed = frozen.clip.with_name("section_00_source_test_normal_0099.wav")
    name = frozen.name_of(frozen.clip)
    frozen.clip.rename(renamed)
    result = frozen.verify()
    assert told(result) == {(MISSING, name), (EXTRA, frozen.name_of(renamed))}
    assert list(result.affected) == OF_THE_FAN


@pytest.mark.parametrize(
    ("name", "affected"),
    [
        ("fan/train/new.wav", OF_THE_FAN),
        ("fan/test/NEW.WAV", OF_THE_FAN),
        ("pump/test/new.wav", EVERY),
        ("new.flac", EVERY),
    ],
)
def test_a_recording_too_many_is_extra(frozen, name, affected):
    path = frozen.home / "data" / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(b"")
    result = frozen.verify()
    assert told(result) == {(EXTRA, f"data/{name}")}
    assert list(result.affected) == affected


@pytest.mark.parametrize(
    "name", ["data/fan/notes.txt", "data/fan/test/.hidden.wav", "run/report.html", "run/.part", "x.wav"]
)
def test_what_nothing_reads_is_not_extra(frozen, name):
    (frozen.home / name).write_bytes(b"")
    assert frozen.verify().passed


def test_a_table_too_many_is_extra(frozen):
    (frozen.home / "run" / "embeddings.parquet").write_bytes(b"")
    (frozen.home / "run" / os.fsdecode(b"\xff")).write_bytes(b"")
    assert told(frozen.verify()) == {(EXTRA, "run/embeddings.parquet"), (EXTRA, r"run/\xff")}


def test_a_spelling_is_a_name(tmp_path, frozen):
    """Two spellings of one letter are two names, also where they look the same."""
    name = f"gr{unicodedata.normalize('NFC', 'ö')}sse.wav"
    (frozen.clip.parent / name).write_bytes(b"")
    manifest = frozen.path.with_name("again.json")
    shutil.copy(frozen.path, manifest)
    assert told(verify(manifest)) == {(EXTRA, f"data/fan/test/{name}")}
    (frozen.clip.parent / name).rename(frozen.clip.parent / unicodedata.normalize("NFD", name))
    assert told(verify(manifest)) == {(EXTRA, f"data/fan/test/{unicodedata.normalize('NFD', name)}")}


def outside(path):
    shutil.move(path, path.parents[3] / "outside.wav")
    path.symlink_to(path.parents[3] / "outside.wav")


def replaced(make):
    return lambda path: (path.unlink(), make(path))


INSTEAD = {
    "a link out of the data": (outside, CHANGED, "a link leads out of its root"),
    "a dangling link": (replaced(lambda path: path.symlink_to("nowhere")), MISSING, ""),
    "a link to itself": (replaced(lambda path: path.symlink_to(path)), CHANGED, "Too many levels of symbolic links"),
    "a folder": (replaced(lambda path: path.mkdir()), CHANGED, "Is a directory"),
    "a pipe": (replaced(os.mkfifo), CHANGED, "it is not a regular file"),
    "a device": (replaced(lambda path: path.symlink_to("/dev/zero")), CHANGED, "a link leads out of its root"),
}


@pytest.mark.parametrize("instead", INSTEAD)
def test_what_stands_in_for_a_recording_is_told_and_holds_nobody_up(frozen, instead):
    make, kind, detail = INSTEAD[instead]
    name = frozen.name_of(frozen.clip)
    make(frozen.clip)
    (found,) = frozen.verify().differences
    assert (found.kind, found.artifact) == (kind, name)
    assert detail in found.detail


def test_a_link_within_the_data_to_the_same_sound_is_no_difference(frozen):
    clip = frozen.clip
    shutil.move(clip, frozen.home / "data" / "kept")
    clip.symlink_to(frozen.home / "data" / "kept")
    assert frozen.verify().passed


@pytest.mark.parametrize("root", ["data", "run", "store"])
@pytest.mark.parametrize("instead", ["nothing", "file", "link to itself"])
def test_a_root_that_is_gone_makes_everything_in_it_differ(frozen, root, instead):
    shutil.rmtree(frozen.home / root)
    if instead == "file":
        (frozen.home / root).write_bytes(b"")
    if instead == "link to itself":
        (frozen.home / root).symlink_to(root)
    result = frozen.verify()
    names = {name for name in frozen.manifest.subjects if name.startswith(f"{root}/")}
    assert {one.artifact for one in result.differences} == names
    assert list(result.affected) == EVERY


def test_a_folder_that_cannot_be_listed_is_told(whole, monkeypatch):
    list_ = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: list_(path) if str(path) != str(whole.home / "run") else denied())
    (found,) = whole.verify().differences
    assert str(found) == "changed: run (cannot be listed: Permission denied)"


def denied():
    raise PermissionError(13, "Permission denied")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_recording_that_may_not_be_read_is_told(frozen):
    frozen.clip.chmod(0)
    (found,) = frozen.verify().differences
    assert found.detail == "cannot be read: Permission denied"


def test_all_differences_are_told_at_once_in_groups(frozen, asdcore_command):
    (frozen.home / "run" / "scores.parquet").unlink()
    flip(frozen.clip)
    extra = frozen.clip.with_name("section_00_source_test_normal_0099.wav")
    extra.write_bytes(b"")
    result = frozen.verify()
    assert {title: [one.kind for one in some] for title, some in grouped(result.differences).items()} == {
        "recordings": [CHANGED, EXTRA], "tables": [MISSING],
    }  # fmt: skip
    done = asdcore_command("verify", frozen.path)
    assert done.code == FAILED
    lines = done.out.splitlines()
    assert lines[0] == "recordings: 2 differences"
    assert lines[1].startswith(f"  changed: {frozen.name_of(frozen.clip)} (sha256 ")
    assert lines[2:5] == [f"  extra: {frozen.name_of(extra)}", "tables: 1 difference", "  missing: run/scores.parquet"]
    told = ["", "Results affected: 4", *(f"  {one}" for one in EVERY), "", "Not as frozen: 3 differences."]
    assert lines[5 : 5 + len(told)] == told


def test_json_is_one_object_that_says_all(frozen, asdcore_command):
    flip(frozen.clip)
    done = asdcore_command("verify", frozen.path, "--json")
    said = json.loads(done.out)
    assert (done.code, said["passed"], said["pinned"]) == (FAILED, False, len(frozen.manifest.subjects))
    assert (said["manifest"], said["sha256"]) == (str(frozen.path), frozen.manifest.sha256)
    (difference,) = said["differences"]
    assert (difference["kind"], difference["group"]) == (CHANGED, "audio")
    assert (difference["artifact"], said["affected"]) == (frozen.name_of(frozen.clip), OF_THE_FAN)
    assert (
        json.loads(asdcore_command("verify", frozen.path, "--recompute", "--json").out)["recomputed"][1]["table"]
        == "scores"
    )


def test_a_record_that_says_something_else_is_told_by_key_timings_and_places_apart(frozen):
    path = frozen.home / "run" / RUN_FILE
    about = json.loads(path.read_text())
    about |= {"seconds": {}, "data": "/elsewhere", "store": "/elsewhere", FIELD: unsealed()}
    path.write_bytes(seal(json.dumps(about).encode()))
    assert frozen.verify().passed
    about |= {"year": 2020, "portfolio": about["portfolio"] | {"seed": 99}, FIELD: unsealed()}
    path.write_bytes(seal(json.dumps(about).encode()))
    (found,) = frozen.verify().differences
    assert str(found) == f"changed: run/{RUN_FILE} (it differs in portfolio, year)"


@pytest.mark.parametrize("content", ["", "{}", "[1]", "[" * 100_000, None])
def test_a_record_that_is_none_is_told(frozen, content):
    path = frozen.home / "run" / RUN_FILE
    path.unlink()
    if content is None:
        os.mkfifo(path)
    else:
        path.write_text(content)
    (found,) = frozen.verify().differences
    assert (found.kind, found.artifact) == (CHANGED, f"run/{RUN_FILE}")
    assert "cannot be read" in found.detail


def shard_of(frozen, name, audio):
    """Write one more file of features of these clips, beside those that are pinned."""
    frame = pl.read_parquet(frozen.shard)
    path = frozen.shard.with_name(f"{name}.parquet")
    frame[: len(audio)].with_columns(pl.Series("audio_sha256", audio)).write_parquet(path)
    return path


def test_features_of_other_clips_may_join_those_that_are_frozen(frozen):
    shard_of(frozen, "zzz", ["0" * 64])
    (frozen.home / "store" / "features" / "another set").mkdir()
    (frozen.home / "store" / "features" / "another set" / "x.parquet").write_bytes(b"")
    assert frozen.verify().passed


@pytest.mark.parametrize(("name", "is_read"), [("zzz", True), ("000", False), (".zzz", False)])
def test_features_that_would_be_read_in_place_of_frozen_ones_are_extra(frozen, name, is_read):
    audio = pl.read_parquet(frozen.shard)["audio_sha256"].to_list()[:1]
    path = shard_of(frozen, name, [*audio, "0" * 64])
    read_from = {name: shard for shard, names in FeatureSet(path.parent).each_shard() for name in names}
    assert (read_from[audio[0]] == path) is is_read
    assert told(frozen.verify()) == ({(EXTRA, frozen.name_of(path))} if is_read else set())


@pytest.mark.parametrize("kind", ["text", "empty", "half", "folder", "pipe", "another table"])
def test_a_file_among_features_that_cannot_be_read_is_extra(frozen, kind):
    path = frozen.shard.with_name("zzz.parquet")
    half = frozen.shard.read_bytes()[:-9]
    {
        "text": lambda: path.write_text("hello"),
        "empty": lambda: path.write_bytes(b""),
        "half": lambda: path.write_bytes(half),
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "another table": lambda: shutil.copy(frozen.home / "run" / "scores.parquet", path),
    }[kind]()
    assert told(frozen.verify()) == {(EXTRA, frozen.name_of(path))}


def test_another_environment_is_told(frozen, resealed):
    def change(said):
        said["predicate"]["environment"]["packages"]["numpy"] = "0.1"
        said["predicate"]["asdcore"] = "0.0.1"

    resealed(frozen.path, change)
    result = frozen.verify()
    assert {(one.kind, one.group) for one in result.differences} == {(VERSION, "environment"), (VERSION, "code")}
    assert any("packages: numpy: 0.1, here" in str(one) for one in result.differences)
    assert list(result.affected) == EVERY


def test_times_are_trusted_only_when_asked(frozen, tmp_path, monkeypatch):
    monkeypatch.setattr(hashing, "FRESH", -(10**15))
    assert frozen.verify().passed
    (kept,) = (tmp_path / "store" / "verified").iterdir()
    times = json.loads(kept.read_text())
    assert str(frozen.clip) in times
    touched = times[str(frozen.clip)].rpartition(" ")[0]
    kept.write_text(json.dumps(times | {str(frozen.clip): f"{touched} {'0' * 64}"}))
    differs = {(CHANGED, frozen.name_of(frozen.clip))}
    assert told(frozen.verify(trust_mtime=True)) == differs
    assert frozen.verify().passed
    assert frozen.verify(trust_mtime=True).passed
    flip(frozen.clip)
    assert told(frozen.verify(trust_mtime=True)) == differs


def test_nothing_of_a_plugin_is_run(whole, tmp_path):
    code = (
        "import sys\n"
        "from asdcore.frozen.verify import verify\n"
        f"result = verify({str(whole.path)!r})\n"
        "print(result.differences, [name for name in sys.modules if name.startswith('asdcore_plugins')])\n"
        "print([name for name in ('torch', 'transformers', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split("\n")[:2] == ["[] []", "[]"]


def test_verifying_changes_nothing(frozen):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in frozen.home.rglob("*") if path.is_file()}
    frozen.verify(recompute=True)
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in frozen.home.rglob("*") if path.is_file()}
    assert before == after


WRONG_USE = {
    "nothing": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "an empty file": lambda path: path.write_bytes(b""),
    "random bytes": lambda path: path.write_bytes(random.Random(1).randbytes(500)),
    "some JSON": lambda path: path.write_text('{"subject": []}'),
    "a zip file": lambda path: path.write_bytes(b"PK\x03\x04" + bytes(99)),
    "a portfolio": lambda path: path.write_text('name = "demo"'),
    "a huge file": lambda path: os.truncate(path, 1 << 36),
}


@pytest.mark.parametrize("what", WRONG_USE)
def test_what_is_no_manifest_is_wrong_use(frozen, asdcore_command, what):
    WRONG_USE[what](frozen.path)
    done = asdcore_command("verify", frozen.path, "--json")
    assert (done.code, done.out) == (MISUSED, "")
    assert done.err.startswith(f"Error: {frozen.path} ")
    assert "'asdcore freeze RUN" in done.err


def test_a_schema_that_is_not_read_is_wrong_use(frozen, asdcore_command, resealed):
    resealed(frozen.path, lambda said: said.update(predicateType=f"{PREDICATE}0"))
    done = asdcore_command("verify", frozen.path)
    assert done.code == MISUSED
    assert "this asdcore reads schema 1 and 2. Use the asdcore that froze it" in done.err


@pytest.mark.parametrize("where", [0.1, 0.3, 0.6, 0.9])
def test_an_edited_manifest_fails(frozen, asdcore_command, where):
    flip(frozen.path, int(where * frozen.path.stat().st_size))
    done = asdcore_command("verify", frozen.path)
    assert (done.code, done.out) == (FAILED, "")
    assert "was changed after it was sealed: do not use it" in done.err


def test_a_manifest_made_up_fails(frozen, asdcore_command, resealed):
    resealed(frozen.path, lambda said: said["subject"][0].update(name="data/../../etc/passwd"))
    done = asdcore_command("verify", frozen.path)
    assert (done.code, "leads out of its root" in done.err) == (FAILED, True)


@pytest.mark.parametrize(
    "arguments", [["verify"], ["verify", "x", "--workers", "0"], ["freeze", "x"], ["verify", "x", "--nope"]]
)
def test_wrong_options_are_wrong_use(asdcore_command, arguments):
    assert asdcore_command(*arguments).code == MISUSED


def test_a_manifest_of_nothing_but_missing_files_is_still_verified(whole, tmp_path):
    """A manifest by itself, as a reviewer gets it."""
    shutil.copy(whole.path, tmp_path / "frozen.json")
    result = verify(tmp_path / "frozen.json")
    own = {one.name for one in whole.manifest.subjects.values() if one.kind not in ("code", "plugin")}
    assert told(result) == {(MISSING, name) for name in own}
    kept = len(whole.manifest.of_kind("features")) + len(whole.manifest.of_kind("fitted"))
    assert len(own) == 40 + 1 + len(TABLES) + 1 + kept


def test_from_python_a_damaged_manifest_is_an_error(frozen):
    flip(frozen.path)
    with pytest.raises(ManifestError, match="changed after it was sealed"):
        frozen.verify()
