"""A manifest says again what was written, and one that was touched, cut, made up or is none is refused."""

from __future__ import annotations

import hashlib
import json
import os
import random

import pytest

from asdcore.errors import ManifestError
from asdcore.frozen.manifest.statement import (
    LARGEST,
    PREDICATE,
    STATEMENT,
    NothingToCheckError,
    Subject,
    check_name,
    read_manifest,
    write_manifest,
)
from asdcore.runs.folder import TABLES
from asdcore.store.digests.canonical import canonical_json
from asdcore.store.digests.sealed_json import FIELD

H = [f"{i:064x}" for i in range(9)]
SUBJECTS = [
    Subject("run/run.json", "record", content=H[0]),
    Subject("run/portfolio.json", "portfolio", 7, H[1]),
    *(Subject(f"run/{name}.parquet", "table", 9, H[2], H[3]) for name in TABLES),
    Subject("data/fan/test/größe 1.wav", "audio", 0, H[4]),
    Subject("store/features/x/y.parquet", "features", 5, H[5], H[6]),
]
ENVIRONMENT = {"packages": {"numpy": "2"}, "deterministic": {"device": "cpu"}}
PREDICATE_SAID = {
    "asdcore": "0.1.0",
    "name": "small",
    "portfolio": {"weights": [1.0, 1, 0.1], "seed": 2**60, "none": None},
    "run": {"task": "dcase2026", "device": "cpu"},
    "roots": {"data": "../data", "run": "run", "store": "store"},
    "set_aside": ["fan/supplemental/a.wav"],
    "plugins": [{"plugin": "p", "distribution": "d", "version": "1"}],
    "resources": [{"id": "beats-iter3"}],
    "environment": ENVIRONMENT,
    "splits": [{"scheme": "5 folds"}],
    "looks": {"at_this_result": 1},
    "lineage": {"clips/fan/00": ["data/fan/test/größe 1.wav"], "environment": []},
}


@pytest.fixture
def path(tmp_path):
    """A small manifest."""
    return write_manifest(tmp_path / "m.json", SUBJECTS, PREDICATE_SAID, "then").path


def test_it_reads_back_as_what_was_written(path):
    manifest = read_manifest(path)
    assert manifest.subjects == {one.name: one for one in SUBJECTS}
    said = dict(manifest.predicate)
    assert said.pop(FIELD).startswith("then sha256:")
    assert said == PREDICATE_SAID
    assert manifest.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [one.name for one in manifest.of_kind("audio", "portfolio")] == [
        "data/fan/test/größe 1.wav", "run/portfolio.json",
    ]  # fmt: skip


def test_numbers_of_the_portfolio_keep_their_kind(path):
    """To a plugin, and in a recipe, 1.0 is not 1; in canonical JSON it is."""
    portfolio = read_manifest(path).predicate["portfolio"]
    assert json.dumps(portfolio) == json.dumps(dict(sorted(PREDICATE_SAID["portfolio"].items())))


def test_it_is_an_in_toto_statement_in_canonical_json(path):
    statement = json.loads(path.read_bytes())
    assert canonical_json(statement) == path.read_bytes()
    assert (statement["_type"], statement["predicateType"]) == (STATEMENT, f"{PREDICATE}2")
    names = [one["name"] for one in statement["subject"]]
    assert names == sorted(one.name for one in SUBJECTS)
    audio = next(one for one in statement["subject"] if one["name"].startswith("data/"))
    assert audio == {
        "name": "data/fan/test/größe 1.wav",
        "digest": {"sha256": H[4]},
        "annotations": {"kind": "audio", "size": 0},
    }
    table = next(one for one in statement["subject"] if one["name"] == "run/scores.parquet")
    assert table["digest"] == {"sha256": H[2], "sha256-table-v1": H[3]}


def test_the_order_of_subjects_and_keys_changes_nothing(path, tmp_path):
    shuffled = dict(reversed(PREDICATE_SAID.items()))
    other = write_manifest(tmp_path / "other.json", SUBJECTS[::-1], shuffled, "then").path
    assert other.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("wrong", [{"seed": 2**53}, {"name": "\ud800"}, {"looks": {"x": float("nan")}}])
