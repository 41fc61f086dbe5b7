"""A local file enters the registry with the hash it has; one that contradicts the registry does not."""

from __future__ import annotations

import hashlib

import pytest

from asdcore.errors import ResourceError
from asdcore.resources import add as adding
from asdcore.resources.add import COMPUTED, add
from asdcore.resources.entries import load_entry
from asdcore.resources.registry import locate, open_registry, resource_folder

WEIGHTS = b"weights"
SAID = {"source": "https://example.org/mine", "licence": "MIT", "plugin": "logmel"}


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "My Model v1.0.pt"
    path.write_bytes(WEIGHTS)
    return path


def test_a_new_entry_is_written_and_the_file_put_in_place(weights, registry):
    known = registry()
    entry = add(weights, known, **SAID, title="Mine", revision="v1")
    assert (entry.id, entry.title, entry.kind, entry.revision) == ("my-model-v1.0", "Mine", "checkpoint", "v1")
    (file,) = entry.files
    assert (file.name, file.size, file.sha256) == (weights.name, 7, hashlib.sha256(WEIGHTS).hexdigest())
    assert file.evidence == COMPUTED
    assert load_entry(known.home / "my-model-v1.0.toml") == entry
    assert locate(entry.id, open_registry(known.home)).read_bytes() == WEIGHTS


def test_what_is_put_in_place_takes_no_further_space(weights, registry):
    add(weights, registry(), "mine", **SAID)
    assert (resource_folder("mine") / weights.name).samefile(weights)


def test_where_no_link_can_be_made_the_file_is_copied(weights, registry, monkeypatch):
    monkeypatch.setattr(adding.os, "link", lambda *_: (_ for _ in ()).throw(OSError("another file system")))
    add(weights, registry(), "mine", **SAID)
    placed = resource_folder("mine") / weights.name
    assert placed.read_bytes() == WEIGHTS
    assert not placed.samefile(weights)


def test_without_a_revision_the_entry_says_so(weights, registry):
    assert add(weights, registry(), "mine", **SAID).notes == "No revision was given when this was added."


def test_a_new_entry_needs_a_source(weights, registry, tmp_path):
    with pytest.raises(
        ResourceError, match=r"no entry 'mine' and none with this hash. .* --source, --plugin: where it"
    ):
        add(weights, registry(), "mine", licence="MIT")
    with pytest.raises(ResourceError, match=r"mine.toml is not a valid registry entry:\n  - kind: .*got 'modle'"):
        add(weights, registry(), "mine", **SAID, kind="modle")
    assert not (tmp_path / "home").exists()
    assert not resource_folder("mine").exists()


def test_a_missing_hash_is_filled_in(weights, registry, entry):
    known = registry(entry())
    completed = add(weights, known, "tiny")
    assert completed.files[0].sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert locate("tiny", open_registry(known.home)) == resource_folder("tiny") / "tiny.pt"


def test_a_recorded_md5_is_held_to_and_its_evidence_kept(weights, registry, entry):
    file = {"name": "tiny.pt", "md5": hashlib.md5(WEIGHTS).hexdigest(), "evidence": "published: on Zenodo"}
    completed = add(weights, registry(entry(files=[file])), "tiny")
    assert completed.files[0].evidence == f"{COMPUTED}; its MD5 published: on Zenodo"
    weights.write_bytes(b"Weights")
    with pytest.raises(ResourceError, match="has the MD5 .* It is not tiny.pt of tiny: nothing was changed"):
        add(weights, registry(entry(files=[file])), "tiny")


def test_a_hash_that_contradicts_the_recorded_one_is_refused(weights, registry, entry, described, tmp_path):
    known = registry(entry(files=[described("tiny.pt", b"Weights")]))
    with pytest.raises(ResourceError, match=r"has the SHA-256 .*, the registry records .* nothing was changed"):
        add(weights, known, "tiny")
    assert not (tmp_path / "home").exists()
    assert not resource_folder("tiny").exists()


def test_a_file_that_the_registry_knows_finds_its_own_place(weights, registry, entry, described, tmp_path):
    known = registry(entry(files=[described("tiny.pt", WEIGHTS)]))
    assert add(weights, known).id == "tiny"
    assert (resource_folder("tiny") / "tiny.pt").read_bytes() == WEIGHTS
    assert not (tmp_path / "home").exists()
    assert add(resource_folder("tiny") / "tiny.pt", known).id == "tiny"


def test_what_is_said_of_a_known_entry_is_refused(weights, registry, entry):
    with pytest.raises(ResourceError, match="tiny is in the registry: --licence can only describe a new entry"):
        add(weights, registry(entry()), "tiny", licence="MIT")


