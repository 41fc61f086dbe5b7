"""Whatever a plugin imports and reads of its own is its source, however it is laid out and installed."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from asdcore.contract.source_code.files import BUNDLED_PACKAGE, source_digest, source_of, source_of_module
from asdcore.errors import PluginError

HERE = "from pathlib import Path\nHERE = Path(__file__).parent\n"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder that modules can be imported from, and that holds much that is no plugin's."""
    folder = tmp_path / "site"
    lay_out(folder, **{"unrelated.py": "a = 1", "unrelated.bin": "x", "runs/first/run.json": "{}", "README.md": "x"})
    monkeypatch.syspath_prepend(folder)
    return folder


def lay_out(folder: Path, **files: str) -> Path:
    """Write text files by their path below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def install(site: Path, name: str, *paths: str) -> None:
    """Record paths as those of an installed distribution."""
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    lines = [f"{path},sha256=x,1" for path in (*paths, f"{info}/METADATA", f"{info}/RECORD", f"../../bin/{name}")]
    lay_out(site, **{f"{info}/METADATA": f"Name: {name}\nVersion: 1.0\n", f"{info}/RECORD": "\n".join(lines)})


def names_of(site: Path, name: str = "plug") -> set[str]:
    path = site.joinpath(*name.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return set(source_of(file, name).files)


IMPORTS = {
    "at the top": "import helper",
    "inside a function": "def f():\n    import helper\n",
    "of a name": "from helper import gain",
    "by importlib": "import importlib\ndef f():\n    return importlib.import_module('helper')",
    "by importlib, under another name": "from importlib import import_module as load\nload('helper')",
    "by the built-in": "h = __import__('helper')",
    "from a list of names": "import importlib\nNAMES = ['helper']\nparts = [importlib.import_module(n) for n in NAMES]",
    "by a name made when it runs": "import importlib\ndef f(x):\n    return importlib.import_module(f'help{x}')",
    "by a sum of names": "import importlib\nEND = 'per'\ndef f():\n    return importlib.import_module('hel' + END)",
    "by a sum of texts": "import importlib\ndef f():\n    return importlib.import_module('hel' + 'per')",
    "by old formatting": "import importlib\ndef f(x):\n    return importlib.import_module('hel%s' % x)",
    "by format": "import importlib\ndef f(x):\n    return importlib.import_module('hel{}'.format(x))",
    "by a name from elsewhere": "import importlib\ndef f(name):\n    return importlib.import_module(name)",
    "by running it": "import runpy\nrunpy.run_module('helper')",
    "by its path": HERE + "exec((HERE / 'helper.py').read_text())",
    "if it can be": "try:\n    import helper\nexcept ImportError:\n    helper = None",
    "for types": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import helper",
}


@pytest.mark.parametrize("how", IMPORTS)
def test_a_sibling_counts_however_it_is_imported(site, how):
    lay_out(site, **{"plug.py": IMPORTS[how], "helper.py": "import deeper", "deeper.py": "gain = 1"})
    any_sibling = {"unrelated.py"} if how in ("from a list of names", "by a name from elsewhere") else set()
    assert names_of(site) == {"plug.py", "helper.py", "deeper.py"} | any_sibling
    before = source_digest(site / "plug.py", "plug")
    lay_out(site, **{"deeper.py": "gain = 2"})
    assert source_digest(site / "plug.py", "plug") != before


READS = {
    "beside it": (HERE + "np.load(HERE / 'table.npy')", {"table.npy"}),
    "by os.path": ("import os\nopen(os.path.join(os.path.dirname(__file__), 'tables', 'a.csv'))", {"tables/a.csv"}),
    "joined": (HERE + "HERE.joinpath('tables', 'a.csv').read_text()", {"tables/a.csv"}),
    "from a folder with a name": (HERE + "T = HERE / 'tables'\ndef f(n): return T / n", {"tables/a.csv", "tables/b/c"}),
    "with a number": (HERE + "def f(i): return HERE / f'part_{i}.bin'", {"part_1.bin", "part_2.bin"}),
    "by a pattern": (HERE + "parts = sorted(HERE.glob('part_*'))", {"part_1.bin", "part_2.bin"}),
    "all deeper ones": (HERE + "parts = sorted((HERE / 'tables').rglob('*'))", {"tables/a.csv", "tables/b/c"}),
    "of its own name": (HERE + "w = Path(__file__).with_suffix('.npz')", {"plug.npz"}),
    "by replacing": ("w = open(__file__.replace('.py', '.npz'))", {"plug.npz"}),
    "by importlib.resources": (
        "from importlib import resources\nresources.files('tables').joinpath('a.csv').read_text()",
        {"tables/a.csv", "tables/b/c"},
    ),
    "by old importlib.resources": (
        "from importlib.resources import open_text\nopen_text('tables', 'a.csv')",
        {"tables/a.csv", "tables/b/c"},
    ),
    "by pkgutil": ("import pkgutil\npkgutil.get_data(__name__, 'table.npy')", {"table.npy"}),
    "from above": (HERE + "w = HERE.parent / 'shared.bin'", {"above/shared.bin"}),
    "from above, counted": (
        "from pathlib import Path\nw = Path(__file__).parents[1] / 'shared.bin'",
        {"above/shared.bin"},
    ),
    "from the working directory": ("np.load('table.npy')", {"table.npy"}),
    "with an ending added": (HERE + "def f(name): return HERE / (name + '.bin')", {"part_1.bin", "part_2.bin"}),
    "without an ending": (HERE + "WORDS = HERE / 'vocabulary'", {"vocabulary"}),
    "without an ending, by a name": (HERE + "NAME = 'vocabulary'\nw = open(HERE / NAME)", {"vocabulary"}),
    "in an f-string": (HERE + "w = f'{HERE}/table.npy'", {"table.npy"}),
    "by old formatting": (HERE + "w = '%s/table.npy' % HERE", {"table.npy"}),
    "by format": (HERE + "w = '{}/part_{:d}.bin'.format(HERE, 1)", {"part_1.bin"}),
    "added up": ("import os\nw = os.path.dirname(__file__) + os.sep + 'tables' + os.sep + 'a.csv'", {"tables/a.csv"}),
    "hidden": (HERE + "w = HERE / '.hidden.bin'", {".hidden.bin"}),
}  # fmt: skip


@pytest.mark.parametrize(("said", "more"), READS.values(), ids=READS)
def test_a_data_file_that_it_names_counts(site, said, more):
    data = (
        "table.npy",
        "tables/a.csv",
        "tables/b/c",
        "part_1.bin",
        "part_2.bin",
        "plug.npz",
        ".hidden.bin",
        "vocabulary",
    )
    lay_out(site, **{"plug.py": said, **dict.fromkeys(data, "1"), "../shared.bin": "1", "../data/clip.wav": "1"})
    found = names_of(site)
    assert {"plug.py", *more} <= found
    unrelated = {"unrelated.bin"} - ({"unrelated.bin"} if "'.bin'" in said else set())
    assert not ({"above/data/clip.wav", "README.md", "unrelated.py", "runs/first/run.json"} | unrelated) & found


def test_a_plugin_that_lists_its_folder_reads_what_is_there(site):
    lay_out(site, **{"plug.py": HERE + "every = list(HERE.iterdir())"})
    assert names_of(site) == {"plug.py", "unrelated.py", "unrelated.bin", "README.md"}


def test_folders_above_are_searched_as_far_as_the_source_goes(site):
    lay_out(site, **{"plug.py": HERE + "D = HERE / 'data'", "../data/a.npy": "1", "../../data/b.npy": "1"})
    assert names_of(site) == {"plug.py"}
    lay_out(site, **{"plug.py": HERE + "D = HERE.parent / 'data'"})
    assert names_of(site) == {"plug.py", "above/data/a.npy"}
    lay_out(site, **{"plug.py": "from pathlib import Path\nD = Path(__file__).resolve().parent.parent / 'data'"})
    assert names_of(site) == {"plug.py", "above/data/a.npy"}


def test_a_namespace_package_has_relative_siblings_and_parts_elsewhere(site, tmp_path, monkeypatch):
    other = lay_out(tmp_path / "other", **{"ours/far.py": ""})
    monkeypatch.syspath_prepend(other)
    said = "from . import near\nfrom .deep.one import a\nimport ours.far\nfrom ..nowhere import b\n"
    files = {"plug.py": said, "near.py": "from .near_too import c", "near_too.py": "", "deep/one.py": "", "no.py": ""}
    lay_out(site, **{f"ours/{name}": text for name, text in files.items()})
    found = {"plug.py", "near.py", "near_too.py", "deep/one.py", "far.py"}
    assert names_of(site, "ours.plug") == {f"ours/{name}" for name in found}


def test_a_package_counts_as_a_whole_with_what_it_imports_beside_itself(site):
    files = {"__init__.py": "", "plug.py": "import helper", "w.bin": "1", "deep/x.py": "def f():\n    import other.a"}
    lay_out(site, **{f"mine/{name}": text for name, text in files.items()})
    lay_out(site, **{"helper.py": "", "other/__init__.py": "", "other/a.py": "", "other/b.txt": ""})
    lay_out(site, **{"mine/.git/index": "x", "mine/__pycache__/plug.pyc": "x"})
    beside = {"helper.py", "other/__init__.py", "other/a.py", "other/b.txt"}
    assert names_of(site, "mine.plug") == {*(f"mine/{name}" for name in files), *beside}


def test_links_are_followed_and_do_not_go_round(site, tmp_path):
    lay_out(tmp_path / "real", **{"helper.py": "a = 1", "tables/t.csv": "1"})
    lay_out(site, **{"mine/__init__.py": "", "plug.py": "import helper, mine"})
    (site / "helper.py").symlink_to(tmp_path / "real" / "helper.py")
    (site / "mine" / "tables").symlink_to(tmp_path / "real" / "tables")
    (site / "mine" / "loop").symlink_to(site / "mine")
    (site / "mine" / "gone").symlink_to(tmp_path / "nowhere")
    assert names_of(site) == {"plug.py", "helper.py", "mine/__init__.py", "mine/tables/t.csv"}
    before = source_digest(site / "plug.py", "plug")
    lay_out(tmp_path / "real", **{"tables/t.csv": "2"})
    assert source_digest(site / "plug.py", "plug") != before


def test_of_an_installed_distribution_all_that_its_record_lists_counts_and_nothing_else(site):
    ours = ("plug.py", "helper.py", "tables/t.csv", "also/__init__.py")
    lay_out(
        site, **{**dict.fromkeys(ours, "a = 1"), "plug.py": "import library, two", "library.py": "import unrelated"}
    )
    lay_out(site, **{"two/__init__.py": "", "two/b.py": "", "stray.py": "", "also/__pycache__/x.pyc": ""})
    install(site, "my-plug", *ours, "also/__pycache__/x.pyc")
    install(site, "a-library", "library.py")
    install(site, "Two", "two/__init__.py", "two/b.py")
    source = source_of(site / "plug.py", "plug")
    assert set(source.files) == set(ours)
    assert source.libraries == {"a-library": "1.0", "two": "1.0"}


def test_two_distributions_in_one_folder_do_not_mix(site):
    lay_out(site, **{"plug.py": "import helper", "helper.py": "", "other.py": "import help_of_other"})
    lay_out(site, **{"help_of_other.py": ""})
    assert names_of(site) == {"plug.py", "helper.py"}
    assert names_of(site, "other") == {"other.py", "help_of_other.py"}


def test_another_project_installed_for_development_counts_as_what_it_is_now(site, tmp_path, monkeypatch):
    lab = lay_out(
        tmp_path / "lab" / "src", **{"lab/__init__.py": "", "lab/dsp.py": "", "lab.egg-info/top_level.txt": "lab"}
    )
    monkeypatch.syspath_prepend(lab)
    lay_out(site, **{"plug.py": "from lab import dsp", "__editable__.lab.pth": str(lab)})
    install(site, "lab", "__editable__.lab.pth")
    assert names_of(site) == {"plug.py", "lab/__init__.py", "lab/dsp.py"}


def test_a_module_that_an_import_hook_maps_is_found_there(site, tmp_path, monkeypatch):
    from importlib.util import spec_from_file_location

    source = lay_out(tmp_path / "project", **{"lib/__init__.py": "", "lib/a.py": "from . import b", "lib/b.py": ""})

    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            return spec_from_file_location(name, source / "lib" / "__init__.py") if name == "mapped_lab" else None

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    lay_out(site, **{"plug.py": "import mapped_lab"})
    assert names_of(site) == {"plug.py", "lib/__init__.py", "lib/a.py", "lib/b.py"}


def test_an_archive_counts_as_a_whole(tmp_path, monkeypatch):
    archive = tmp_path / "plug.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("plug_in_zip.py", "import helper_in_zip")
        file.writestr("helper_in_zip.py", "")
    monkeypatch.syspath_prepend(archive)
    for source in (source_of(archive / "plug_in_zip.py", "plug_in_zip"), source_of_module("plug_in_zip")):
        assert source.files == {"plug.zip": archive}
    lay_out(tmp_path, **{"user.py": "import plug_in_zip"})
    assert source_of(tmp_path / "user.py", "user").files == {"user.py": tmp_path / "user.py", "plug.zip": archive}


def test_of_a_compiled_module_the_siblings_whose_names_stand_in_it_count(site):
    lay_out(site, **{"helper.py": "", "table.npy": ""})
    (site / "plug.so").write_bytes(b"\x7fELF\0\0helper\0__init__\0table.npy\0\xff\xfe")
    assert set(source_of(site / "plug.so", "plug").files) == {"plug.so", "helper.py", "table.npy"}


def test_a_bundled_module_that_a_plugin_builds_on_counts(site):
    lay_out(site, **{"plug.py": f"from {BUNDLED_PACKAGE}.encoders.melspec import Melspec\nimport asdcore, numpy\n"})
    found = names_of(site)
    assert {"plug.py", f"{BUNDLED_PACKAGE}/encoders/melspec.py", f"{BUNDLED_PACKAGE}/__init__.py"} <= found
    assert not [name for name in found if name.startswith(("asdcore/", "numpy/", f"{BUNDLED_PACKAGE}/scorers"))]


def test_the_versions_of_what_it_imports_are_known(site):
    import numpy

    lay_out(site, **{"plug.py": "import numpy.linalg, json, os\n", "helper.py": ""})
    assert source_of(site / "plug.py", "plug").libraries == {"numpy": numpy.__version__}


NOWHERE = [
    "import plug",
    "import gone_for_ever",
    "from ... import x",
    "x = '.' * 9",
    "y = '..'",
    "z = '/'",
    "import __main__",
    "w = 'a\\0b.npy'",
    HERE + "v = HERE / '[' / '**'",
    HERE + "u = HERE / ''",
    HERE + "t = HERE / '../../..'",
    "def f(:",
    "s = 'asdcore'",
]


@pytest.mark.parametrize("said", NOWHERE)
def test_what_leads_nowhere_adds_nothing(site, said):
    lay_out(site, **{"plug.py": said})
    assert names_of(site) == {"plug.py"}


def test_a_module_named_by_a_parameter_is_files_or_a_version(site):
    lay_out(site, **{"ear.py": "import helper", "helper.py": "", "installed_ear.py": "import helper"})
    install(site, "ears", "installed_ear.py")
    assert set(source_of_module("ear").files) == {"ear.py", "helper.py"}
    installed = source_of_module("installed_ear")
    assert (dict(installed.files), installed.libraries) == ({}, {"ears": "1.0"})
    assert source_of_module("no_such_ear") is None


def test_a_file_that_cannot_be_read_is_named(site):
    lay_out(site, **{"plug.py": "import helper", "helper.py": ""})
    source = source_of(site / "plug.py", "plug")
    (site / "helper.py").unlink()
    with pytest.raises(PluginError, match="helper.py, which a plugin needs, failed: No such file"):
        assert source.digest
