"""What is built is what a stranger can use: the wheel in a clean environment, and pins that fit together."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from functools import partial
from importlib.metadata import distributions, packages_distributions, requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CORE = {
    "torch", "transformers", "numpy", "scipy", "scikit-learn", "pluggy", "pyarrow", "polars", "thop", "soundfile",
    "soxr", "threadpoolctl", "typer", "rich", "pydantic", "packaging", "pyyaml", "safetensors",
}  # fmt: skip
UNWANTED = {"torchaudio", "torchvision", "torchcodec"}


def plain(name):
    return re.sub(r"[-_.]+", "-", re.split(r"[\s;<>=!~\[]", name, maxsplit=1)[0]).lower()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_both_packages_and_the_shipped_portfolios(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"asdcore", "asdcore_plugins"}
    assert {"asdcore/py.typed", "asdcore_plugins/py.typed", "asdcore/manifests/demo.toml"} <= set(names)
    assert "asdcore/registry/beats-iter3-plus-as2m.toml" in names
    assert any(name.startswith("asdcore/authoring/templates/") for name in names)
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "asdcore").rglob("*.py")}
    assert sources <= set(names)


@pytest.fixture(scope="module")
def clean(wheel, tmp_path_factory):
    """An environment of its own with the wheel installed; returns its folder of commands."""
    home = tmp_path_factory.mktemp("clean") / "env"
    venv.create(home, with_pip=True)
    install = [home / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel]
    subprocess.run(install, check=True, capture_output=True)
    # The libraries come from the environment of this test, since there may be no network; asdcore itself does not: a
    # .pth file is not followed from a folder that another .pth file names.
    (next(home.glob("lib/*/site-packages")) / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return home / "bin"


def test_the_wheel_works_in_a_clean_environment(clean, tmp_path):
    python, site = clean / "python", next(clean.parent.glob("lib/*/site-packages"))
    where = subprocess.run(
        [python, "-c", "import asdcore, asdcore_plugins; print(asdcore.__file__)"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert str(site) in where.stdout
    asdcore = clean / "asdcore"
    done = subprocess.run([asdcore, "plugins"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "logmel" in done.stdout
    code = "from asdcore.portfolio import load_portfolio; print(load_portfolio('demo').name)"
    loaded = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "demo"
    command = [asdcore, "new-plugin", "scorer", "mine"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert (tmp_path / "asdcore-mine" / "pyproject.toml").is_file()


@pytest.mark.parametrize("activated", [True, False])
@pytest.mark.parametrize("kind", ["encoder", "dataset"])
def test_the_commands_that_new_plugin_prints_work_in_a_clean_environment(clean, tmp_path, kind, activated):
    """Without network: the build backend is here, as it is for whoever develops, and nothing else is fetched."""
    home, name = tmp_path / "a folder", f"fresh_{kind}_{activated}".lower()
    home.mkdir()
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    environment["PATH"] = os.pathsep.join([*([str(clean)] if activated else []), "/usr/bin", "/bin"])
    call = partial(subprocess.run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    wrote = call([clean / "python", "-m", "asdcore", "new-plugin", kind, name, "--folder", home])
    assert wrote.returncode == 0, wrote.stderr
    install, check = (line.strip() for line in wrote.stdout.splitlines()[1:])
    assert install.startswith("pip install") == activated
    done = call(["bash", "-c", install])
    assert done.returncode == 0, done.stdout + done.stderr
    assert name in call([clean / "asdcore", "plugins"]).stdout
    if kind == "encoder":
        done = call(["bash", "-c", check])
        assert (done.returncode, done.stdout.splitlines()[-1][-8:]) == (0, "0 failed"), done.stdout + done.stderr


def test_the_module_is_the_command(clean, tmp_path):
    said = [
        subprocess.run([*command, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for command in ([clean / "asdcore"], [clean / "python", "-m", "asdcore"])
    ]
    assert said[0] == said[1]
    wrong = subprocess.run(
        [clean / "python", "-m", "asdcore", "verify", "gone.json"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (wrong.returncode, wrong.stderr[:7]) == (2, "Error: ")


def test_core_dependencies_are_those_agreed_on():
    assert {plain(name) for name in PROJECT["dependencies"]} == CORE


def imported_in(folder):
    """The top-level modules that the files of a folder import, standard library and asdcore left out."""
    files = (path for path in folder.rglob("*.py") if "templates" not in path.parts)
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text()))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"asdcore", "asdcore_plugins"}


@pytest.mark.parametrize("folder", ["asdcore", "plugins/asdcore_plugins"])
def test_every_library_that_is_imported_is_a_dependency_of_its_own(folder):
    extras = PROJECT["optional-dependencies"]
    declared = {plain(name) for name in PROJECT["dependencies"]}
    declared |= {plain(name) for extra in extras.keys() - {"test", "check", "docs"} for name in extras[extra]}
    come_from = {**packages_distributions(), "umap": ["umap-learn"]}  # it is not installed for the tests
    imported = imported_in(ROOT / folder) - {"pytest"}  # asdcore.testing is called by a plugin's own tests
    assert not {module for module in imported if not declared & set(map(plain, come_from.get(module, ())))}


def test_every_dependency_is_pinned_and_none_is_unwanted():
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    wanted = [*PROJECT["dependencies"], *(one for extra in PROJECT["optional-dependencies"].values() for one in extra)]
    assert {plain(name) for name in wanted} <= set(pins)
    assert pins["torch"] == "2.13.0"
    assert not UNWANTED & set(pins)


def test_nothing_installed_needs_torchaudio_and_its_kin():
    installed = {plain(one.name) for one in distributions()}
    assert not UNWANTED & installed
    todo, seen = {plain(name) for name in PROJECT["dependencies"]}, set()
    while todo:
        name = todo.pop()
        seen.add(name)
        needs = [one for one in (requires(name) or []) if "extra ==" not in one and "platform_system" not in one]
        todo |= {plain(one) for one in needs if plain(one) in installed} - seen
        assert not UNWANTED & {plain(one) for one in needs}, name
