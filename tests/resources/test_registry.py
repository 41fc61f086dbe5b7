"""A checkpoint is found by its id, and is what the registry records, or is not loaded."""

from __future__ import annotations

import hashlib
import os
import time

import pytest

from asdcore.errors import ResourceError
from asdcore.resources import registry as shipped
from asdcore.resources.entries import entry_text
from asdcore.resources.registry import content_digest, locate, open_registry, resource_folder, shipped_registry

WEIGHTS = b"weights"


@pytest.fixture
def here(tmp_path):
    """A function that writes files of a resource to where they belong."""

    def write(identifier, **files):
        folder = resource_folder(identifier)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name.replace("_", ".")).write_bytes(content)
        return folder

    return write


def test_a_checkpoint_is_located_by_its_id(registry, entry, described, here):
    folder = here("tiny", tiny_pt=WEIGHTS)
    assert locate("tiny", registry(entry(files=[described("tiny.pt", WEIGHTS)]))) == folder / "tiny.pt"


def test_a_checkpoint_may_be_a_folder(registry, entry, described, here):
    files = [described("config.json", b"{}"), described("model.bin", WEIGHTS)]
    known = registry(entry(files=files, folder=True))
    folder = here("tiny", config_json=b"{}", model_bin=WEIGHTS)
    assert locate("tiny", known) == folder
    (folder / "model.bin.part").touch()
    (folder / ".cache").touch()
    assert locate("tiny", known) == folder
    (folder / "model.safetensors").touch()
    with pytest.raises(
        ResourceError, match=r"model.safetensors is not a file of tiny, but might be loaded in place of one"
    ):
        locate("tiny", known)


def test_a_missing_file_says_how_to_get_it(registry, entry, described):
    file = described("tiny.pt", WEIGHTS)
    both = "tiny.pt of tiny is not in .*'asdcore registry fetch tiny' downloads it; .*registry add FILE --id tiny'"
    with pytest.raises(ResourceError, match=both):
        locate("tiny", registry(entry(files=[file], base_url="https://example.org/")))
    by_hand = r"no address to download.*get it from https://example.org/tiny, then .*registry add tiny.pt --id tiny"
    with pytest.raises(ResourceError, match=by_hand):
        locate("tiny", registry(entry(files=[file])))
    with pytest.raises(
        ResourceError, match=r"no hash to check it by: get it from https://example.org/v1/tiny.pt, then"
    ):
        locate("tiny", registry(entry(base_url="https://example.org/v1/")))


def test_a_file_without_a_recorded_hash_is_not_trusted(registry, entry, here):
    here("tiny", tiny_pt=WEIGHTS)
    with pytest.raises(
        ResourceError, match=r"cannot be trusted: its SHA-256 is not recorded.*registry add .*tiny.pt --id tiny"
    ):
        locate("tiny", registry(entry()))
    only_md5 = {"name": "tiny.pt", "md5": hashlib.md5(WEIGHTS).hexdigest(), "evidence": "published: there"}
    with pytest.raises(ResourceError, match="cannot be trusted"):
        locate("tiny", registry(entry(files=[only_md5])))


@pytest.mark.parametrize("content", [b"weights!", b"Weights", b""])
def test_another_content_is_named_with_found_and_recorded(registry, entry, described, here, content):
    here("tiny", tiny_pt=content)
    found = f"{len(content)} bytes" if len(content) != 7 else hashlib.sha256(content).hexdigest()
    with pytest.raises(ResourceError, match=rf"has .*{found}, the registry records .*Remove it with 'rm .*tiny.pt'"):
        locate("tiny", registry(entry(files=[described("tiny.pt", WEIGHTS)])))


def test_a_change_after_the_first_check_is_seen(registry, entry, described, here):
    path = here("tiny", tiny_pt=WEIGHTS) / "tiny.pt"
    known = registry(entry(files=[described("tiny.pt", WEIGHTS)]))
    os.utime(path, (1, 1))
    locate("tiny", known)
    path.write_bytes(b"Weights")
    with pytest.raises(ResourceError, match="has the SHA-256"):
        locate("tiny", known)


def test_a_large_file_is_read_once_a_process(monkeypatch, tmp_path):
    path = tmp_path / "a.pt"
    path.write_bytes(WEIGHTS)
    os.utime(path, ns=(0, time.time_ns() - 2 * shipped.FRESH))
    expected = content_digest(path)
    monkeypatch.setattr(shipped, "file_digest", lambda path: pytest.fail("read again"))
    assert content_digest(path) == expected == hashlib.sha256(WEIGHTS).hexdigest()


def test_a_dataset_is_no_checkpoint(registry, entry):
    with pytest.raises(ResourceError, match="tiny is a dataset, not a checkpoint. Fetch it with 'asdcore data fetch'"):
        locate("tiny", registry(entry(kind="dataset")))


def test_an_unknown_id_is_met_with_the_nearest(registry, entry):
    with pytest.raises(ResourceError, match=r"no entry 'tinny'. Did you mean 'tiny'\? 'asdcore registry list'"):
        registry(entry()).entry("tinny")
    with pytest.raises(ResourceError, match=r"no entry 'x'. 'asdcore registry list'"):
        registry(entry()).entry("x")


def test_a_hash_finds_its_entry(registry, entry, described):
    known = registry(entry(), entry(id="other", files=[described("o.pt", WEIGHTS)]))
    resource, file = known.by_sha256(hashlib.sha256(WEIGHTS).hexdigest())
    assert (resource.id, file.name) == ("other", "o.pt")
    assert known.by_sha256("0" * 64) is None


