"""A detector's file is used only if every byte of it is as it was frozen."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import zipfile
from io import BytesIO

import polars as pl
import pytest

import asdcore
from asdcore.detector.container import ABOUT, MANIFEST, open_container
from asdcore.errors import ManifestError
from asdcore.frozen.manifest.statement import NothingToCheckError
from asdcore.store.digests.canonical import canonical_json
from asdcore.store.digests.sealed_json import FIELD, seal, unsealed


def members(path):
    with zipfile.ZipFile(path) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def rewritten(path, content, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as packed:
        for name, data in content.items():
            packed.writestr(name, data)
    return path


def test_every_member_is_read_as_it_was_frozen(carried):
    opened = open_container(carried.path)
    assert opened.manifest.sha256 == asdcore.load_detector(carried.path).manifest_sha256
    for name in opened.members:
        assert len(opened.read(name)) == opened.manifest.subjects[name].size
    kinds = {opened.manifest.subjects[name].kind for name in opened.members}
    assert kinds == {"table", "fitted", "features"}


def test_the_same_manifest_gives_the_same_bytes(carried, tmp_path):
    again = asdcore.export(carried.manifest, tmp_path / "again.asd")
    assert again.read_bytes() == carried.path.read_bytes()


def test_of_many_flipped_bytes_each_is_refused_or_says_nothing(carried, tmp_path):
    """A byte of the zip's own tables may say nothing, such as a time; then every member is still the frozen one."""
    content, rng = carried.path.read_bytes(), random.Random(0)
    path, whole = tmp_path / "flipped.asd", open_container(carried.path)
    refused = 0
    for place in [rng.randrange(len(content)) for _ in range(150)]:
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :])
        try:
            opened = open_container(path)
        except ManifestError:
            refused += 1
            continue
        assert opened.members == whole.members
        assert all(opened.read(name) == whole.read(name) for name in sorted(whole.members)[:3])
    assert refused > 140


