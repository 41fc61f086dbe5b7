"""The registry that asdcore ships: every entry obeys the schema, invents nothing, and the commands show it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import typer

from asdcore.cli import registry as commands
from asdcore.contract.plugins import installed
from asdcore.resources.add import add
from asdcore.resources.archives import SPLITS
from asdcore.resources.entries import entry_text, load_entry
from asdcore.resources.registry import locate, open_registry, resource_folder, shipped_registry

PATHS = sorted(shipped_registry().glob("*.toml"))
ENTRIES = {path.stem: load_entry(path) for path in PATHS}
CHECKPOINTS = [one for one in ENTRIES.values() if one.kind == "checkpoint"]
DATASETS = [one for one in ENTRIES.values() if one.kind == "dataset"]

KNOWN = {
    "BEATs_iter3_plus_AS2M.pt": (361_499_833, "d43cbfad4d7b56381c061d7a24774f908d4d94c72961f6eb1d9090ff18cd8d34"),
    "mn04_as_mAP_432.pt": (4_066_513, "899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c"),
    "yamnet.tflite": (4_078_224, "469be6a3421cbc52cf97e9f2f966cba984198e8e7af9854d68b3e3ebb1e04194"),
}
RECORDS = {
    "dcase2020": (3678171, 3727685, 3841772),
    "dcase2021": (4562016, 4660992, 4884786),
    "dcase2022": (6355122, 6462969, 6586456),
    "dcase2023": (7882613, 7830345, 7860847),
    "dcase2024": (10902294, 11259435, 11363076),
    "dcase2025": (15097779, 15392814, 15519362),
    "dcase2026": (19336329, 20151556, 20437238),
}


def ids(entries):
    return [one.id for one in entries]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_an_entry_is_written_as_asdcore_writes_it(path):
    assert path.read_text() == entry_text(load_entry(path))


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ids(ENTRIES.values()))
def test_addresses_are_safe_and_pinned(entry):
    for file in entry.files:
        url = entry.url(file)
        if url is not None:
            assert url.startswith("https://")
            assert entry.revision in url


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ids(ENTRIES.values()))
def test_only_the_challenges_own_data_are_said_to_be_allowed(entry):
    """No list of allowed resources was read: anything else would be invented."""
    answers = set(entry.allowed.values())
    assert answers == {"unknown"} if entry.kind == "checkpoint" else answers <= {"yes", "no"}
    assert set(entry.allowed) == ({"2026"} if entry.kind == "checkpoint" else {entry.plugin.removeprefix("dcase")})


def test_no_two_files_share_a_hash():
    for algorithm in ("sha256", "md5"):
        found = [getattr(file, algorithm) for one in ENTRIES.values() for file in one.files]
        hashes = [digest for digest in found if digest]
        assert len(hashes) == len(set(hashes)) > 10


def test_hashes_known_for_certain_are_recorded():
    recorded = {file.name: (file.size, file.sha256) for one in CHECKPOINTS for file in one.files}
    assert {name: recorded[name] for name in KNOWN} == KNOWN


def test_hashes_are_those_of_the_table(shared):
    """The table's rows are ``| file | size | sha256 | source |``; a name may be followed by where the file is."""
    table = shared("golden", "encoders", "README.md").read_text()
    every = [(one.id, file) for one in CHECKPOINTS for file in one.files if file.sha256]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| ")]
    hashed = {row[2].split()[0]: row for row in rows if len(row) == 4 and len(row[2].split()[0]) == 64}
    assert len(hashed) >= 20
    for digest, (name, size, _, _) in hashed.items():
        (file,) = [file for _, file in every if file.sha256 == digest]
        assert file.name in name
        assert file.size is None or f"{file.size:,}" in size


def test_files_that_are_here_have_their_recorded_hash(shared, monkeypatch):
    for folder, identifier in (("mn04_as", "efficientat-mn04"), ("yamnet", "yamnet")):
        (weights,) = shared("weights", folder).iterdir()
        assert add(weights, open_registry()).id == identifier
        assert locate(identifier).read_bytes() == weights.read_bytes()


def test_every_encoder_that_reads_a_checkpoint_is_there():
    known = installed().components("encoder")
    assert {one.plugin for one in CHECKPOINTS} <= set(known)


