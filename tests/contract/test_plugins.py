"""Plugins are found, named and built; whatever is wrong with one is said at once."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest

import asdcore
from asdcore import hookimpl
from asdcore.contract import hookspecs, interfaces
from asdcore.contract.plugins import Plugins, installed, origin, restricted
from asdcore.contract.source_code.files import source_digest
from asdcore.errors import PluginError
from asdcore.stages.embedding.embed_ahead import done_ahead


class Scorer:
    def __init__(self, k=1):
        if k < 1:
            raise ValueError("k must be at least 1")

    def fit(self, features, domain):
        return self

    def score(self, features):
        return {}


class Plugin:
    def __init__(self, *names, factory=Scorer):
        self.names, self.factory = names, factory

    @hookimpl
    def register_scorers(self, register):
        for name in self.names:
            register(name, self.factory)


def load(*plugins):
    return Plugins((f"plugin{i}", plugin, f"dist{i}", "1.0") for i, plugin in enumerate(plugins))


def test_every_kind_has_a_hook_and_a_bundled_component():
    hooks = [name for name in vars(hookspecs) if name.startswith("register_")]
    assert hooks == [f"register_{kind}s" for kind in interfaces.KINDS]
    for kind in interfaces.KINDS:
        assert installed().components(kind)


def test_every_bundled_file_is_registered():
    import asdcore_plugins

    root = Path(asdcore_plugins.__file__).parent
    files = {path.relative_to(root).with_suffix("").as_posix().replace("/", ".") for path in root.glob("*/*.py")}
    kinds = tuple(f"{kind}s." for kind in interfaces.KINDS)
    plugins = {f"asdcore_plugins.{name}" for name in files if name.startswith(kinds) and not name.endswith("__init__")}
    assert plugins == {name for name in installed().hooks if name.startswith("asdcore_plugins.")}


def test_components_are_sorted_whatever_the_order_of_plugins():
    one, other = Plugin("b", "d"), Plugin("c", "a")
    assert list(load(one, other).components("scorer")) == list(load(other, one).components("scorer")) == list("abcd")


def test_a_component_knows_where_it_came_from():
    component = load(Plugin("a")).component("scorer", "a")
    assert (component.plugin, component.distribution, component.version) == ("plugin0", "dist0", "1.0")
    knn = installed().component("scorer", "knn")
    assert (knn.plugin, knn.distribution, knn.version) == (
        "asdcore_plugins.scorers.knn",
        "asdcore",
        asdcore.__version__,
    )
    assert knn.source is not None
    assert knn.source_digest == source_digest(knn.source)


def test_a_misspelt_hook_is_an_error():
    class Misspelt:
        @hookimpl
        def register_scorer(self, register): ...

    with pytest.raises(PluginError, match="plugin0.*register_scorer"):
        load(Misspelt())


def test_a_hook_with_other_arguments_is_an_error():
    class Wrong:
        @hookimpl
        def register_scorers(self, register, more): ...

    with pytest.raises(PluginError, match="does not fit the hooks"):
        load(Wrong())


def test_two_plugins_of_one_name_are_an_error():
    with pytest.raises(PluginError, match="both name a plugin 'same': dist0 and dist1"):
        Plugins([("same", Plugin("a"), "dist0", "1"), ("same", Plugin("b"), "dist1", "1")])


def test_two_components_of_one_name_are_an_error():
    with pytest.raises(PluginError, match="register a scorer 'a': plugin0 and plugin1"):
        load(Plugin("a"), Plugin("a"))


def test_an_unknown_name_is_met_with_the_nearest():
    with pytest.raises(PluginError, match=r"Did you mean 'knn'\? Known: .*knn.*mahalanobis.*asdcore plugins"):
        asdcore.load_scorer("knm")


def test_an_unknown_parameter_is_met_with_the_nearest():
    with pytest.raises(PluginError, match=r"takes no parameter 'metrics'. Did you mean 'metric'\?"):
        asdcore.load_scorer("knn", metrics="cosine")


def test_a_missing_parameter_is_shown_where_it_goes():
    needed = (
        r"encoder 'beats' needs the parameter 'checkpoint': encoder = \{ name = 'beats', checkpoint = \.\.\. \}\. "
        "'asdcore registry list' names those for beats"
    )
    with pytest.raises(PluginError, match=needed):
        asdcore.load_encoder("beats")


def test_a_refused_parameter_says_why():
    with pytest.raises(PluginError, match="refuses its parameters.*k must be at least 1"):
        load(Plugin("a")).build("scorer", "a", {"k": 0})


class Broken:
    """A scorer whose library breaks down, or which refuses what it was given, in one of its own functions."""

    def __init__(self, window=None, ratio=1.0, sizes="[1]"):
        if window == "import":
            raise ImportError("no module named 'ahead'")
        self.sizes = json.loads(sizes)
        self.ratio = float(ratio)
        refuse(window)

    fit = score = lambda self, *_: self


def refuse(window):
    if window not in (None, "import"):
        raise ValueError(f"window must be at least 1, got {window}")


@dataclasses.dataclass
class Given:
    k: int = 1

    def __post_init__(self):
        if self.k < 1:
            raise ValueError("k must be at least 1")

    fit = score = lambda self, *_: self


def built(factory, parameters):
    with pytest.raises(PluginError) as told:
        load(Plugin("a", factory=factory)).build("scorer", "a", parameters)
    return str(told.value)


@pytest.mark.parametrize(
    ("factory", "parameters", "why"),
    [
        (Broken, {"window": 0}, "window must be at least 1, got 0"),
        (Broken, {"ratio": "much"}, "could not convert string to float: 'much'"),
        (Given, {"k": 0}, "k must be at least 1"),
    ],
)
def test_what_a_plugin_says_of_its_parameters_is_a_refusal(factory, parameters, why):
    assert built(factory, parameters) == f"scorer 'a' refuses its parameters {parameters}: {why}"


def deep_in_a_library(**_):
    statistics.median([])


@pytest.mark.parametrize("error", [ValueError("boom"), TypeError("boom"), OverflowError("boom"), KeyError("boom")])
def test_nothing_refuses_parameters_that_were_not_given(error):
    def factory(k=1):
        raise error

    said = built(factory, {})
    assert "refuses" not in said
    assert said.startswith(f"Building scorer 'a' failed: {type(error).__name__}: ")
    assert "(in test_plugins.py, line " in said


@pytest.mark.parametrize(
    ("factory", "parameters", "said"),
    [
        (Broken, {"sizes": "[1"}, r"parameters {'sizes': '\[1'}: JSONDecodeError: .* \(in decoder.py, line \d+\)"),
        (Broken, {"window": "import"}, r"parameters {'window': 'import'}: ImportError: no module named 'ahead'"),
        (deep_in_a_library, {"k": 2}, r"parameters {'k': 2}: StatisticsError: .* \(in statistics.py, line \d+\)"),
        (deep_in_a_library, {}, r": StatisticsError: .* \(in statistics.py, line \d+\)"),
    ],
)
def test_what_breaks_in_a_library_is_no_refusal(factory, parameters, said):
    assert re.search(f"^Building .* failed.*{said}", told := built(factory, parameters))
    assert "refuses" not in told


def test_a_component_off_its_contract_is_refused():
    with pytest.raises(PluginError, match="which lacks fit, score"):
        load(Plugin("a", factory=lambda: SimpleNamespace())).build("scorer", "a", {})


def test_a_kind_that_is_none_is_named_with_the_one_that_was_meant():
    for ask in (installed().components, lambda kind: installed().component(kind, "knn")):
        with pytest.raises(PluginError, match=r"There is no kind of component 'scorers'\. Did you mean 'scorer'\?"):
            ask("scorers")


def test_a_frozen_run_loads_nothing_but_what_it_pins():
    with restricted(["asdcore_plugins.scorers.knn"]) as plugins:
        assert list(plugins.components("scorer")) == ["knn"]
        assert not plugins.components("encoder")
        assert installed() is plugins
    assert "logmel" in installed().components("encoder")


def test_restrictions_end_with_their_block_even_inside_one_another_or_where_it_fails():
    everything = set(installed().hooks)
    with restricted(["asdcore_plugins.scorers.knn", "asdcore_plugins.guards.tail"]):
        with pytest.raises(ZeroDivisionError), restricted(["asdcore_plugins.guards.tail"]):
            assert set(installed().hooks) == {"asdcore_plugins.guards.tail"}
            raise ZeroDivisionError
        assert set(installed().hooks) == {"asdcore_plugins.scorers.knn", "asdcore_plugins.guards.tail"}
    assert set(installed().hooks) == everything
    with pytest.raises(PluginError), restricted(["gone"]):
        pass
    assert set(installed().hooks) == everything


def test_restrictions_of_threads_are_their_own_in_whatever_order_they_end():
    """An inference in one thread must not take the plugins of a run in another, nor leave its own behind."""
    names = {"first": "asdcore_plugins.scorers.knn", "second": "asdcore_plugins.guards.tail"}
    entered, left = {name: Event() for name in names}, {name: Event() for name in names}
    everything = set(installed().hooks)

    def restrict_until(name):
        with restricted([names[name]]):
            entered[name].set()
            assert left[name].wait(60)
            return set(installed().hooks), list(done_ahead(decoders, lambda _: set(installed().hooks), [0], 1))

    with ThreadPoolExecutor(2) as pool, ThreadPoolExecutor(1) as decoders:
        decoders.submit(int).result()  # its thread is older than any restriction
        results = {name: pool.submit(restrict_until, name) for name in names}
        assert all(event.wait(60) for event in entered.values())
        assert set(installed().hooks) == everything
        for name in names:
            left[name].set()
            assert results[name].result(60) == ({names[name]}, [{names[name]}])
            assert set(installed().hooks) == everything


def test_a_pinned_plugin_that_is_not_installed_is_named():
    with pytest.raises(PluginError, match="'gone' is not installed"), restricted(["gone"]):
        pass


def test_where_a_plugin_comes_from_is_known_without_running_it():
    assert origin("asdcore_plugins.scorers.knn").source == installed().component("scorer", "knn").source
    assert origin("gone") is None


def test_a_package_is_digested_as_a_whole(tmp_path):
    (tmp_path / "__init__.py").write_text("a = 1")
    (tmp_path / "more.py").write_text("b = 1")
    before = source_digest(tmp_path / "__init__.py")
    (tmp_path / "more.py").write_text("b = 2")
    assert source_digest(tmp_path / "__init__.py") != before
    (tmp_path / "more.py").write_text("b = 1")
    (tmp_path / "more.py").rename(tmp_path / "other.py")
    assert source_digest(tmp_path / "__init__.py") != before


def lay_out(site, distribution, version, entry_point):
    """Lay out an installed distribution with one entry point."""
    info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[asdcore]\n{entry_point}\n")


IMPORTED = """
import sys
from contextlib import nullcontext
from asdcore.contract.plugins import installed, restricted
from asdcore.errors import PluginError
try:
    with restricted(sys.argv[1:]) if sys.argv[1:] else nullcontext():
        print(*installed().hooks)
