"""Every flipped byte is found, a kill leaves the old or the new, and every letter of a plugin's source counts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import asdcore
import asdcore_plugins
from asdcore.frozen.manifest.statement import read_manifest
from asdcore.frozen.verify import verify
from asdcore.frozen.verifying.differences import CHANGED, EXTRA, MISSING, VERSION

FLIPS, AT_ONCE = 1000, 40

FLIPPED = """
import json, random, sys
from pathlib import Path
from asdcore.errors import ManifestError
from asdcore.frozen.manifest.statement import read_manifest
from asdcore.frozen.manifest.locations import roots_of
from asdcore.frozen.verify import verify

path, flips, at_once = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
assert not verify(path).differences  # and all that verifying needs is loaded now, before its source is spoilt
manifest, rng, missed, kinds = read_manifest(path), random.Random(0), [], {}
roots = roots_of(manifest, {})
files = {}
for subject in manifest.subjects.values():
    files.setdefault(roots.locate(subject.name), []).append(subject)
done, chosen = 0, [*{subjects[0].kind: file for file, subjects in files.items()}.values(), path]  # one of every kind
while done < flips:
    before = {file: file.read_bytes() for file in chosen}
    for file, content in before.items():
        i = rng.randrange(len(content)) if content else 0
        file.write_bytes(content[:i] + bytes([content[i] ^ rng.randrange(1, 256)]) + content[i + 1:])
        kinds[files[file][0].kind if file in files else "manifest"] = True
    if path in before:
        try:
            read_manifest(path)
            missed.append(str(path))
        except ManifestError:
            path.write_bytes(before[path])
    told = {one.artifact for one in verify(path).differences if one.kind == "changed"}
    flipped = {one.name for file in before if file != path for one in files[file]}
    missed += sorted(told ^ flipped)
    for file, content in before.items():
        file.write_bytes(content)
    done += len(before)
    chosen = rng.sample([*files, path], min(at_once, flips - done))
assert not verify(path).differences
print(json.dumps({"flips": done, "missed": missed, "kinds": sorted(kinds)}))
"""


def test_of_a_thousand_flipped_bytes_a_thousand_are_told_and_nothing_else(frozen, tmp_path):
    """Forty files at a time have one byte flipped each, of all that is pinned: every one is told, by name.

    The source of asdcore and of its plugins is pinned too, so the whole happens in a copy of it.
    """
    for package in (asdcore, asdcore_plugins):
        source = Path(package.__file__).parent
        shutil.copytree(source, tmp_path / "code" / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-B", "-c", FLIPPED, str(frozen.path), str(FLIPS), str(AT_ONCE)],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "code")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "flips": FLIPS,
        "missed": [],
        "kinds": ["audio", "code", "features", "fitted", "manifest", "plugin", "portfolio", "record", "table"],
    }


KILLED = """
import json, os, signal, sys
from pathlib import Path
from asdcore.frozen.manifest.statement import read_manifest, write_manifest

source, out = Path(sys.argv[1]), Path(sys.argv[2])
manifest = read_manifest(source)

def write(time):
    write_manifest(out, list(manifest.subjects.values()), manifest.predicate, time)

def killed_at(moment):
    seen = 0

    def watch(event, args):
        nonlocal seen
        if any(str(out.parent) in str(one) for one in args):
            if seen == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1

    if not (child := os.fork()):
        sys.addaudithook(watch)
        write("new")
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL

written = {}
for time in ("new", "old"):
    write(time)
    written[out.read_bytes()] = time
states = {}
for before in (None, out.read_bytes()):
    found = states.setdefault(written.get(before, "nothing"), [])
    was_killed = True
    while was_killed:
        out.unlink() if before is None and out.exists() else before and out.write_bytes(before)
        was_killed = killed_at(len(found))
        found.append(written[out.read_bytes()] if out.exists() else "nothing")
