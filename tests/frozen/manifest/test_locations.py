"""A subject lies below its root, wherever that is now, and nothing behind a link out of it is taken for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import asdcore
from asdcore.contract.plugins import origin
from asdcore.errors import ManifestError
from asdcore.frozen.manifest.locations import Roots, code_roots, relative_roots, roots_of, split


@pytest.fixture
def roots(tmp_path):
    """A root with one file, beside a folder that is none."""
    (tmp_path / "data" / "fan" / "test").mkdir(parents=True)
    (tmp_path / "data" / "fan" / "test" / "a.wav").write_text("a")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.wav").write_text("another")
    return Roots({"data": tmp_path / "data"})


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("data/fan/test/a.wav", ("data", "fan/test/a.wav")),
        ("run/run.json", ("run", "run.json")),
        ("asdcore/frozen/manifest/locations.py", ("asdcore", "frozen/manifest/locations.py")),
        ("plugin/their.plugin/their/plugin.py", ("plugin/their.plugin", "their/plugin.py")),
        ("resource/beats-iter3/BEATs.pt", ("resource/beats-iter3", "BEATs.pt")),
    ],
)
def test_the_root_is_the_first_part_of_a_name_or_two(name, parts):
    assert split(name) == parts


def test_a_subject_is_where_its_root_is(roots, tmp_path):
    assert roots.locate("data/fan/test/a.wav") == tmp_path / "data" / "fan" / "test" / "a.wav"
    assert roots.locate("data/fan/test/not there.wav") == tmp_path / "data" / "fan" / "test" / "not there.wav"
    assert roots.locate("store/features/x") is None


def link(path: Path, to: Path | str) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.symlink_to(to)


@pytest.mark.parametrize("to", ["../../../elsewhere/a.wav", "../../../elsewhere/not there.wav", "/etc/hostname"])
def test_a_file_that_is_a_link_out_of_its_root_is_refused(roots, tmp_path, to):
    link(tmp_path / "data" / "fan" / "test" / "a.wav", to)
    with pytest.raises(ManifestError, match="a link leads out of its root"):
        roots.locate("data/fan/test/a.wav")


@pytest.mark.parametrize("folder", ["data/fan/test", "data/fan"])
def test_a_folder_that_is_a_link_out_of_the_root_is_refused(roots, tmp_path, folder):
    link(tmp_path / folder, tmp_path / "elsewhere")
    with pytest.raises(ManifestError, match="a link leads out of its root"):
        roots.locate("data/fan/test/a.wav")


def test_a_root_whose_name_merely_begins_alike_is_outside(roots, tmp_path):
    shutil.copytree(tmp_path / "data", tmp_path / "data2")
    link(tmp_path / "data" / "fan" / "test" / "a.wav", "../../../data2/fan/test/a.wav")
    with pytest.raises(ManifestError, match="out of its root"):
        roots.locate("data/fan/test/a.wav")


def test_links_within_a_root_and_a_root_that_is_a_link_are_followed(roots, tmp_path):
    (tmp_path / "data" / "b.wav").write_text("b")
    link(tmp_path / "data" / "fan" / "test" / "a.wav", "../../b.wav")
    assert roots.locate("data/fan/test/a.wav").read_text() == "b"
    (tmp_path / "link").symlink_to("data")
    assert Roots({"data": tmp_path / "link"}).locate("data/fan/test/a.wav").read_text() == "b"


def test_a_link_round_in_circles_is_no_crash(roots, tmp_path):
    link(tmp_path / "data" / "fan" / "test" / "a.wav", "a.wav")
    assert not roots.locate("data/fan/test/a.wav").exists()
    (tmp_path / "circle").symlink_to("circle")
    assert not Roots({"data": tmp_path / "circle"}).locate("data/fan/test/a.wav").exists()


def test_code_lies_where_it_is_installed_and_what_is_not_installed_nowhere():
    name = "asdcore_plugins.views.w1"
    found = code_roots([name, "not installed"])
    assert found["asdcore"] == Path(asdcore.__file__).parent
    assert found[f"plugin/{name}"] / "asdcore_plugins" / "views" / "w1.py" == origin(name).source
    assert set(found) == {"asdcore", f"plugin/{name}"}


def test_places_are_written_relative_to_the_manifest(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to("data")
    places = {"data": tmp_path / "link", "run": tmp_path / "m" / "run", "store": Path("store")}
    monkeypatch.chdir(tmp_path)
    expected = {"data": "../data", "run": "run", "store": "../store"}
    assert relative_roots(places, Path("m/frozen.json")) == expected
    assert relative_roots(places, tmp_path / "m" / "frozen.json") == expected


def test_what_a_manifest_records_holds_unless_something_else_is_given(frozen, tmp_path):
    recorded = roots_of(frozen.manifest, {"data": None, "run": None, "store": None}).folders
    assert [recorded[name] for name in ("data", "run", "store")] == [frozen.home / n for n in ("data", "run", "store")]
    given = roots_of(frozen.manifest, {"data": tmp_path / "x", "run": None, "store": None}).folders
    assert given == recorded | {"data": tmp_path / "x"}
    assert {f"plugin/{row['plugin']}" for row in frozen.manifest.predicate["plugins"]} < set(recorded)