except PluginError as error:
    print(error)
print(*sorted(sys.modules))
"""


def imported(site, *names):
    """Return what is said of a restriction to some plugins, and which plugins a new process then has imported."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *names],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=True,
    )
    said, modules = done.stdout.splitlines()
    plugins = {"theirs", "theirs_too", *installed().hooks}
    return said, [name for name in modules.split() if name in plugins]


def test_a_restriction_imports_nothing_but_what_it_names(tmp_path):
    """Neither bundled plugins nor others: a frozen run must not execute what it does not pin."""
    lay_out(tmp_path, "their-scorer", "1.0", "theirs = theirs")
    (tmp_path / "theirs.py").write_text("raise SystemExit('executed')\n")
    names = ["asdcore_plugins.guards.tail", "asdcore_plugins.scorers.knn"]
    assert imported(tmp_path, *names) == (" ".join(names), [])  # nor these before they are built


def test_no_distribution_names_a_plugin_below_asdcores_own(tmp_path):
    lay_out(tmp_path, "one", "1.0", "asdcore_plugins.guards.tail = theirs")
    (tmp_path / "theirs.py").write_text("raise SystemExit('executed')\n")
    for names in ((), ("asdcore_plugins.guards.tail",)):
        said, modules = imported(tmp_path, *names)
        assert "both name a plugin 'asdcore_plugins.guards.tail': asdcore and one" in said
        assert modules == []