@pytest.mark.parametrize("entry", CHECKPOINTS, ids=ids(CHECKPOINTS))
def test_parameters_of_use_are_the_encoders_own(entry):
    component = installed().component("encoder", entry.plugin)
    installed().check_parameters(component, {"checkpoint": "x", **entry.use})


@pytest.mark.parametrize("task", RECORDS)
def test_a_year_has_its_three_records(task):
    found = {one.use["split"]: one for one in DATASETS if one.plugin == task}
    assert task in installed().components("dataset")
    assert tuple(int(found[split].revision) for split in SPLITS) == RECORDS[task]
    machines = {split: {file.machine for file in found[split].files} for split in SPLITS}
    assert machines["train"] == machines["eval"]
    assert all(str(file.machine) in file.name for split in SPLITS for file in found[split].files)


def test_corrected_archives_replace_the_wrong_ones():
    names = {file.name for one in DATASETS for file in one.files if one.plugin in ("dcase2024", "dcase2026")}
    corrected = {"eval_data_3DPrinter_train", "eval_data_RoboticArm_train"}
    assert {f"{name}_r2.zip" for name in corrected} <= names
    assert not {f"{name}.zip" for name in corrected} & names
    toycar = {file.name for file in ENTRIES["dcase2026-dev"].files if file.machine == "ToyCar"}
    assert toycar == {"dev_ToyCar_r2.zip"}


def test_names_of_2026_are_those_of_the_real_clips(shared):
    import gzip

    lines = gzip.decompress(shared("data", "dcase2026_clip_names.txt.gz").read_bytes()).decode().split()
    machines = {line.split("/")[0] for line in lines}
    assert {file.machine for one in DATASETS if one.plugin == "dcase2026" for file in one.files} == machines


def test_list_shows_every_entry(capsys):
    commands.list_()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["id", "kind", "plugin", "licence", "check", "here", "title"]
    assert [line.split()[0] for line in lines[1:]] == sorted(ENTRIES)
    commands.list_(as_json=True)
    told = {row["id"]: row for row in json.loads(capsys.readouterr().out)["resources"]}
    assert set(told) == set(ENTRIES)
    beats = told["beats-iter3-plus-as2m"]
    assert (beats["kind"], beats["plugin"], beats["check"], beats["here"]) == ("checkpoint", "beats", "sha256", False)
    assert beats["files"][0]["sha256"] == KNOWN["BEATs_iter3_plus_AS2M.pt"][1]
    assert beats["files"][0]["url"].endswith("/BEATs_iter3_plus_AS2M.pt")


def test_add_and_verify_from_the_command_line(tmp_path, capsys):
    path = tmp_path / "mine.pt"
    path.write_bytes(b"weights")
    commands.add(path, source="https://example.org", licence="MIT", plugin="logmel")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert capsys.readouterr().out.splitlines() == [f"mine: {resource_folder('mine')}", f"  mine.pt  {digest}"]
    commands.verify(["mine"])
    assert "ok     mine: mine.pt, sha256 as recorded" in capsys.readouterr().out
    placed = resource_folder("mine") / "mine.pt"
    placed.unlink()
    placed.write_bytes(b"Weights")
    with pytest.raises(typer.Exit) as ended:
        commands.verify()
    assert ended.value.exit_code == 1
    told = capsys.readouterr().out
    assert f"WRONG  mine: {placed} has the SHA-256" in told
    assert f"{len(ENTRIES) + 1} entries, 1 files are here, 1 wrong" in told


def test_verify_lists_every_wrong_entry(tmp_path, capsys):
    (tmp_path / "bad.toml").write_text("title = 1")
    (tmp_path / "worse.toml").write_text("= 1")
    with pytest.raises(typer.Exit) as ended:
        commands.verify(registry=tmp_path)
    assert ended.value.exit_code == 1
    told = capsys.readouterr().out
    assert "bad.toml is not a valid registry entry" in told
    assert "worse.toml is not TOML" in told


def test_the_readme_explains_every_key():
    text = (Path(shipped_registry()) / "README.md").read_text()
    entry = next(iter(ENTRIES.values()))
    for key in (*type(entry).model_fields, *type(entry.files[0]).model_fields):
        assert key == "id" or f"`{key}`" in text, key