def test_a_folder_is_one_resource(tmp_path, registry, entry, described):
    folder = tmp_path / "snapshot"
    folder.mkdir()
    (folder / "config.json").write_bytes(b"{}")
    (folder / "model.bin").write_bytes(WEIGHTS)
    (folder / ".cache").touch()
    known = registry()
    new = add(folder, known, **SAID)
    assert (new.id, new.folder, [file.name for file in new.files]) == ("snapshot", True, ["config.json", "model.bin"])
    assert locate("snapshot", open_registry(known.home)) == resource_folder("snapshot")

    files = [described("config.json", b"{}"), {"name": "model.bin", "evidence": "unknown: not found"}]
    (folder / "README.md").touch()
    add(folder, registry(entry(files=files, folder=True)), "tiny")
    assert sorted(path.name for path in resource_folder("tiny").iterdir()) == ["config.json", "model.bin"]
    (folder / "config.json").unlink()
    with pytest.raises(ResourceError, match="snapshot lacks config.json. tiny is config.json, model.bin"):
        add(folder, registry(entry(files=files, folder=True)), "tiny")


def test_one_file_of_several_is_known_by_its_name(tmp_path, registry, entry):
    files = [{"name": name, "evidence": "unknown: not found"} for name in ("config.json", "model.bin")]
    path = tmp_path / "model.bin"
    path.write_bytes(WEIGHTS)
    completed = add(path, registry(entry(files=files, folder=True)), "tiny")
    assert [file.check for file in completed.files] == ["none", "sha256"]
    with pytest.raises(ResourceError, match=r"tiny has no file 'modle.bin'. Did you mean 'model.bin'\?"):
        add(path.rename(tmp_path / "modle.bin"), registry(entry(files=files, folder=True)), "tiny")


@pytest.mark.parametrize("what", ["nothing", "an empty folder"])
def test_there_must_be_something_to_add(tmp_path, registry, what):
    path = tmp_path / "x"
    if what == "an empty folder":
        path.mkdir()
    with pytest.raises(ResourceError, match="is neither a file nor a folder with files"):
        add(path, registry(), **SAID)


def test_a_file_of_ones_own_needs_neither_source_nor_licence(weights, registry, tmp_path):
    known = registry()
    entry = add(weights, known, "mine", own=True)
    assert (entry.own, entry.source, entry.licence, entry.plugin, entry.revision) == (True, "", "own", "own", "")
    assert load_entry(known.home / "mine.toml") == entry
    assert locate("mine", open_registry(known.home)).read_bytes() == WEIGHTS
    graph = tmp_path / "graph.tflite"
    graph.write_bytes(b"graph")
    assert add(graph, known, own=True).plugin == "onnx"
    assert add(graph, known, "again", own=True, licence="MIT", plugin="beats", title="G").licence == "MIT"


def test_what_is_not_there_of_ones_own_is_said_to_be_ones_own(weights, registry):
    known = registry()
    entry = add(weights, known, "mine", own=True)
    (resource_folder("mine") / entry.files[0].name).unlink()
    with pytest.raises(ResourceError, match=r"is not in .*It is your own: .*registry add .* --id mine'"):
        locate("mine", open_registry(known.home))


def test_an_entry_that_is_there_cannot_become_ones_own(weights, registry):
    add(weights, registry(), "mine", **SAID)
    with pytest.raises(ResourceError, match="mine is in the registry: --own can only describe a new entry"):
        add(weights, open_registry(registry().home), "mine", own=True)


def test_a_refusal_names_the_way_for_ones_own(weights, registry):
    with pytest.raises(ResourceError, match="Of a file that you made yourself --own says enough"):
        add(weights, registry(), "mine")


def test_folders_below_a_folder_are_recorded_and_put_in_place(registry, tmp_path):
    for name in ("config.json", "1_Pooling/config.json"):
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_text(name)
    known = registry()
    entry = add(tmp_path / "model", known, own=True)
    assert [file.name for file in entry.files] == ["1_Pooling/config.json", "config.json"]
    folder = locate("model", open_registry(known.home))
    assert (folder / "1_Pooling" / "config.json").read_text() == "1_Pooling/config.json"
    assert open_registry(known.home).recorded(tmp_path / "model").id == "model"
    (tmp_path / "model" / ".hidden").write_text("1")
    with pytest.raises(ResourceError, match="holds .hidden, which is hidden or unfinished"):
        open_registry(known.home).recorded(tmp_path / "model")
    (folder / "1_Pooling" / "strange.json").write_text("1")
    with pytest.raises(ResourceError, match="strange.json is not a file of model"):
        locate("model", open_registry(known.home))
