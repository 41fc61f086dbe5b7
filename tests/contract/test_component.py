"""A factory given as a path: imported when it is first asked for, its source found without importing it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from asdcore import hookimpl
from asdcore.authoring import conformance
from asdcore.contract.discovery import _load
from asdcore.contract.plugins import Plugins, installed, origin, restricted
from asdcore.contract.source_code.files import source_of
from asdcore.errors import Interrupted, PluginError
from asdcore.testing import check_installed, run_checks

SCORER = """
class S:
    def __init__(self, k=1): self.k = k
    def fit(self, features, domain): return self
    def score(self, features): return {}

NUMBER = 3
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on the path; what is imported from it is forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def plugins_of(site, path, name="theirs"):
    """Return plugins with one module that registers a scorer by a path."""
    text = f"from asdcore import hookimpl\n\n@hookimpl\ndef register_scorers(register):\n    register('s', {path!r})\n"
    (site / f"{name}.py").write_text(text)
    module = ModuleType(name)
    module.__file__ = str(site / f"{name}.py")
    exec(compile(text, module.__file__, "exec"), module.__dict__)
    return Plugins([(name, module, "their-dist", "1.0")])


def test_a_path_is_imported_when_the_component_is_built(site):
    (site / "far_away.py").write_text(SCORER)
    plugins = plugins_of(site, "far_away:S")
    component = plugins.component("scorer", "s")
    assert component.source == site / "far_away.py"
    assert component.source_digest != "unknown"
    assert "far_away" not in sys.modules
    assert plugins.build("scorer", "s", {"k": 2}).k == 2
    assert component.factory is sys.modules["far_away"].S
    with pytest.raises(PluginError, match=r"takes no parameter 'kk'. Did you mean 'k'\?"):
        plugins.build("scorer", "s", {"kk": 2})


def test_the_source_of_a_path_is_its_module_and_the_one_that_registers_it(site):
    (site / "far_away.py").write_text("import close_by\n" + SCORER)
    (site / "close_by.py").write_text("A = 1\n")
    component = plugins_of(site, "far_away:S").component("scorer", "s")
    assert component.files.files.keys() == {"theirs.py", "far_away.py", "close_by.py"}
    assert component.plugin == "theirs"
    before = component.source_digest
    for name in ("close_by.py", "far_away.py", "theirs.py"):
        (site / name).write_text((site / name).read_text() + "# changed\n")
        changed = component.files_now().digest
        assert changed != before
        before = changed


def test_a_module_that_a_source_names_as_a_path_belongs_to_it(site):
    """So a manifest pins it, which asks a plugin's module alone and imports nothing."""
    (site / "far_away.py").write_text(SCORER)
    plugins_of(site, "far_away:S")
    assert source_of(site / "theirs.py", "theirs").files.keys() == {"theirs.py", "far_away.py"}


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("nowhere_at_all:S", "there is no module 'nowhere_at_all'"),
        ("far_away.deeper:S", "there is no module 'far_away.deeper'"),
        ("far_away:T", r"the module has no 'T'. Known: S"),
        ("far_away:S.deeper", "the module has no 'S.deeper'"),
        ("far_away:NUMBER", "that is of type int, which is not callable"),
        ("broken:S", "the module does not import: ModuleNotFoundError: No module named 'absent_library'"),
        ("leaving:S", "the module does not import: SystemExit: bye"),
    ],
)
def test_a_path_that_leads_to_no_factory_is_told_when_it_is_built(site, path, why):
    (site / "far_away.py").write_text(SCORER)
    (site / "broken.py").write_text("import absent_library\n")
    (site / "leaving.py").write_text("raise SystemExit('bye')\n")
    plugins = plugins_of(site, path)
    with pytest.raises(
        PluginError, match=f"Plugin 'theirs' of distribution 'their-dist' .*'{path}'.*{why}.*module:attr"
    ):
        plugins.build("scorer", "s", {})


def test_a_person_who_interrupts_an_import_or_a_check_is_no_fault_of_the_plugin(site):
    def stop():
        raise Interrupted(130)

    (site / "stopped.py").write_text("from asdcore.errors import Interrupted\nraise Interrupted(130)\n")
    plugins = plugins_of(site, "stopped:S")
    with pytest.raises(Interrupted):
        plugins.build("scorer", "s", {})
    with pytest.raises(Interrupted):
        _load(EntryPoint("theirs", "stopped:S", "asdcore"))
    with pytest.raises(Interrupted):
        run_checks("scorer", stop)


@pytest.mark.parametrize("path", ["", "far_away", "far_away:", ":S", "far away:S", "far_away:S()", ".far_away:S"])
def test_what_is_no_path_is_refused_when_it_is_registered(site, path):
    with pytest.raises(PluginError, match="'theirs' registers the scorer 's' as .*'my_package.my_module:MyClass'"):
        plugins_of(site, path)


def test_checking_a_plugin_tells_once_that_its_path_leads_nowhere(site, monkeypatch):
    monkeypatch.setattr(conformance, "installed", lambda: plugins_of(site, "nowhere_at_all:S"))
    with pytest.raises(PluginError, match="there is no module 'nowhere_at_all'"):
        check_installed("s")


def test_objects_and_paths_may_stand_in_one_file(site):
    (site / "far_away.py").write_text(SCORER)

    class Both:
        @hookimpl
        def register_scorers(self, register):
            register("path", "far_away:S")
            register("object", lambda: register)

    assert list(Plugins([("both", Both(), "d", "1")]).components("scorer")) == ["object", "path"]


def test_modules_below_a_plugins_name_are_plugins_of_their_own(site):
    package = site / "ours"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "one.py").write_text(SCORER)
    known = plugins_of(site, "ours.one:S", name="ours")
    assert known.component("scorer", "s").plugin == "ours.one"
    assert known.hooks == {"ours.one": ["register_scorers"]}


def test_a_bundled_plugin_is_pinned_with_the_module_that_registers_it():
    for name in ("asdcore_plugins.scorers.knn", "asdcore_plugins.views.channels"):
        assert "asdcore_plugins/bundled.py" in origin(name).files
        assert f"{name.replace('.', '/')}.py" in origin(name).files


def test_a_bundled_plugins_digest_does_not_depend_on_which_others_there_are():
    component = installed().component("scorer", "knn")
    assert "asdcore_plugins/bundled.py" not in component.files.files
    assert "asdcore_plugins/scorers/knn.py" in component.files.files


def test_no_module_beside_the_bundled_plugins_is_one():
    for name in ("asdcore_plugins.nn.front_ends.mel", "asdcore_plugins.gone"):
        with pytest.raises(PluginError, match=f"'{name}' is not installed"), restricted([name]):
            pass


def test_without_an_entry_point_of_its_own_asdcore_says_what_to_type():
    code = (
        "import importlib.metadata as m; whole = m.entry_points; from asdcore.contract import discovery\n"
        "discovery.entry_points = lambda **k: [e for e in whole(**k) if e.name != 'asdcore_plugins']\n"
        "from asdcore.contract.plugins import installed\n"
        "installed()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "asdcore's own plugins have no entry point here" in done.stderr
    assert "pip install --no-deps -e" in done.stderr


def test_a_recipe_tells_two_components_of_one_file_apart(tmp_path):
    from asdcore.compute.recipes import component_recipe

    near, far = (component_recipe(installed().component("view", name), {}) for name in ("near", "far"))
    assert (near["plugin"], near["source"]) == (far["plugin"], far["source"])
    assert (near["factory"], far["factory"]) == tuple(
        f"asdcore_plugins.views.channels:{name}" for name in ("near", "far")
    )
