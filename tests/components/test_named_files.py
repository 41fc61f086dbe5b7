"""What parameters name on disk counts by its content, however it is named, and never leads to the recordings."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from asdcore.components.named_files import by_content, held, modules_named, paths_named, released, tree_digest
from asdcore.compute.component_checks.recordings_out_of_reach import check_apart
from asdcore.contract.plugins import Component
from asdcore.errors import PortfolioError, ResourceError
from asdcore.portfolio import Choice, Named
from asdcore.store.digests.digest import recipe_digest

THEIRS = Component("encoder", "theirs", object, "theirs", "their-plugin", "1", None)
BUNDLED = Component("scorer", "knn", object, "asdcore_plugins.scorers.knn", "asdcore", "1", None)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder that is the working directory too, with a folder of weights and one of recordings."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("weights/a.bin", "weights/deep/b.bin", "data/fan/test/clip.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to("weights")
    return tmp_path


FORMS = {
    "absolute": "{home}/weights",
    "relative": "./weights",
    "a plain word": "weights",
    "of the home folder": "~/weights",
    "by a variable": "$HOME/weights",
    "by a variable in braces": "${{HOME}}/weights",
    "an address": "file://{home}/weights",
    "with a slash": "{home}/weights/",
    "round about": "{home}/data/../weights",
    "a link": "./link",
}
SHAPES = {
    "alone": lambda value: value,
    "in a list": lambda value: ["x", [value]],
    "in a table": lambda value: {"a": value},
}


def digest(parameters, component=THEIRS):
    return recipe_digest(by_content(component, parameters))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_folder_counts_by_its_content_however_it_is_named(home, form, shape):
    parameters = {"folder": shape(form.format(home=home))}
    before, again = digest(parameters), digest(parameters)
    job = held(THEIRS, parameters)
    assert {key: released(value) for key, value in job.items()} == parameters
    (home / "weights" / "deep" / "b.bin").write_text("edited")
    assert before == again != digest(parameters)
    with pytest.raises(ResourceError, match="has changed: the pinned content is"):
        released(job)
    assert len(list(paths_named(THEIRS, parameters))) == 1


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_recordings_are_refused_however_they_are_named(home, form, shape):
    (home / "link").unlink()
    (home / "link").symlink_to("data")
    value = form.replace("weights", "data").replace("data/../data", "weights/../data").format(home=home)
    plugins = SimpleNamespace(component=lambda kind, name: THEIRS)

    def check(named):
        check_apart([Choice("encoder", "branches.a.encoder", named, ("a",))], home / "data", plugins)

    with pytest.raises(PortfolioError, match=r"must not know where .*\n  - branches.a.encoder: folder = "):
        check(Named(name="theirs", folder=shape(value)))
    check(Named(name="theirs", folder=shape(str(home / "weights"))))


def test_files_count_by_content_and_words_by_themselves_too(home):
    (home / "one.txt").write_text("same")
    (home / "two.txt").write_text("same")
    assert digest({"file": "./one.txt"}) == digest({"file": str(home / "two.txt")})
    (home / "source").mkdir()
    (home / "target").mkdir()
    assert digest({"mode": "source"}) != digest({"mode": "target"})


def test_a_plain_word_of_a_bundled_plugin_is_a_word(home):
    (home / "source").mkdir()
    said = {"references": ["source"], "weights": "weights"}
    assert by_content(BUNDLED, said) == held(BUNDLED, said) == said
    assert list(paths_named(BUNDLED, said)) == []
    assert len(list(paths_named(BUNDLED, {"file": "./weights"}))) == 1


def test_all_of_a_folder_counts_names_too(home):
    digests = {tree_digest(home / "weights")}
    (home / "weights" / "a.bin").rename(home / "weights" / "c.bin")
    digests.add(tree_digest(home / "weights"))
    (home / "weights" / ".hidden").write_text("1")
    digests.add(tree_digest(home / "weights"))
    (home / "weights" / "loop").symlink_to("..")
    (home / "outside").mkdir()
    (home / "weights" / "more").symlink_to(home / "outside")
    before = tree_digest(home / "weights")
    (home / "outside" / "x").write_text("1")
    assert len(digests | {before, tree_digest(home / "weights")}) == 5


@pytest.mark.parametrize(
    "value", ["", "no/such", "a\0b", "~nobody-by-that-name/x", "x" * 5000, 1, 2.5, True, [], {}, "$NOT_SET/x"]
)
def test_what_names_nothing_is_left_as_it_is(home, value):
    assert by_content(THEIRS, {"a": value}) == held(THEIRS, {"a": value}) == {"a": value}
    assert list(paths_named(THEIRS, {"a": value})) == []


def test_modules_are_known_by_their_key():
    said = {"module": "a.b", "front_module": "c", "modules": "d", "k": 1, "a_module": 3}
    assert dict(modules_named(said)) == {"module": "a.b", "front_module": "c"}