def test_what_canonical_json_cannot_say_is_refused_and_nothing_written(tmp_path, wrong):
    with pytest.raises(
        ManifestError, match=r"m.json cannot be written: .*Names are Unicode, whole numbers at most 2\^53"
    ):
        write_manifest(tmp_path / "m.json", SUBJECTS, PREDICATE_SAID | wrong, "then")
    assert list(tmp_path.iterdir()) == []


def test_every_byte_counts(path):
    content = path.read_bytes()
    for i in range(len(content)):
        path.write_bytes(content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :])
        with pytest.raises(ManifestError):
            read_manifest(path)


def test_no_part_of_it_passes_for_it(path):
    content = path.read_bytes()
    rng = random.Random(0)
    for end in [0, 1, len(content) - 1, *(rng.randrange(len(content)) for _ in range(200))]:
        path.write_bytes(content[:end])
        with pytest.raises(ManifestError, match="cut short|changed after"):
            read_manifest(path)
    path.write_bytes(content + b"\n")
    with pytest.raises(ManifestError, match="changed after it was sealed: do not use it"):
        read_manifest(path)


def test_a_changed_manifest_failed_the_check_and_is_no_wrong_use(path):
    content = path.read_bytes()
    for old, new in (
        (b"frozen-run:v2", b"frozen-run:v3"),
        (H[4].encode(), H[7].encode()),
        (b"{", b"["),
        (b"in-toto", b"in-t0to"),
    ):
        path.write_bytes(content.replace(old, new, 1))
        with pytest.raises(ManifestError, match="changed after it was sealed") as caught:
            read_manifest(path)
        assert not isinstance(caught.value, NothingToCheckError)


NO_MANIFESTS = {
    "empty": b"",
    "random": random.Random(0).randbytes(999),
    "text": b"hello",
    "number": b"5",
    "null": b"null",
    "list": b"[1, 2]",
    "object": b'{"a": 1}',
    "another statement": json.dumps({"_type": STATEMENT, "predicateType": "https://slsa.dev/provenance/v1"}).encode(),
    "types": b'{"_type": 1, "predicateType": []}',
    "deep": b"[" * 100_000,
    "long number": b"9" * 100_000,
    "not UTF-8": b'{"_type": "\xff"}',
    "portfolio": b'name = "p"\n',
}


@pytest.mark.parametrize("content", NO_MANIFESTS)
def test_what_is_no_manifest_is_said_to_be_none(tmp_path, content):
    path = tmp_path / "m.json"
    path.write_bytes(NO_MANIFESTS[content])
    with pytest.raises(NothingToCheckError, match=r"is not a manifest of asdcore.*'asdcore freeze RUN' makes one"):
        read_manifest(path)


def sparse(path):
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "No such file or directory"),
        (lambda path: path.mkdir(), "it is not a regular file"),
        (os.mkfifo, "it is not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "it is not a regular file"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
        (sparse, "it has 268,435,457 bytes, more than any manifest"),
    ],
    ids=["nothing", "folder", "pipe", "device", "link to itself", "huge"],
)
def test_what_cannot_be_read_as_one_is_not_read(tmp_path, make, said):
    make(tmp_path / "m.json")
    with pytest.raises(NothingToCheckError, match=f"m.json cannot be read: {said}"):
        read_manifest(tmp_path / "m.json")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_manifest_that_may_not_be_read_is_said_so(path):
    path.chmod(0)
    with pytest.raises(NothingToCheckError, match="Permission denied"):
        read_manifest(path)


@pytest.mark.parametrize("schema", ["0", "3", "1.5", "one"])
def test_another_schema_is_named_with_the_asdcore_that_wrote_it(path, resealed, schema):
    resealed(path, lambda said: said.update(predicateType=f"{PREDICATE}{schema}"))
    with pytest.raises(
        NothingToCheckError, match=rf"schema '{schema}', this asdcore reads schema 1 and 2.*\(asdcore 0.1.0\)"
    ):
        read_manifest(path)


def test_the_first_schema_is_read_as_well(path, resealed):
    resealed(path, lambda said: said.update(predicateType=f"{PREDICATE}1"))
    assert read_manifest(path).predicate["name"] == PREDICATE_SAID["name"]


def test_an_older_schema_without_a_seal_is_named_too(path):
    old = json.dumps({"_type": STATEMENT, "predicateType": f"{PREDICATE}0", "predicate": [1]})
    path.write_text(old)
    with pytest.raises(NothingToCheckError, match=r"schema '0', .*\(asdcore unknown\)"):
        read_manifest(path)