def test_only_what_is_recorded_may_be_frozen(registry, entry, described, tmp_path):
    files = [described("config.json", b"{}"), described("model.bin", WEIGHTS)]
    known = registry(entry(files=[described("t.pt", b"t")]), entry(id="folder", files=files, folder=True))
    (tmp_path / "renamed.pt").write_bytes(b"t")
    assert known.recorded(tmp_path / "renamed.pt").id == "tiny"
    folder = tmp_path / "snapshot"
    folder.mkdir()
    (folder / "config.json").write_bytes(b"{}")
    for path in (folder, folder / "none.pt"):
        (folder / "none.pt").write_bytes(b"unknown")
        with pytest.raises(ResourceError, match=r"and hash. 'asdcore registry add .*snapshot"):
            known.recorded(path)
    (folder / "none.pt").rename(folder / "model.bin")
    (folder / "model.bin").write_bytes(WEIGHTS)
    assert known.recorded(folder).id == "folder"


def test_a_folder_counts_by_the_names_and_contents_of_its_files(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "a").write_bytes(b"1")
        (tmp_path / name / "b").write_bytes(b"2")
    (tmp_path / "two" / ".hidden").touch()
    before = content_digest(tmp_path / "one")
    assert content_digest(tmp_path / "two") == before
    (tmp_path / "two" / "b").rename(tmp_path / "two" / "c")
    assert content_digest(tmp_path / "two") != before
    inside = hashlib.sha256(b"2").hexdigest(), hashlib.sha256(b"1").hexdigest()
    assert before == hashlib.sha256(f"b\0{inside[0]}\ndeep/a\0{inside[1]}\n".encode()).hexdigest()


def write(folder, *entries):
    folder.mkdir(parents=True, exist_ok=True)
    for one in entries:
        (folder / f"{one.id}.toml").write_text(entry_text(one))


def test_a_folder_of_entries_replaces_all_others(entry, tmp_path, monkeypatch):
    write(tmp_path / "mine", entry())
    assert list(open_registry(tmp_path / "mine").resources) == ["tiny"]
    monkeypatch.setenv("ASDCORE_REGISTRY", str(tmp_path / "mine"))
    assert list(open_registry().resources) == ["tiny"]
    assert open_registry().home == tmp_path / "mine"
    with pytest.raises(ResourceError, match="nowhere is not a folder"):
        open_registry(tmp_path / "nowhere")


def test_entries_of_ones_own_join_those_that_asdcore_ships(entry, tmp_path):
    assert "tiny" not in open_registry().resources
    write(tmp_path / "store" / "registry", entry())
    both = open_registry()
    assert {"tiny", *(path.stem for path in shipped_registry().glob("*.toml"))} == set(both.resources)
    assert list(both.resources) == sorted(both.resources)
    assert both.home == tmp_path / "store" / "registry"


def test_an_entry_of_ones_own_may_fill_in_a_hash_and_no_more(entry, described, tmp_path, monkeypatch):
    write(tmp_path / "shipped", entry())
    monkeypatch.setattr(shipped, "shipped_registry", lambda: tmp_path / "shipped")
    own = tmp_path / "store" / "registry"
    write(own, entry(files=[described("tiny.pt", WEIGHTS)]))
    assert open_registry().entry("tiny").files[0].size == len(WEIGHTS)
    for other in (
        entry(title="Another", files=[described("tiny.pt", WEIGHTS)]),
        entry(files=[described("other.pt", WEIGHTS)]),
        entry(files=[described("tiny.pt", WEIGHTS), described("b.pt", WEIGHTS)], folder=True),
    ):
        write(own, other)
        with pytest.raises(ResourceError, match=r"tiny.toml: asdcore ships a different entry.*rename the file"):
            open_registry()


def test_an_entry_of_ones_own_cannot_change_a_hash(entry, described, tmp_path, monkeypatch):
    write(tmp_path / "shipped", entry(files=[described("tiny.pt", WEIGHTS)]))
    monkeypatch.setattr(shipped, "shipped_registry", lambda: tmp_path / "shipped")
    write(tmp_path / "store" / "registry", entry(files=[described("tiny.pt", b"Weights")]))
    with pytest.raises(ResourceError, match="ships a different entry"):
        open_registry()


def test_a_wrong_entry_is_named(tmp_path):
    (tmp_path / "bad.toml").write_text('title = "x"')
    with pytest.raises(ResourceError, match=r"(?s)bad.toml is not a valid registry entry:.*kind: this key is needed"):
        open_registry(tmp_path)


def test_where_files_lie_follows_the_environment(tmp_path, monkeypatch):
    assert resource_folder("tiny") == tmp_path / "store" / "resources" / "tiny"
    monkeypatch.setenv("ASDCORE_RESOURCES", str(tmp_path / "r"))
    assert resource_folder("tiny") == tmp_path / "r" / "tiny"


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("nowhere"), lambda path: path.mkdir()])
def test_what_is_not_a_file_in_a_registry_is_named(tmp_path, make):
    make(tmp_path / "odd.toml")
    with pytest.raises(ResourceError, match=r"odd.toml is (not a regular file|a broken link). Remove it"):
        open_registry(tmp_path)


def test_an_entry_that_is_nested_beyond_reading_is_named(tmp_path):
    (tmp_path / "deep.toml").write_text("a = " + "[" * 100_000)
    with pytest.raises(ResourceError, match=r"deep.toml is not TOML"):
        open_registry(tmp_path)
