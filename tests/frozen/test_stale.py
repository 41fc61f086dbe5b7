"""What a run computes with is edited: the next run computes anew, verify says so, freeze pins no stale run."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asdcore
from asdcore.contract.plugins import restrict
from asdcore.errors import AsdcoreError, ManifestError, PluginError, PortfolioError
from asdcore.frozen.freeze import freeze
from asdcore.frozen.verify import verify
from asdcore.resources.add import add
from asdcore.resources.registry import open_registry

PLUGIN = """
from pathlib import Path

import numpy as np
from asdcore import Tokens, hookimpl

HERE = Path(__file__).parent


class Encoder:
    sample_rate = 16000
    layers = (0,)

    def __init__(self, folder="", module=""):
        self.more = sum(float(one.read_text()) for one in Path(folder).rglob("*")if one.is_file()) if folder else 0.0

    def encode(self, audio, layers=(0,)):
        from helper import gain

        frames = audio[:, : audio.shape[1] // 512 * 512].reshape(len(audio), -1, 512)
        power = np.square(np.abs(np.fft.rfft(frames)[..., 1:])).reshape(*frames.shape[:2], 32, 8).mean(-1)
        bands = (np.log(power + 1e-6) + self.more) * gain * float((HERE / "table.txt").read_text())
        return {0: Tokens(bands[..., None].astype(np.float32))}


class Scorer:
    def __init__(self, weights=""):
        self.weight = float(Path(weights).read_text()) if weights else 1.0

    def fit(self, features, domain):
        self.mean = features.mean(0)
        return self

    def score(self, features):
        return {"pooled": self.weight * np.square(features - self.mean).sum(1).astype(float)}


class Normalizer:
    def __init__(self, weights=""):
        self.weight = float(Path(weights).read_text()) if weights else 1.0

    def fit(self, scores, domain):
        return self

    def transform(self, scores):
        return self.weight * scores["pooled"]


@hookimpl
def register_encoders(register):
    register("mine", Encoder)


@hookimpl
def register_scorers(register):
    register("mine", Scorer)


@hookimpl
def register_normalizers(register):
    register("mine", Normalizer)
"""

PORTFOLIO = """
name = "stale"

[branches.a]
encoder = {{ name = "mine"{encoder} }}
scorer = {{ name = "mine"{scorer} }}
normalizer = {{ name = "mine"{normalizer} }}

[systems.s]
weights = {{ a = 1.0 }}
"""


class Bench:
    """A plugin beside much else, the recordings, and what a run of it gives; each run sees what is there then."""

    def __init__(self, home: Path, data: Path) -> None:
        self.home, self.data, self.site = home, data, home / "site"
        info = self.site / "stale_plugin-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stale-plugin\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[asdcore]\nstale = stale_plugin\n")
        self.write("site/stale_plugin.py", PLUGIN)
        self.write("site/helper.py", "gain = 1.0")
        self.write("site/table.txt", "1")

    def write(self, name: str, text: str) -> Path:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def forget(self) -> None:
        """Forget what was imported, as a new process would."""
        for name in ("stale_plugin", "helper", "stale_ear"):
            sys.modules.pop(name, None)
        restrict(None)

    def run(self, **parameters: str) -> Any:
        self.forget()
        said = {kind: parameters.get(kind, "") for kind in ("encoder", "scorer", "normalizer")}
        portfolio = self.write(
            "p.toml", PORTFOLIO.format(**{kind: f", {one}" * bool(one) for kind, one in said.items()})
        )
        return asdcore.run(portfolio, self.data, self.home / "run", task="dcase2026", store=self.home / "kept")

    def freeze(self) -> Path:
        self.forget()
        return freeze(self.home / "run", self.home / "new.json").path.replace(self.home / "m.json")

    def changed(self) -> list[str]:
        self.forget()
        return [f"{one.kind}: {one.artifact}" for one in verify(self.home / "m.json").differences]


@pytest.fixture(scope="session")
def few(tmp_path_factory, make_dataset):
    return make_dataset(tmp_path_factory.mktemp("few"), ("fan",), source=8, target=4, test=2)


@pytest.fixture
def bench(tmp_path, monkeypatch, few):
    made = Bench(tmp_path / "bench", few)
    monkeypatch.syspath_prepend(made.site)
    yield made
    made.forget()


def scores(run):
    return run.systems.sort("system", "clip", "role")["score"].to_numpy()


@pytest.mark.parametrize(("name", "text"), [("helper.py", "gain = 2.0"), ("table.txt", "3")])
def test_a_helper_or_a_data_file_beside_a_plugin_is_pinned_and_makes_stale(bench, name, text):
    before = scores(bench.run())
    bench.freeze()
    assert bench.changed() == []
    bench.write(f"site/{name}", text)
    assert bench.changed() == [f"changed: plugin/stale/{name}"]
    with pytest.raises(ManifestError, match=r"'mine' of plugin stale has changed since"):
        bench.freeze()
    assert not np.array_equal(scores(bench.run()), before)
    bench.freeze()
    assert bench.changed() == []


def test_within_one_process_too_a_changed_folder_is_read_again(bench):
    said = folder_parameter(bench, **{"a.txt": "1"})
    before = scores(bench.run(encoder=said))
    bench.write("weights/a.txt", "40")
    again = asdcore.run(
        bench.home / "p.toml", bench.data, bench.home / "run", task="dcase2026", store=bench.home / "kept"
    )
    assert not np.array_equal(scores(again), before)


def test_what_is_edited_within_one_process_is_not_pinned(bench):
    bench.run()
    bench.write("site/helper.py", "gain = 2.0")
    with pytest.raises(ManifestError, match="the source of plugin stale has changed since"):
        freeze(bench.home / "run", bench.home / "m.json")


def test_a_helper_that_is_gone_or_newly_shadowed_is_told(bench):
    bench.run()
    bench.freeze()
    (bench.site / "helper").mkdir()
    bench.write("site/helper/__init__.py", "gain = 1.0")
    assert "extra: plugin/stale/helper/__init__.py" in bench.changed()
    shutil.rmtree(bench.site / "helper")
    (bench.site / "helper.py").unlink()
    assert bench.changed() == ["missing: plugin/stale/helper.py"]


FOLDER = {"a.txt": "1", "deep/b.txt": "2", ".hidden": "3"}


def folder_parameter(bench, **files):
    for name, text in (files or FOLDER).items():
        bench.write(f"weights/{name}", text)
    return f'folder = "{bench.home / "weights"}"'


@pytest.mark.parametrize("name", [*FOLDER, "new.txt"])
def test_a_folder_that_a_parameter_names_counts_by_all_it_holds(bench, name):
    said = folder_parameter(bench)
    features = [bench.run(encoder=said).about["features"]]
    features.append(bench.run(encoder=said).about["features"])
    bench.write(f"weights/{name}", "40")
    features.append(bench.run(encoder=said).about["features"])
    assert features[0] == features[1] != features[2]


@pytest.mark.parametrize("name", ["a.txt", "deep/b.txt", "new.txt"])
def test_a_folder_that_a_parameter_names_is_pinned_file_by_file(bench, name):
    said = folder_parameter(bench, **{"a.txt": "1", "deep/b.txt": "2"})
    bench.run(encoder=said)
    with pytest.raises(AsdcoreError, match="no entry of the registry records"):
        bench.freeze()
    add(bench.home / "weights", open_registry(), source="https://example.org", licence="MIT", plugin="mine")
    bench.freeze()
    assert bench.changed() == []
    bench.write(f"weights/{name}", "40")
    kind = "extra" if name == "new.txt" else "changed"
    assert bench.changed() == [f"{kind}: resource/weights/{name}"]


@pytest.mark.parametrize("kind", ["scorer", "normalizer"])
def test_a_file_that_a_scorer_or_a_normalizer_reads_counts(bench, kind):
    path = bench.write("w.txt", "2")
    before = scores(bench.run(**{kind: f'weights = "{path}"'}))
    path.write_text("3")
    add(path, open_registry(), source="https://example.org", licence="MIT", plugin="mine")
    with pytest.raises(ManifestError, match=f"branches.a.{kind} would be built differently now"):
        bench.freeze()
    assert np.allclose(scores(bench.run(**{kind: f'weights = "{path}"'})), 1.5 * before)
    bench.freeze()
    path.write_text("4")
    assert bench.changed() == ["changed: resource/w/w.txt"]


def test_a_module_that_a_parameter_names_is_pinned_and_makes_stale(bench):
    bench.write("site/stale_ear.py", "import stale_inner")
    bench.write("site/stale_inner.py", "a = 1")
    said = 'module = "stale_ear"'
    before = bench.run(encoder=said).about["features"]
    bench.freeze()
    assert bench.changed() == []
    for name in ("stale_ear", "stale_inner"):
        text = (bench.site / f"{name}.py").read_text()
        bench.write(f"site/{name}.py", f"{text} # edited")
        assert bench.changed() == [f"changed: plugin/stale/{name}.py"]
        with pytest.raises(ManifestError, match="would be built differently now"):
            bench.freeze()
        bench.write(f"site/{name}.py", text)
    bench.write("site/stale_inner.py", "a = 2")
    assert bench.run(encoder=said).about["features"] != before


def test_a_module_that_changed_after_it_was_imported_is_refused(bench):
    bench.write("site/stale_ear.py", "a = 1")
    bench.run(encoder='module = "stale_ear"')
    __import__("stale_ear")
    bench.write("site/stale_ear.py", "a = 2")
    with pytest.raises(PluginError, match="'stale_ear' was changed after this process imported it.*new process"):
        asdcore.run(bench.home / "p.toml", bench.data, bench.home / "run", task="dcase2026", store=bench.home / "kept")


@pytest.mark.parametrize("where", ["", "fan", "fan/test", "..", "fan/..", "link", "holder"])
def test_a_parameter_that_leads_to_the_recordings_is_refused(bench, where, monkeypatch):
    path = bench.data / where
    if where in ("link", "holder"):
        path = bench.home / where
        (bench.home / "holder").mkdir()
        (bench.home / "holder" / "inner").symlink_to(bench.data / "fan")
        (bench.home / "link").symlink_to(bench.data)
    with pytest.raises(PortfolioError, match="must not know where the recordings lie") as caught:
        bench.run(encoder=f'folder = "{path}"')
    assert "branches.a.encoder: folder = " in str(caught.value)
    monkeypatch.chdir(bench.data.parent)
    with pytest.raises(PortfolioError, match="must not know where the recordings lie"):
        bench.run(encoder=f'folder = "{bench.data.name}"')
    assert not (bench.home / "run").exists()


@pytest.mark.parametrize("kind", ["scorer", "normalizer"])
def test_a_file_among_the_recordings_is_refused_for_every_kind(bench, kind):
    path = bench.data / "fan" / "labels.txt"
    path.write_text("1")
    try:
        with pytest.raises(PortfolioError, match=f"branches.a.{kind}: weights = .*is a file among the recordings"):
            bench.run(**{kind: f'weights = "{path}"'})
    finally:
        path.unlink()


def test_another_version_of_what_a_plugin_imports_makes_stale(bench):
    def install(version):
        for old in bench.site.glob("stale_library-*"):
            shutil.rmtree(old)
        info = f"site/stale_library-{version}.dist-info"
        bench.write(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: stale-library\nVersion: {version}\n")
        bench.write(f"{info}/RECORD", "stale_library.py,,\n")

    bench.write("site/stale_library.py", "")
    bench.write("site/helper.py", "import stale_library\n\ngain = 1.0")
    install("1.0")
    before = bench.run().about["features"]
    bench.freeze()
    assert bench.changed() == []
    install("1.1")
    assert bench.changed() == ["wrong version: environment"]
    with pytest.raises(ManifestError, match="branches.a.scorer would be built differently now"):
        bench.freeze()
    assert bench.run().about["features"] != before
