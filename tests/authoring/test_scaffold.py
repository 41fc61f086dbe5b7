"""``new_plugin``: what it writes works as written, and what it cannot write it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from asdcore import PluginError, StoreError
from asdcore.authoring.scaffold import new_plugin
from asdcore.contract.interfaces import KINDS
from asdcore.testing import checks

EACH = """
import os, pytest, sys

for folder in sys.argv[1:]:
    os.chdir(folder)
    code = pytest.main(["-q", "-W", "error", "-p", "no:cacheprovider"])
    print(f"{os.path.basename(folder)} ended with {int(code)}")
"""


def test_generated_tests_pass_as_generated(tmp_path: Path) -> None:
    folders = {kind: new_plugin(kind, f"fresh_{kind}_one", tmp_path) for kind in KINDS}
    folders["trained encoder"] = new_plugin("encoder", "fresh_trained_one", tmp_path, trainable=True)
    # As a newcomer runs them: in the new folder, with asdcore importable as it is here. One process for all of them.
    paths = os.pathsep.join(str(Path(path).resolve()) for path in sys.path)
    command = [sys.executable, "-c", EACH, *map(str, folders.values())]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True)
    said = done.stdout
    for kind, folder in folders.items():
        own, _, said = said.partition(f"{folder.name} ended with ")
        assert said.startswith("0\n"), own + done.stderr
        assert f"{len(checks(kind.split()[-1])) + 1} passed" in own


def test_the_distribution_is_complete(tmp_path: Path) -> None:
    folder = new_plugin("encoder", "band-energy", tmp_path / "not" / "yet")
    assert folder == tmp_path / "not" / "yet" / "asdcore-band-energy"
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert files == ["README.md", "asdcore_band_energy.py", "pyproject.toml", "tests/test_band_energy.py"]
    assert list(folder.parent.iterdir()) == [folder]
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert project["project"]["name"] == "asdcore-band-energy"
    assert project["project"]["entry-points"] == {"asdcore": {"band_energy": "asdcore_band_energy"}}
    assert "class BandEnergyEncoder:" in (folder / "asdcore_band_energy.py").read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_generated_code_uses_public_names_only(kind: str, tmp_path: Path) -> None:
    folder = new_plugin(kind, "mine", tmp_path)
    text = "\n".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    imports = {line.split()[1] for line in text.splitlines() if line.lstrip().startswith("from asdcore")}
    assert imports == {"asdcore", "asdcore.testing", "asdcore_mine"}
    assert "$" not in text
    assert "mine" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    "name", ["", "1st", "Upper", "two words", "a/b", "../up", "_x", "x_", "dot.ted", "naïve", "x\n"]
)
def test_names_that_cannot_be_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="Invalid plugin name"):
        new_plugin("scorer", name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="The name 'knn' is taken: asdcore has a component of kind 'scorer'"):
        new_plugin("scorer", "knn", tmp_path)
    with pytest.raises(PluginError, match="module asdcore_plugins already"):
        new_plugin("scorer", "plugins", tmp_path)
    assert new_plugin("guard", "knn", tmp_path).is_dir()


def test_an_unknown_kind_is_refused_with_the_closest(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"A fusion is a function of asdcore itself: CONTRIBUTING\.md says"):
        new_plugin("fusion", "mine", tmp_path)
    with pytest.raises(PluginError, match="Did you mean 'encoder'"):
        new_plugin("encoders", "mine", tmp_path)


def test_only_an_encoder_is_made_trainable(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="--trainable is for encoders"):
        new_plugin("scorer", "mine", tmp_path, trainable=True)


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "asdcore-mine").mkdir()
    with pytest.raises(PluginError, match="exists already"):
        new_plugin("view", "mine", tmp_path)
    assert not list((tmp_path / "asdcore-mine").iterdir())


def test_a_file_in_the_way_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Cannot write"):
        new_plugin("view", "mine", tmp_path / "file")


def test_nothing_is_left_of_a_plugin_that_was_not_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(StoreError, match="disk is full"):
        new_plugin("view", "mine", tmp_path)
    assert not list(tmp_path.iterdir())
