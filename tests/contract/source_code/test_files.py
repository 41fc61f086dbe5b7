"""What is pinned of a plugin is what Python would run of it; nothing is run to find that out."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

import pytest

from asdcore.contract.plugins import installed
from asdcore.contract.source_code.files import (
    BUNDLED_PACKAGE,
    NO_PART,
    files_digest,
    framework_files,
    imported_names,
    module_file,
    source_digest,
    source_files,
    source_folder,
)

RAISES = "raise RuntimeError('this was run')\n"


def write(folder: Path, **files: str) -> Path:
    """Write Python files, their names with ``__`` for ``/``."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def package(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "__init__.py").write_text("")


def names_of(module: Path) -> set[str]:
    top, files = source_files(module)
    return {file.relative_to(top).as_posix() for file in files}


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder that modules can be imported from."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_module_is_found_without_being_run(site):
    package(site, "a_package_of_theirs", "a_package_of_theirs/deep")
    write(site, a_module_of_theirs=RAISES, a_package_of_theirs__deep__one=RAISES)
    assert module_file("a_module_of_theirs") == site / "a_module_of_theirs.py"
    assert module_file("a_package_of_theirs.deep.one") == site / "a_package_of_theirs" / "deep" / "one.py"
    assert module_file("a_package_of_theirs.deep") == site / "a_package_of_theirs" / "deep" / "__init__.py"
    assert not {name for name in sys.modules if name.startswith("a_package_of_theirs")}


@pytest.mark.parametrize("name", ["nowhere_to_be_found", "nowhere_to_be_found.at_all", "json.nothing", "sys", "..", ""])
def test_what_has_no_file_has_none(name):
    assert module_file(name) is None


@pytest.mark.parametrize("shadow", ["one/__init__.py", f"one{EXTENSION_SUFFIXES[0]}"])
def test_what_python_would_import_is_found_not_what_it_would_pass_over(site, shadow):
    package(site, "a_shadowed_package")
    module = write(site, a_shadowed_package__one="") / "a_shadowed_package" / "one.py"
    assert module_file("a_shadowed_package.one") == module
    path = site / "a_shadowed_package" / shadow
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    assert module_file("a_shadowed_package.one") == path
    assert find_spec("a_shadowed_package.one").origin == str(path)
    del sys.modules["a_shadowed_package"]


def test_a_module_by_itself_is_its_own_source(tmp_path):
    write(tmp_path, one="a = 1\n", other="b = 1\n")
    assert source_folder(tmp_path / "one.py") == tmp_path
    assert names_of(tmp_path / "one.py") == {"one.py"}
    before = source_digest(tmp_path / "one.py")
    (tmp_path / "other.py").write_text("b = 2\n")
    assert source_digest(tmp_path / "one.py") == before
    (tmp_path / "one.py").write_text("a = 1 # a comment\n")
    assert source_digest(tmp_path / "one.py") != before


def test_all_of_a_package_is_source_data_files_too_but_nothing_compiled(tmp_path):
    package(tmp_path, "theirs", "theirs/deep")
    write(tmp_path, theirs__one="", theirs__deep__two="", beside="")
    (tmp_path / "theirs" / "weights.bin").write_bytes(b"\0")
    (tmp_path / "theirs" / "__pycache__").mkdir()
    (tmp_path / "theirs" / "__pycache__" / "one.pyc").write_bytes(b"\0")
    module = tmp_path / "theirs" / "deep" / "two.py"
    assert source_folder(module) == tmp_path
    expected = {"__init__.py", "one.py", "deep/__init__.py", "deep/two.py", "weights.bin"}
    assert names_of(module) == {f"theirs/{name}" for name in expected}
    before = source_digest(module)
    (tmp_path / "theirs" / "weights.bin").write_bytes(b"\1")
    assert source_digest(module) != before


def test_of_the_bundled_package_a_plugin_is_its_module_what_that_imports_and_their_packages(tmp_path):
    package(tmp_path, *(f"{BUNDLED_PACKAGE}{one}" for one in ("", "/encoders", "/scorers", "/nn")))
    write(
        tmp_path,
        asdcore_plugins__encoders__mine=f"def build():\n    from {BUNDLED_PACKAGE}.nn.blocks import Block\n",
        asdcore_plugins__nn__blocks=f"import {BUNDLED_PACKAGE}.nn.mel\n",
        asdcore_plugins__nn__mel="",
        asdcore_plugins__nn__unused="",
        asdcore_plugins__encoders__other="",
        asdcore_plugins__scorers__knn="",
    )
    mine = tmp_path / BUNDLED_PACKAGE / "encoders" / "mine.py"
    expected = {
        "__init__.py",
        "encoders/__init__.py",
        "encoders/mine.py",
        "nn/__init__.py",
        "nn/blocks.py",
        "nn/mel.py",
    }
    assert names_of(mine) == {f"{BUNDLED_PACKAGE}/{name}" for name in expected}