@pytest.mark.parametrize("name", ["theirs", "asdcore_plugins.guards.tail"])
def test_of_two_plugins_of_one_name_neither_is_imported(tmp_path, name):
    lay_out(tmp_path, "one", "1.0", f"{name} = theirs")
    lay_out(tmp_path, "two", "1.0", f"{name} = theirs_too")
    said, modules = imported(tmp_path, name)
    assert f"Two installed distributions both name a plugin {name!r}: " in said
    assert modules == []


def test_a_third_party_distribution_is_found_by_its_entry_point(tmp_path):
    site = tmp_path / "site"
    lay_out(site, "their-scorer", "2.0", "theirs = their_scorer")
    (site / "their_scorer.py").write_text(
        "from asdcore import hookimpl\n\nclass S:\n"
        "    def fit(self, f, d): return self\n    def score(self, f): return {}\n\n"
        "@hookimpl\ndef register_scorers(register):\n    register('theirs', S)\n"
    )
    code = (
        "from asdcore.contract.plugins import installed\n"
        "c = installed().component('scorer', 'theirs')\n"
        "print(c.plugin, c.distribution, c.version)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(site)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["theirs", "their-scorer", "2.0"]
    (site / "their_scorer.py").write_text("import nowhere_to_be_found\n")
    failed = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(site)}, capture_output=True, text=True)
    assert "Plugin 'theirs' of distribution 'their-scorer' does not import" in failed.stderr


HEAVY = {"numpy", "torch", "transformers", "sklearn", "scipy", "polars", "pydantic"}


def test_loading_plugins_is_cheap(imported_by):
    assert not imported_by("from asdcore.contract.plugins import installed; installed()") & HEAVY


@pytest.mark.parametrize("arguments", [["plugins"], ["plugins", "--json"]])
def test_listing_plugins_imports_no_heavy_library_and_none_of_them(imported_by, arguments):
    heavy = HEAVY - {"pydantic"}  # which typer itself imports
    bundled = {name for name in installed().hooks if name.startswith("asdcore_plugins.")}
    code = f"import asdcore.cli; sys.argv[1:] = {arguments!r}\ntry: asdcore.cli.main()\nexcept SystemExit: pass"
    assert not imported_by(code) & (heavy | bundled)


@pytest.mark.parametrize("module", ["encoders.logmel", "encoders.melspec", "encoders.stereo_logmel", "views.wiener"])
def test_a_plugin_without_a_network_is_imported_without_torch(imported_by, module):
    assert not imported_by(f"import asdcore_plugins.{module}") & {"torch", "transformers", "sklearn"}