BAD_NAMES = (
    "data/../run/run.json", "data/./a.wav", "/etc/passwd", "data//etc/passwd", "data", "", "data/a/", "../data/a.wav",
    "data\\..\\a.wav", "data/a\0.wav", "data/\ud800.wav",
)  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_leads_out_of_its_root_is_refused(name):
    with pytest.raises(ManifestError, match="leads out of its root|is not Unicode"):
        check_name(name)


@pytest.mark.parametrize("name", [one for one in BAD_NAMES if "\ud800" not in one])
def test_a_sealed_manifest_with_such_a_name_is_refused(path, resealed, name):
    resealed(path, lambda said: said["subject"][0].update(name=name))
    with pytest.raises(
        ManifestError, match="sealed, but holds what no freeze writes: the name .* leads out of its root"
    ):
        read_manifest(path)


def name_of(said):
    return said["subject"][0]


def made_up(**changed):
    return lambda said: said["predicate"].update(changed)


MADE_UP = {
    "no subjects": lambda said: said.pop("subject"),
    "subjects of another kind": lambda said: said.update(subject={"a": 1}),
    "a subject twice": lambda said: said["subject"].append(dict(name_of(said))),
    "no record": lambda said: said["subject"].remove(next(s for s in said["subject"] if s["name"] == "run/run.json")),
    "no table": lambda said: said["subject"].remove(next(s for s in said["subject"] if "scores" in s["name"])),
    "a record of another name": lambda said: name_of(said)["annotations"].update(kind="record"),
    "an unknown kind": lambda said: name_of(said)["annotations"].update(kind="sound"),
    "no digest": lambda said: name_of(said).update(digest={}),
    "half a digest": lambda said: name_of(said)["digest"].update(sha256="abc"),
    "a digest that is no text": lambda said: name_of(said)["digest"].update(sha256=5),
    "no size": lambda said: name_of(said)["annotations"].pop("size"),
    "a size below 0": lambda said: name_of(said)["annotations"].update(size=-1),
    "a size that is no number": lambda said: name_of(said)["annotations"].update(size="5"),
    "a size that is a truth": lambda said: name_of(said)["annotations"].update(size=True),
    "no lineage": lambda said: said["predicate"].pop("lineage"),
    "a parent that is not pinned": made_up(lineage={"a": ["data/fan/test/unknown.wav"]}),
    "a parent that is no text": made_up(lineage={"a": [1]}),
    "no portfolio": made_up(portfolio=None),
    "a portfolio of another kind": made_up(portfolio="[]"),
    "a portfolio that is no JSON": made_up(portfolio="name = 1"),
    "no root of the data": made_up(roots={"run": "run", "store": "store"}),
    "an absolute root": made_up(roots={"data": "/etc", "run": "run", "store": "store"}),
    "an absolute root of a resource": made_up(roots={"data": "d", "run": "run", "store": "s", "resource/x": "/etc"}),
    "a root that is no text": made_up(roots={"data": 5, "run": "run", "store": "store"}),
    "a resource that leads out": made_up(resources=[{"id": "../../etc"}]),
    "a resource without an id": made_up(resources=[{}]),
    "a plugin without a version": made_up(plugins=[{"plugin": "p", "distribution": "d"}]),
    "a plugin that leads out": made_up(plugins=[{"plugin": "a/b", "distribution": "d", "version": "1"}]),
    "no task": made_up(run={"device": "cpu"}),
    "no device": made_up(environment={"packages": {}, "deterministic": {}}),
    "packages of another kind": made_up(environment=ENVIRONMENT | {"packages": ["numpy"]}),
    "no looks": made_up(looks=None),
    "what was set aside of another kind": made_up(set_aside=[5]),
}


@pytest.mark.parametrize("change", MADE_UP)
def test_what_no_freeze_writes_is_refused_though_it_is_sealed(path, resealed, change):
    resealed(path, MADE_UP[change])
    with pytest.raises(ManifestError, match="m.json is sealed, but holds what no freeze writes: ") as caught:
        read_manifest(path)
    assert "\n" not in str(caught.value)


def test_what_is_only_on_record_may_grow(path, resealed):
    resealed(path, lambda said: said["predicate"].update(remark="by hand"))
    assert read_manifest(path).predicate["remark"] == "by hand"