def test_whatever_a_bundled_plugin_imports_is_among_its_sources():
    names = [name for name in installed().hooks if name.startswith(BUNDLED_PACKAGE)]
    code = (
        "import importlib, json, sys\n"
        "found = {}\n"
        f"for name in {names!r}:\n"
        f"    for one in [one for one in sys.modules if one.startswith({BUNDLED_PACKAGE!r})]: del sys.modules[one]\n"
        "    importlib.import_module(name)\n"
        f"    found[name] = [m.__file__ for one, m in sys.modules.items() if one.startswith({BUNDLED_PACKAGE!r})]\n"
        "print(json.dumps(found))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name, imported in json.loads(done.stdout).items():
        _, files = source_files(module_file(name))
        assert set(imported) <= set(map(str, files)), name
        assert len(imported) >= 3


@pytest.mark.parametrize(
    "content", [b"{{ name }} = 1", b"def f(:", b"a = 'caf\xe9'", b"a\0b", b"(" * 2000, b"import os\n" + b"-" * 100_000]
)
def test_what_is_no_python_imports_nothing(tmp_path, content):
    (tmp_path / "template.py").write_bytes(content)
    assert imported_names(tmp_path / "template.py") == set()


def test_imports_are_found_wherever_they_stand(tmp_path):
    relative, inside, said = "from . import h\nfrom .i import j\n", "def k():\n    import l\n", "m = 'import n\\d'\n"
    write(tmp_path, one=f"import a.b, c as d\nfrom e.f import g\n{relative}{inside}{said}")
    assert imported_names(tmp_path / "one.py") == {"a.b", "c", "e.f", "e.f.g", "l"}


def test_imports_are_found_in_every_kind_of_block(tmp_path):
    lines = [
        "try:\n    import a\nexcept OSError:\n    import b\nelse:\n    import c\nfinally:\n    import d",
        "if x:\n    import e\nelif y:\n    import f\nelse:\n    import g",
        "for x in y:\n    import h\nelse:\n    import i",
        "while x:\n    import j\nelse:\n    import k",
        "with x:\n    import l",
        "match x:\n    case 1:\n        import m",
        "class N:\n    async def n(self):\n        async with x:\n            import n",
        "try:\n    pass\nexcept* OSError:\n    import o",
        "if x: import p; import q",
    ]
    write(tmp_path, one="\n".join(lines))
    assert imported_names(tmp_path / "one.py") == set("abcdefghijklmnopq")


def test_a_digest_of_files_tells_names_and_borders_apart(tmp_path):
    digests = set()
    for files in (
        {"a": "xy", "b": "z"},
        {"a": "x", "b": "yz"},
        {"b": "xy", "a": "z"},
        {"a": "xyz"},
        {"a": "xy", "c": "z"},
    ):
        folder = tmp_path / str(len(digests))
        write(folder, **files)
        digests.add(files_digest(folder, tuple(sorted(folder.iterdir()))))
    assert len(digests) == 5


def test_of_the_framework_all_counts_but_what_only_asks_shows_or_checks():
    top, files = framework_files()
    names = {file.relative_to(top).as_posix() for file in files}
    every = {file.relative_to(top).as_posix() for file in top.rglob("*.py")}
    assert {"pipeline.py", "stages/scoring/score.py", "frozen/infer.py", "store/cache.py", "__init__.py"} <= names
    assert all(name.startswith(NO_PART) for name in every - names)
    assert all(any(name.startswith(one) for name in every) for one in NO_PART)


def test_a_run_uses_nothing_of_the_framework_that_does_not_count(dataset, simple, tmp_path):
    code = (
        "import asdcore, json, sys\n"
        f"asdcore.run({str(simple)!r}, {str(dataset)!r}, {str(tmp_path / 'run')!r})\n"
        "print(json.dumps([m.__file__ for name, m in sys.modules.items() if name.split('.')[0] == 'asdcore']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    _, files = framework_files()
    assert set(json.loads(done.stdout)) <= set(map(str, files))