print(json.dumps(states))
"""


def test_a_kill_at_any_moment_of_writing_leaves_the_old_or_the_new(whole, tmp_path):
    """Killed at every step that touches the manifest's folder, which is all that freezing writes to."""
    command = [sys.executable, "-c", KILLED, str(whole.path), str(tmp_path / "m.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for before, found in json.loads(done.stdout).items():
        replaced = found.index("new")
        assert replaced >= 3
        assert found == [before] * replaced + ["new"] * (len(found) - replaced)
        assert len(found) > replaced + 1


SCORER = """
from asdcore import hookimpl

OFFSET = 1.0


class Distance:
    def fit(self, features, domain):
        self.mean = features.mean(0)
        return self

    def score(self, features):
        return {"pooled": abs(features - self.mean).mean(1).astype("float64") + OFFSET}


@hookimpl
def register_scorers(register):
    register("theirs", Distance)
"""

PORTFOLIO = """
name = "theirs"

[branches.a]
encoder = { name = "logmel", n_mels = 16 }
scorer = "theirs"
normalizer = { name = "median_iqr", scope = "pooled" }

[branches.b]
encoder = { name = "logmel", n_mels = 16 }
scorer = { name = "knn", metric = "euclidean" }

[systems.theirs]
weights = { a = 1.0 }

[systems.ours]
weights = { b = 1.0 }
"""

FREEZE = """
import sys
import asdcore
from asdcore.frozen.freeze import freeze

portfolio, data, home = sys.argv[1:]
freeze(asdcore.run(portfolio, data, f"{home}/run", store=f"{home}/store", task="dcase2026"), f"{home}/frozen.json")
"""


def install(site: Path, version: str = "1.0") -> None:
    """Install a third party's scorer: a distribution with a package of two modules."""
    for old in site.glob("*.dist-info"):
        shutil.rmtree(old)
    info = site / f"their_scorer-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: their-scorer\nVersion: {version}\n")
    (info / "entry_points.txt").write_text("[asdcore]\ntheirs = their_scorer.scorer\n")
    (site / "their_scorer").mkdir(exist_ok=True)
    (site / "their_scorer" / "__init__.py").write_text("")
    (site / "their_scorer" / "scorer.py").write_text(SCORER)
    (site / "their_scorer" / "tables.json").write_text("{}")


@pytest.fixture(scope="module")
def with_theirs(tmp_path_factory, make_dataset) -> Path:
    """A folder with a run that uses a third party's scorer, its manifest, and the site folder of that scorer."""
    home = tmp_path_factory.mktemp("theirs")
    install(home / "site")
    (home / "portfolio.toml").write_text(PORTFOLIO)
    make_dataset(home / "data", ("fan",), source=8, target=4, test=1)
    arguments = [str(home / "portfolio.toml"), str(home / "data"), str(home)]
    done = subprocess.run(
        [sys.executable, "-c", FREEZE, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(home / "site"), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return home


@pytest.fixture
def theirs(with_theirs, tmp_path, monkeypatch) -> Path:
    """A copy of it to be spoilt, with the scorer installed here too. Verifying does not import it."""
    shutil.copytree(with_theirs, tmp_path / "theirs", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.syspath_prepend(tmp_path / "theirs" / "site")
    yield tmp_path / "theirs"
    assert not [name for name in sys.modules if name.startswith("their_scorer")]


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def told(home: Path):
    result = verify(home / "frozen.json")
    return {(one.kind, one.artifact) for one in result.differences}, list(result.affected)


def test_a_third_party_s_plugin_is_pinned_with_its_whole_package(theirs):
    manifest = read_manifest(theirs / "frozen.json")
    names = {one.name for one in manifest.of_kind("plugin") if one.name.startswith("plugin/theirs/")}
    assert names == {f"plugin/theirs/their_scorer/{name}" for name in ("__init__.py", "scorer.py", "tables.json")}
    (row,) = (row for row in manifest.predicate["plugins"] if row["plugin"] == "theirs")
    assert (row["distribution"], row["version"], row["components"]) == ("their-scorer", "1.0", ["scorer theirs"])
    assert told(theirs) == (set(), [])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("OFFSET = 1.0", "OFFSET = 1.0  # a comment"),
        ("OFFSET = 1.0", "OFFSET = 2.0"),
        ("class", "clas"),
        ("1.0", "0.1\0"),
    ],
    ids=["a comment", "a constant", "a syntax error", "a null byte"],
)
def test_a_plugin_s_changed_source_is_told(theirs, old, new):
    rewrite(theirs / "site" / "their_scorer" / "scorer.py", old, new)
    assert told(theirs) == ({(CHANGED, "plugin/theirs/their_scorer/scorer.py")}, ["theirs/fan/00"])


def test_a_file_more_or_less_in_a_plugin_s_package_is_told(theirs):
    package = theirs / "site" / "their_scorer"
    (package / "more.py").write_text("")
    (package / "tables.json").unlink()
    differences = {(EXTRA, "plugin/theirs/their_scorer/more.py"), (MISSING, "plugin/theirs/their_scorer/tables.json")}
    assert told(theirs) == (differences, ["theirs/fan/00"])


def test_a_module_that_would_be_imported_in_place_of_a_pinned_one_is_told(theirs):
    shadow = theirs / "site" / "their_scorer" / "scorer"
    shadow.mkdir()
    (shadow / "__init__.py").write_text("")
    assert told(theirs)[0] == {(EXTRA, "plugin/theirs/their_scorer/scorer/__init__.py")}


def test_another_version_of_a_plugin_is_told(theirs):
    install(theirs / "site", "2.0")
    assert told(theirs) == ({(VERSION, "plugin/theirs")}, ["theirs/fan/00"])


def test_a_plugin_that_is_not_installed_is_told(theirs):
    shutil.rmtree(theirs / "site")
    differences, affected = told(theirs)
    names = ("__init__.py", "scorer.py", "tables.json")
    assert differences == {
        (MISSING, "plugin/theirs"),
        *((MISSING, f"plugin/theirs/their_scorer/{one}") for one in names),
    }
    assert affected == ["theirs/fan/00"]


def test_a_plugin_that_changed_since_the_run_is_not_frozen(theirs):
    rewrite(theirs / "site" / "their_scorer" / "scorer.py", "OFFSET = 1.0", "OFFSET = 2.0")
    code = "import sys; from asdcore.frozen.freeze import freeze; freeze(*sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(theirs / "run"), str(theirs / "again.json")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(theirs / "site"), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
    )
    assert "the scorer 'theirs' of plugin theirs has changed since" in done.stderr
    assert not (theirs / "again.json").exists()