def test_no_part_of_it_passes_for_it(carried, tmp_path):
    content, rng = carried.path.read_bytes(), random.Random(0)
    for end in [0, 1, len(content) // 2, len(content) - 1, *(rng.randrange(len(content)) for _ in range(20))]:
        (tmp_path / "cut.asd").write_bytes(content[:end])
        with pytest.raises(ManifestError, match="cut short|damaged|is not a detector|not a zip"):
            open_container(tmp_path / "cut.asd")


def spoilt(content, change):
    changed = dict(content)
    change(changed)
    return changed


def a_table(content):
    return next(name for name in sorted(content) if name.startswith("run/"))


def relisted(content, **more):
    """Seal the list of members anew, as somebody might who edits the file on purpose."""
    about = {
        "format": 1,
        "manifest": {"name": "frozen.json", "sha256": hashlib.sha256(content[MANIFEST]).hexdigest()},
        "members": sorted(set(content) - {ABOUT, MANIFEST}),
        "checkpoints": {},
        **more,
        FIELD: unsealed(),
    }
    content[ABOUT] = seal(canonical_json(about))


def escaping(content):
    content["../outside.txt"] = b"x"
    relisted(content)


def foreign(content):
    content["run/another.parquet"] = b"x"
    relisted(content)


def exchanged(content):
    first, second = sorted(name for name in content if name.startswith("store/fitted/"))[:2]
    content[first], content[second] = content[second], content[first]


CHANGES = {
    "a member more": (lambda content: content.update({"run/more.parquet": b"x"}), "run/more.parquet, which was not"),
    "a member less": (lambda content: content.pop(a_table(content)), "it lacks run/"),
    "a member less, relisted": (lambda content: (content.pop(a_table(content)), relisted(content)), None),
    "a member that escapes": (escaping, "leads out of its root"),
    "a foreign member": (foreign, "run/another.parquet, which was not frozen"),
    "two states exchanged": (exchanged, "bytes|not the file that was frozen"),
    "another table": (lambda content: content.update({a_table(content): b"x"}), "has 1 bytes"),
    "another manifest": (lambda content: content.update({MANIFEST: b"{}"}), "its manifest is another"),
    "no manifest": (lambda content: content.pop(MANIFEST), "not a detector of asdcore"),
    "another list": (
        lambda content: content.update({ABOUT: content[ABOUT].replace(b'"format":1', b'"format":2')}),
        "seal",
    ),
    "no list": (lambda content: content.update({ABOUT: b"[]"}), "edited or damaged"),
    "another format": (lambda content: relisted(content, format=2), "format"),
    "a name that escapes": (
        lambda content: relisted(content, manifest={"name": "../x", "sha256": "0"}),
        "is not the name of a file",
    ),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_an_edited_file_is_refused_and_nothing_of_it_used(carried, tmp_path, change, message):
    path = rewritten(tmp_path / "edited.asd", spoilt(members(carried.path), change))
    if message is None:  # the list of members is not pinned: what is missing is missed when it is needed
        with pytest.raises(ManifestError, match="does not hold run/"):
            asdcore.load_detector(path).score([[0.1] * 4000] * 2, 16000, "fan")
        return
    with pytest.raises(ManifestError, match=message):
        open_container(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["edited.asd"]


def empty(content):
    return b""


def without_rows(content):
    table = BytesIO()
    pl.read_parquet(content).head(0).write_parquet(table)
    return table.getvalue()


def without_a_column(content):
    table = BytesIO()
    frame = pl.read_parquet(content)
    frame.drop(frame.columns[0]).write_parquet(table)
    return table.getvalue()


@pytest.mark.parametrize("spoil", [empty, without_rows, without_a_column])
@pytest.mark.parametrize("kind", ["run/clips", "run/scores", "run/systems", "store/features"])
def test_a_forged_table_is_refused_even_if_everything_is_sealed_anew(carried, tmp_path, kind, spoil):
    content = members(carried.path)
    name = next(name for name in sorted(content) if name.startswith(kind))
    content[name] = spoil(content[name])
    statement = json.loads(content[MANIFEST])
    (pinned,) = (subject for subject in statement["subject"] if subject["name"] == name)
    pinned["digest"]["sha256"] = hashlib.sha256(content[name]).hexdigest()
    pinned["annotations"]["size"] = len(content[name])
    statement["predicate"][FIELD] = unsealed("now")
    content[MANIFEST] = seal(canonical_json(statement))
    relisted(content)
    with pytest.raises(ManifestError, match="holds what no freeze writes|do not get their frozen|lacks the train"):
        asdcore.load_detector(rewritten(tmp_path / "x.asd", content)).score([[0.1] * 4000] * 2, 16000, "fan")


def named(name):
    return {"manifest": {"name": name, "sha256": "of the manifest"}}


ABOUTS = {
    "a checkpoint outside": ({"checkpoints": {"mine": "/etc/hostname"}}, "/etc/hostname, a checkpoint, is not inside"),
    "one above": ({"checkpoints": {"mine": "../other.pt"}}, "../other.pt, a checkpoint, is not inside"),
    "a list of checkpoints": ({"checkpoints": []}, "detector.json"),
    "no name": (named(""), "'' is not the name of a file"),
    "a folder's name": (named(".."), "'..' is not the name of a file"),
    "a long name": (named("x" * 300), "is not the name of a file"),
    "no members": ({"members": None}, "detector.json"),
}


@pytest.mark.parametrize(("about", "message"), ABOUTS.values(), ids=ABOUTS)
def test_a_list_of_contents_that_leads_outside_is_refused(carried, tmp_path, about, message):
    content = members(carried.path)
    digest = {"sha256": hashlib.sha256(content[MANIFEST]).hexdigest()}
    about = {key: {**value, **digest} if key == "manifest" else value for key, value in about.items()}
    relisted(content, **about)
    with pytest.raises(ManifestError, match=f"was edited or damaged: .*{message}"):
        open_container(rewritten(tmp_path / "mine.asd", content))


@pytest.mark.parametrize(("before", "behind"), [(b"#!/bin/sh\n", b""), (b"", b"more"), (b"", None)])
def test_bytes_around_a_detector_are_refused(carried, tmp_path, before, behind):
    """A zip may have a program before it, and a comment or another zip behind it."""
    content = carried.path.read_bytes()
    path = tmp_path / "around.asd"
    path.write_bytes(before + content + (content if behind is None else behind))
    with pytest.raises(ManifestError, match="bytes before or behind what was written"):
        open_container(path)


def test_a_pipe_in_place_of_a_detector_in_use_is_not_waited_for(carried, tmp_path):
    opened = open_container(shutil.copy(carried.path, tmp_path / "mine.asd"))
    opened.path.unlink()
    os.mkfifo(opened.path)
    with pytest.raises(ManifestError, match="cannot be read any more: it is missing, or not a file"):
        opened.read("run/clips.parquet")


def test_a_name_longer_than_any_file_has_is_no_traceback(tmp_path):
    with pytest.raises(NothingToCheckError, match="cannot be read: File name too long"):
        open_container(tmp_path / ("x" * 300 + ".asd"))


def test_twice_the_same_member_is_refused(carried, tmp_path):
    path = tmp_path / "twice.asd"
    shutil.copy(carried.path, path)
    name = a_table(members(path))
    with zipfile.ZipFile(path, "a") as packed, pytest.warns(UserWarning, match="Duplicate name"):
        packed.writestr(name, b"x")
    with pytest.raises(ManifestError, match=f"it holds {name} twice"):
        open_container(path)


def test_compressed_members_are_refused(carried, tmp_path):
    path = rewritten(tmp_path / "packed.asd", members(carried.path), zipfile.ZIP_DEFLATED)
    with pytest.raises(ManifestError, match="is compressed or encrypted"):
        open_container(path)


def test_what_is_no_detector_is_named_with_what_makes_one(carried, tmp_path):
    with pytest.raises(NothingToCheckError, match=r"There is no detector .*none.asd.*'asdcore export MANIFEST"):
        open_container(tmp_path / "none.asd")
    with pytest.raises(NothingToCheckError, match=r"is JSON.*'asdcore export .*frozen.json --out NAME.asd' makes"):
        open_container(carried.manifest)
    for content in (b"", b"hello", carried.path.read_bytes()[:-1]):
        (tmp_path / "text.asd").write_bytes(content)
        with pytest.raises(ManifestError, match="is not a detector, or was cut short or edited"):
            open_container(tmp_path / "text.asd")


def test_a_file_that_changes_while_it_is_in_use_is_noticed(carried, tmp_path):
    shutil.copy(carried.path, tmp_path / "used.asd")
    opened = open_container(tmp_path / "used.asd")
    name = a_table(members(carried.path))
    rewritten(tmp_path / "used.asd", spoilt(members(carried.path), lambda content: content.update({name: b"x"})))
    with pytest.raises(ManifestError, match=f"was changed while it was in use: {name} is another"):
        opened.read(name)
    (tmp_path / "used.asd").unlink()
    with pytest.raises(ManifestError, match="cannot be read any more"):
        opened.read(name)
