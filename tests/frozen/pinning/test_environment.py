"""The environment is on record, and what can change a number is compared; torch is not needed for that."""

from __future__ import annotations

import copy
import os
import platform
from importlib.metadata import version

import pytest

from asdcore.compute.recipes import library_versions
from asdcore.contract.source_code.files import framework_files
from asdcore.frozen.pinning.environment import COMPARED, changes, environment, environment_now


@pytest.fixture(scope="module")
def recorded():
    """The environment of the framework's own source."""
    return environment(framework_files()[1], [], "cpu")


def test_the_same_machine_is_the_same_environment(recorded):
    assert list(changes(recorded, environment_now(recorded))) == []


def test_it_says_what_computes(recorded):
    assert recorded["python"] == f"{platform.python_implementation()} {platform.python_version()}"
    assert recorded["torch"]["version"] == version("torch")
    assert recorded["blas"]["name"] not in ("", "None")
    assert recorded["cpus"] == os.cpu_count()
    assert recorded["deterministic"]["device"] == "cpu"
    assert set(recorded["thread_settings"]) >= {"OMP_NUM_THREADS", "POLARS_MAX_THREADS"}
    assert set(COMPARED) | {"cpu", "cpu_features", "kernels"} < set(recorded)


def test_packages_are_those_imported_and_what_they_need_with_their_versions(recorded):
    packages = recorded["packages"]
    assert packages.items() >= {name: one for name, one in library_versions().items() if one != "absent"}.items()
    assert {"polars", "pydantic", "typing-extensions", "pluggy", "cffi"} <= packages.keys()
    assert {"asdcore", "pytest", "ruff", "hypothesis"}.isdisjoint(packages)
    assert all(version(name) == one for name, one in packages.items())
    assert list(packages) == sorted(packages)


def test_packages_that_a_portfolio_names_or_a_plugin_imports_inside_a_function_count(tmp_path):
    source = tmp_path / "plugin.py"
    source.write_text("def build():\n    from hypothesis import given\n")
    assert "hypothesis" not in environment([], [], "cpu")["packages"]
    assert "hypothesis" in environment([source], [], "cpu")["packages"]
    assert "hypothesis" in environment([], ["hypothesis.strategies"], "cpu")["packages"]
    # What is only tested with it needs no extra of it.
    assert "pytest" not in environment([source], [], "cpu")["packages"]


def test_a_file_that_is_no_python_is_no_hindrance(tmp_path):
    for name, content in (("template.py", "import {{ name }}"), ("data.bin", "import hypothesis")):
        (tmp_path / name).write_text(content)
    assert "hypothesis" not in environment(tmp_path.iterdir(), [], "cpu")["packages"]


def test_everything_that_must_be_as_it_was_is_told(recorded):
    now = copy.deepcopy(recorded)
    now["python"] = "CPython 2.7"
    now["packages"]["numpy"] = "1.0"
    now["torch"]["cuda"] = "99"
    now["deterministic"]["device"] = "cuda"
    told = {what: (before, after) for what, before, after in changes(recorded, now)}
    assert told == {
        "python": (recorded["python"], "CPython 2.7"),
        "packages: numpy": (version("numpy"), "1.0"),
        "torch: cuda": (str(recorded["torch"].get("cuda")), "99"),
        "deterministic: device": ("cpu", "cuda"),
    }


def test_what_moves_no_number_is_not_told(recorded):
    now = copy.deepcopy(recorded)
    now["cpus"], now["cpu"], now["thread_settings"] = 1, "another", {}
    assert list(changes(recorded, now)) == []


def test_a_package_that_is_gone_is_told(recorded):
    before = copy.deepcopy(recorded)
    before["packages"]["never-installed"] = "1.0"
    assert list(changes(before, environment_now(before))) == [("packages: never-installed", "1.0", "absent")]


def test_something_that_was_not_recorded_is_told(recorded):
    before = copy.deepcopy(recorded)
    del before["libc"]
    assert [what for what, *_ in changes(before, environment_now(recorded))] == ["libc"]


def test_it_needs_no_torch(imported_by):
    code = (
        "from asdcore.frozen.pinning.environment import environment, environment_now\n"
        "environment_now(environment([], ['torch'], 'cpu'))"
    )
    assert not imported_by(code) & {"torch", "transformers", "scipy"}
