"""The one pass: the scores that a run would give, whatever lies beside a clip; or one message, and nothing written."""

from __future__ import annotations

import hashlib
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

import asdcore
from asdcore.cli import main
from asdcore.compute import recipes
from asdcore.compute.encoding import encoding
from asdcore.errors import DataError, DatasetError, ManifestError, StoreError
from asdcore.frozen.freeze import freeze
from asdcore.frozen.infer import SCORE_FILES, WORK, infer
from asdcore.frozen.manifest.statement import read_manifest
from asdcore.progress import Silent
from asdcore.runs.folder import RUN_FILE, TABLES, Run, load_run
from asdcore.runs.writing import write_run
from asdcore.stages.embedding import embed
from asdcore.store.cache import FeatureSet
from asdcore.store.fitted_state import read_state, write_state
from asdcore.submission.layout import clip_name
from asdcore.submission.package import package

MACHINES = ("fan", "3DPrinter")

PORTFOLIO = """
name = "fused"
seed = 1

[branches.near_knn]
view = "near"
encoder = { name = "logmel", n_mels = 16, pooling = "mean" }
scorer = { name = "knn", k = 1, metric = "cosine" }

[branches.far_gauss]
view = "far"
encoder = { name = "logmel", n_mels = 16, pooling = "mean_std" }
scorer = { name = "mahalanobis" }
normalizer = { name = "ecdf", output = "normal" }

[branches.apart]
encoder = { name = "logmel", n_mels = 16 }
residual = { view = "far", alpha = 0.3 }
scorer = { name = "gmm", components = 1 }

[systems.plain]
weights = { near_knn = 0.5, far_gauss = 0.5 }

[systems.guarded]
weights = { near_knn = 0.5, far_gauss = 0.5 }
transform = "log1p"
guards = [{ name = "tail", support = "far_gauss", quantile = 0.8, strength = 0.5 }]

[systems.apart]
weights = { near_knn = 0.5, apart = 0.5 }

[systems.mirror]
out_of_fold_mirror_of = "apart"
"""

SYSTEMS = ("apart", "guarded", "mirror", "plain")


@dataclass
class World:
    """A frozen run of few test clips; many more to infer on; and an ordinary run of everything, frozen by nobody."""

    root: Path
    every: Path
    evaluation: Path
    whole: Run

    @property
    def manifest(self) -> Path:
        return self.root / "manifest.json"

    def infer(self, data: Path, out: Path, **options) -> Run:
        return infer(self.manifest, data, out, **options)

    def copy(self, to: Path) -> World:
        """All that was frozen, as it was, at another place: the manifest's paths are relative to it."""
        shutil.copytree(self.root, to)
        return World(to, self.every, self.evaluation, self.whole)


@pytest.fixture(scope="module")
def world(tmp_path_factory, make_dataset) -> Iterator[World]:
    """Freeze a run on the train clips and a few test clips; the other test clips get anonymous names.

    Whatever the tests do, none of it is ever written to.
    """
    home = tmp_path_factory.mktemp("frozen")
    root, every = home / "root", make_dataset(home / "every", MACHINES, source=8, target=4, test=3)
    portfolio = home / "fused.toml"
    portfolio.write_text(PORTFOLIO)
    for machine in MACHINES:
        shutil.copytree(every / machine / "train", root / "data" / machine / "train")
        (root / "data" / machine / "test").mkdir()
        (home / "evaluation" / machine / "test").mkdir(parents=True)
        for i, clip in enumerate(sorted((every / machine / "test").iterdir(), key=lambda one: one.read_bytes()[-99:])):
            known = root / "data" / machine / "test" / clip.name
            shutil.copy(clip, known if i < 2 else home / "evaluation" / machine / "test" / f"section_00_{i:04d}.wav")
    run = asdcore.run(portfolio, root / "data", root / "run", store=root / "store")
    freeze(run, root / "manifest.json")
    whole = asdcore.run(portfolio, every, home / "whole", store=home / "another store")
    before = files(home)
    yield World(root, every, home / "evaluation", whole)
    assert files(home) == before


@pytest.fixture(scope="module")
def inferred(world, tmp_path_factory) -> Run:
    """The inference on all evaluation clips, undisturbed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASDCORE_STORE", str(tmp_path_factory.mktemp("user store")))
        return world.infer(world.evaluation, tmp_path_factory.mktemp("inferred") / "out")


def said_of_each(run: Run) -> dict[str, list[str]]:
    """Return {audio digest: all that tables and score files say of a test clip}, as text that shows every bit."""
    test = run.clips.filter(split="test")
    digests = dict(test.select("clip", "sha256").rows())
    said = defaultdict(list)
    for name in ("scores", "calibrated", "systems", "decisions"):
        frame = getattr(run, name)
        for row in frame.filter(role="test").iter_rows(named=True) if "role" in frame.columns else frame.to_dicts():
            said[digests[row.pop("clip")]].append(f"{name} {row!r}")
    named = {
        (f"{machine}_section_{section}", clip_name(clip, machine)): digests[clip]
        for clip, machine, section in test.select("clip", "machine", "section").rows()
    }
    for file in (run.folder / SCORE_FILES).rglob("*.csv"):
        first, second, cell = file.stem.removesuffix("_test").split("_", 2)
        for line in file.read_text().splitlines():
            clip, value = line.rsplit(",", 1)
            said[named[cell, clip]].append(f"{file.parent.name} {first}_{second} {value}")
    return {digest: sorted(lines) for digest, lines in said.items()}


def files(folder: Path) -> dict[Path, tuple[str, int]]:
    """Return the digest of every file below a folder, and when it was last written."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) for path in found}


def contents(out: Path) -> dict[str, bytes]:
    """Return every file of an inference; of ``run.json``, which has timings, what does not hang on them."""
    found = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    return found | {RUN_FILE: repr(sorted(load_run(out).meaning.items())).encode()}


def nothing_left(folder: Path, *known: str) -> bool:
    """Whether a folder holds nothing but what a test put there."""
    return {path.name for path in folder.iterdir()} <= {*known, "store"}


def command(monkeypatch, capsys, *arguments) -> tuple[int, str, str]:
    """Run the command line in this process; returns the exit code, stdout and stderr."""
    monkeypatch.setattr(sys, "argv", ["asdcore", *map(str, arguments)])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as stopped:
        main()
    done = capsys.readouterr()
    assert "Traceback" not in done.err
    return stopped.value.code, done.out, done.err


def distribution(site: Path, name: str, source: str, **entry_points: str) -> None:
    """Lay out an installed distribution of one module."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{plugin} = {module}" for plugin, module in entry_points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[asdcore]", *lines]) + "\n")
    (site / f"{name}.py").write_text(source)


def with_site(site: Path, **more: str) -> dict[str, str]:
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, **more}


# What a clip gets


def test_a_clip_gets_what_a_run_would_give_it_to_the_last_bit(world, inferred):
    whole, got = said_of_each(world.whole), said_of_each(inferred)
    assert len(got) == 20
    for digest, lines in got.items():
        assert [line for line in lines if line.split()[0] in TABLES] == whole[digest]
    frozen = set(load_run(world.root / "run").clips.filter(split="test")["sha256"])
    assert not frozen & got.keys()


def test_score_files_hold_the_scores_of_the_table(inferred):
    scores = inferred.systems.filter(role="test").rows_by_key(["system", "clip"], named=True)
    for system in ("plain", "guarded"):
        for machine in MACHINES:
            folder = inferred.folder / SCORE_FILES / system
            assert {path.name for path in folder.iterdir()} >= {f"decision_result_{machine}_section_00_test.csv"}
            lines = (folder / f"anomaly_score_{machine}_section_00_test.csv").read_text().splitlines()
            names = [line.split(",")[0] for line in lines]
            assert names == sorted(names) == [f"section_00_{i:04d}.wav" for i in range(2, 12)]
            for name, line in zip(names, lines, strict=True):
                (row,) = scores[system, f"{machine}/test/{name}"]
                assert line == f"{name},{row['score']!r}"


def half(source: Path, root: Path) -> None:
    for clip in sorted(source.glob("*/test/*"))[::2]:
        copy(clip, root / clip.relative_to(source))


def one(source: Path, root: Path) -> None:
    copy(source / "fan" / "test" / "section_00_0005.wav", root / "fan" / "test" / "section_00_0005.wav")


def renamed(source: Path, root: Path) -> None:
    for machine in MACHINES:
        clips = sorted((source / machine / "test").iterdir(), key=lambda path: path.read_bytes()[-50:])
        for i, clip in enumerate(clips):
            copy(clip, root / machine / "test" / f"section_00_{900 - i:04d}.wav")


def reversed_order(source: Path, root: Path) -> None:
    for clip in sorted(source.glob("*/test/*"), reverse=True):
        copy(clip, root / clip.relative_to(source))


def loose(source: Path, root: Path) -> None:
    for clip in source.glob("*/test/*"):
        copy(clip, root / "_".join(clip.relative_to(source).parts))


def copy(clip: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(clip, to)


@pytest.mark.parametrize(
    ("arrange", "count"),
    [(half, 10), (one, 1), (renamed, 20), (reversed_order, 20), (loose, 20)],
    ids=["half of them", "one alone", "renamed", "in another order", "loose"],
)
def test_what_lies_beside_a_clip_and_how_it_is_called_change_no_byte(world, inferred, tmp_path, arrange, count):
    arrange(world.evaluation, tmp_path / "data")
    got, before = said_of_each(world.infer(tmp_path / "data", tmp_path / "out")), said_of_each(inferred)
    assert len(got) == count
    assert got == {digest: before[digest] for digest in got}


@pytest.mark.parametrize("chunk", [1, 7])
def test_how_many_clips_are_read_in_one_go_changes_no_byte(world, inferred, tmp_path, chunk, monkeypatch):
    monkeypatch.setattr("asdcore.stages.embedding.embed_jobs.CHUNK", chunk)
    assert contents(world.infer(world.evaluation, tmp_path / "out").folder) == contents(inferred.folder)


def test_one_sound_under_two_names_gets_one_score(world, tmp_path):
    for machine, name in (("fan", "0001"), ("fan", "0002"), ("3DPrinter", "0001")):
        copy(world.evaluation / "fan/test/section_00_0004.wav", tmp_path / f"data/{machine}/test/section_00_{name}.wav")
    normal = next((world.root / "data" / "fan" / "train").iterdir())
    copy(normal, tmp_path / "data" / "fan" / "test" / "section_00_0003.wav")
    scores = world.infer(tmp_path / "data", tmp_path / "out").systems.filter(role="test", system="plain")
    found = dict(scores.select("clip", "score").rows())
    assert found["fan/test/section_00_0001.wav"] == found["fan/test/section_00_0002.wav"]
    assert found["fan/test/section_00_0001.wav"] != found["3DPrinter/test/section_00_0001.wav"]
    assert min(found, key=found.__getitem__) == "fan/test/section_00_0003.wav"


@pytest.mark.parametrize("large", [1, 1 << 23])
def test_a_silent_channel_is_noted_whether_a_clip_is_read_in_blocks_or_at_once(world, tmp_path, monkeypatch, large):
    monkeypatch.setattr("asdcore.data.recordings.audio.LARGE", large)
    shutil.copytree(world.evaluation, tmp_path / "data")
    clip = tmp_path / "data" / "fan" / "test" / "section_00_0004.wav"
    samples, rate = soundfile.read(clip)
    samples[:, 1] = 0.0
    soundfile.write(clip, samples, rate)
    notes = world.infer(tmp_path / "data", tmp_path / "out").about["notes"]
    (note,) = [note for note in notes if "one value throughout" in note]
    assert note.startswith("fan: 1 test clip has one value throughout in channel 2 (such as fan/test/section_00_0004")


def test_train_clips_that_were_frozen_may_lie_beside_and_count_once(world, inferred, tmp_path):
    shutil.copytree(world.evaluation, tmp_path / "data")
    train = shutil.copytree(world.root / "data" / "fan" / "train", tmp_path / "data" / "fan" / "train")
    next(train.iterdir()).rename(train / "section_00_source_train_normal_0099_by_another_name.wav")
    assert said_of_each(world.infer(tmp_path / "data", tmp_path / "out")) == said_of_each(inferred)


def test_an_inference_is_a_run_that_says_what_it_rests_on(world, inferred):
    about = load_run(inferred.folder).about
    assert about["manifest"]["sha256"] == hashlib.sha256(world.manifest.read_bytes()).hexdigest()
    assert about["manifest"]["name"] == "fused"
    assert Path(about["store"]) == (world.root / "store").resolve()
    assert Path(about["data"]) == world.evaluation.resolve()
    assert {"read", "score", "fuse"} <= about["seconds"].keys()
    assert nothing_left(
        inferred.folder, RUN_FILE, "portfolio.json", SCORE_FILES, *(f"{name}.parquet" for name in TABLES)
    )
    with pytest.raises(ManifestError, match="is an inference, which has a manifest already"):
        freeze(inferred, world.root / "second.json")


# What is read, loaded and fitted

AUDIT = """
import os, sys

log = os.open(os.environ["AUDIT_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def heard(event, arguments):
    if event == "open" and str(arguments[0]).startswith(tuple(os.environ["AUDIT_ROOTS"].split(os.pathsep))):
        os.write(log, f"{os.getpid()} {arguments[0]}\\n".encode())

sys.addaudithook(heard)
"""


AUDITED = """
import sys
from asdcore.cli import main
from asdcore.stages.embedding import embed_jobs

embed_jobs.CHUNK = 4
sys.argv[0] = "asdcore"
main()
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_each_clip_is_opened_once_and_only_pinned_plugins_are_touched(world, inferred, tmp_path, workers):
    """Every process of the inference tells of each file it opens, through Python's audit hooks."""
    import asdcore_plugins

    site, log = tmp_path / "site", tmp_path / "log"
    distribution(site, "loud", "raise SystemExit('imported')\n", loud="loud")
    (site / "sitecustomize.py").write_text(AUDIT)
    data, plugins = tmp_path / "data", Path(asdcore_plugins.__file__).parent
    shutil.copytree(world.evaluation, data)
    for other in ("attributes_00.csv", "fan/attributes_00.csv", "fan/test/.hidden.wav", "fan/supplemental/noise.wav"):
        copy(world.evaluation / "fan" / "test" / "section_00_0004.wav", data / other)
    roots = os.pathsep.join(map(str, (data, plugins, site / "loud.py")))
    arguments = ["infer", world.manifest, "--data", data, "--out", tmp_path / "out", "--workers", str(workers)]
    done = subprocess.run(
        [sys.executable, "-c", AUDITED, *arguments],
        env=with_site(site, AUDIT_LOG=str(log), AUDIT_ROOTS=roots),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert f"20 clips scored by {', '.join(SYSTEMS)}" in done.stdout
    opened = [line.split(" ", 1) for line in log.read_text().splitlines()]
    below = Counter(Path(path).relative_to(data).as_posix() for _, path in opened if path.startswith(str(data)))
    assert below == Counter(clip.relative_to(data).as_posix() for clip in data.glob("*/test/section*"))
    readers = {process for process, path in opened if path.startswith(str(data))}
    first, _ = opened[0]  # who verifies
    assert (first in readers) == (workers == 1)
    touched = {module_of(Path(path), plugins.parent) for _, path in opened if path.startswith(str(plugins))}
    manifest = read_manifest(world.manifest)
    sources = {Path(one.name.split("/", 2)[2]) for one in manifest.of_kind("plugin")}
    assert {row["plugin"] for row in manifest.predicate["plugins"]} <= touched
    assert {one for one in touched if not one.endswith("__init__")} <= {module_of(one, Path()) for one in sources}
    assert not [path for _, path in opened if path.startswith(str(site))]
    after, before = contents(tmp_path / "out"), contents(inferred.folder)
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] != before[name]] == [RUN_FILE]
    new, old = load_run(tmp_path / "out").meaning, load_run(inferred.folder).meaning
    (note,) = [note for note in new["notes"] if note not in old["notes"]]
    assert note.startswith("1 recording set aside (fan/supplemental/noise.wav)")
    assert {**new, "notes": None} == {**old, "notes": None}


def module_of(path: Path, top: Path) -> str:
    """Return the module whose source or byte code lies at a path below the folder of its package."""
    parts = [part for part in path.relative_to(top).parts if part != "__pycache__"]
    return ".".join([*parts[:-1], parts[-1].split(".")[0]])


SPYING = '''
"""Components of every fitted kind that write down each call."""
import os, pickle, uuid
import numpy as np
from asdcore import Tokens, hookimpl

def note(what, *values):
    with open(os.path.join(os.environ["SPY"], uuid.uuid4().hex), "wb") as file:
        pickle.dump((what, values), file)

class Encoder:
    sample_rate, layers = 16000, (0,)
    def encode(self, audio, layers):
        return {0: Tokens(np.abs(audio[:, :4000]).reshape(1, 10, 20, 20))}

class Scorer:
    def fit(self, features, domain):
        note("scorer.fit", features, domain)
        self.mean = features.mean(0, dtype=float)
        return self
    def score(self, features):
        note("scorer.score", features)
        return {"pooled": np.abs(features - self.mean).sum(1)}

class Remembering(Scorer):
    def state(self):
        return {"mean": self.mean}
    def restore(self, state):
        self.mean = state["mean"]
        return self

class Normalizer:
    def fit(self, scores, domain):
        note("normalizer.fit", scores["pooled"], domain)
        self.centre = np.median(scores["pooled"])
        return self
    def transform(self, scores):
        return scores["pooled"] - self.centre

class Guard:
    def fit(self, base, z, domain):
        note("guard.fit", base, z["b"], domain)
        return self
    def penalty(self, base, z):
        return np.zeros(len(base))

@hookimpl
def register_encoders(register):
    register("spying", Encoder)

@hookimpl
def register_scorers(register):
    register("spying", Scorer)
    register("remembering", Remembering)

@hookimpl
def register_normalizers(register):
    register("spying", Normalizer)

@hookimpl
def register_guards(register):
    register("spying", Guard)
'''

SPIED = """
name = "spied"
folds = 3

[branches.b]
view = "near"
encoder = "spying"
scorer = "SCORER"
normalizer = "spying"

[systems.S]
weights = { b = 1.0 }
guards = [{ name = "spying", strength = 1.0 }]
"""

SPIED_ON = """
import os, sys
from pathlib import Path
import asdcore
from asdcore.frozen.infer import infer
from asdcore.frozen.freeze import freeze

home, data, evaluation = map(Path, sys.argv[1:])
for step in ("run", "infer"):
    (home / step).mkdir()
os.environ["SPY"] = str(home / "run")
freeze(asdcore.run(home / "spied.toml", data, home / "r", store=home / "s"), home / "m.json")
os.environ["SPY"] = str(home / "infer")
infer(home / "m.json", evaluation, home / "out")
"""


@pytest.mark.parametrize(("scorer", "fits_again"), [("spying", 2), ("remembering", 0)])
def test_nothing_is_fitted_on_a_test_clip(world, tmp_path, scorer, fits_again):
    distribution(tmp_path / "site", "spying", SPYING, spying="spying")
    (tmp_path / "spied.toml").write_text(SPIED.replace("SCORER", scorer))
    arguments = [sys.executable, "-c", SPIED_ON, tmp_path, world.root / "data", world.evaluation]
    subprocess.run(arguments, env=with_site(tmp_path / "site"), check=True)
    before, now = (noted(tmp_path / step) for step in ("run", "infer"))
    for what in ("normalizer.fit", "guard.fit"):
        assert sorted(map(pickle.dumps, now[what])) == sorted(map(pickle.dumps, before[what]))
        # Once for each of two machines, and once more to look again.
        assert len(now[what]) == 4
    # In the run on all train normals and on each of three folds, of two machines. Without a state once more.
    assert [len(before["scorer.fit"]), len(now["scorer.fit"])] == [8, fits_again]
    assert set(map(pickle.dumps, now["scorer.fit"])) <= set(map(pickle.dumps, before["scorer.fit"]))
    fitted = {row.tobytes() for features, _ in before["scorer.fit"] for row in features}
    scored = {row.tobytes() for (features,) in now["scorer.score"] for row in features}
    assert len(fitted) == 24
    assert len(scored - fitted) == 20
    assert len(scored & fitted) == 2  # the probe of each machine


def noted(folder: Path) -> dict[str, list[tuple]]:
    calls = defaultdict(list)
    for path in folder.iterdir():
        what, values = pickle.loads(path.read_bytes())
        calls[what].append(values)
    return calls


# What is refused


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("data/fan/train/*.wav", "recordings: 1"),
        ("store/features/*/*.parquet", "features: 1"),
        ("store/fitted/*.safetensors", "fitted scorers: 1"),
        ("run/scores.parquet", "tables: 1"),
        ("run/portfolio.json", "portfolio: 1"),
        ("run/run.json", "record of the run: 1"),
        ("manifest.json", "was changed after it was sealed|damaged"),
    ],
)
def test_any_difference_is_refused_with_nothing_written(world, tmp_path, monkeypatch, capsys, pattern, said):
    there = world.copy(tmp_path / "there")
    flip(sorted(there.root.glob(pattern))[0])
    code, out, err = command(
        monkeypatch, capsys, "infer", there.manifest, "--data", world.evaluation, "--out", tmp_path / "out"
    )
    assert (code, out) == (1, "")
    assert "Error: " in err
    assert any(one in err for one in said.split("|"))
    assert nothing_left(tmp_path, "there")


def test_what_is_missing_or_new_is_refused_too_and_all_of_it_is_said(world, tmp_path):
    there = world.copy(tmp_path / "there")
    train = there.root / "data" / "fan" / "train"
    clips = sorted(train.iterdir())
    copy(clips[0], train / "section_00_source_train_normal_0099_spd_0.wav")
    clips[1].unlink()
    with pytest.raises(ManifestError) as refused:
        there.infer(world.evaluation, tmp_path / "out")
    for found in ("recordings: 2", f"extra: data/fan/train/{'section_00_source_train_normal_0099_spd_0.wav'}"):
        assert found in str(refused.value)
    assert f"missing: data/fan/train/{clips[1].name}" in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_the_frozen_test_recordings_are_no_part_of_an_inference(world, inferred, tmp_path):
    there = world.copy(tmp_path / "there")
    test = there.root / "data" / "fan" / "test"
    gone, changed = sorted(test.iterdir())
    gone.unlink()
    changed.write_bytes(b"")
    shutil.copy(world.every / "fan" / "test" / changed.name, test / "section_00_source_test_normal_0099_spd_0.wav")
    got = there.infer(world.evaluation, tmp_path / "out")
    assert said_of_each(got) == said_of_each(inferred)


def test_a_half_written_recording_may_be_left_out(world, inferred, tmp_path, monkeypatch, capsys):
    data = tmp_path / "data"
    shutil.copytree(world.evaluation, data)
    bad = sorted((data / "fan" / "test").iterdir())[0]
    bad.write_bytes(bad.read_bytes()[:1000])
    arguments = ("infer", world.manifest, "--data", data, "--out", tmp_path / "out")
    code, _, err = command(monkeypatch, capsys, *arguments)
    assert code == 2
    assert f"fan/test/{bad.name}" in err
    assert err.rstrip().endswith("To leave out unreadable clips, add --skip-unreadable to the command.")
    code, _, err = command(monkeypatch, capsys, *arguments, "--skip-unreadable")
    assert code == 1
    assert f"Left out as unreadable: fan/test/{bad.name}" in err
    got = load_run(tmp_path / "out")
    assert got.about["skipped"] == [f"fan/test/{bad.name}"]
    told = f"left out as unreadable: fan/test/{bad.name}: cut short, "
    assert any(note.startswith(told) for note in got.about["notes"])
    before = said_of_each(inferred)
    assert said_of_each(got).items() < before.items()
    assert len(before) - len(said_of_each(got)) == 1


def test_a_readable_clip_of_another_kind_is_not_offered_to_be_left_out(world, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(world.evaluation, data)
    other, broken = sorted((data / "fan" / "test").glob("*.wav"))[:2]
    sound, rate = soundfile.read(other)
    soundfile.write(other, sound, 2 * rate)
    with pytest.raises(DataError, match=f"{other.name}: {2 * rate} Hz") as refused:
        world.infer(data, tmp_path / "out")
    assert "--skip-unreadable" not in str(refused.value)
    broken.write_bytes(b"")
    with pytest.raises(DataError, match="not only unreadable clips are wrong") as refused:
        world.infer(data, tmp_path / "out", skip_unreadable=True)
    assert other.name in str(refused.value)
    assert broken.name not in str(refused.value)


def test_where_nothing_can_be_read_nothing_is_left_out(world, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(world.evaluation, data)
    for clip in data.rglob("*.wav"):
        clip.write_bytes(b"RIFF")
    with pytest.raises(DataError, match="None of the 20 test clips below .* can be read"):
        world.infer(data, tmp_path / "out", skip_unreadable=True)


def test_a_finished_inference_is_not_written_over(world, inferred, monkeypatch, capsys):
    before = files(inferred.folder)
    arguments = ("infer", world.manifest, "--data", world.evaluation, "--out", inferred.folder)
    code, out, err = command(monkeypatch, capsys, *arguments)
    assert (code, out) == (2, "")
    assert "holds a finished run or inference, so it is not written over. Choose another --out." in err
    assert files(inferred.folder) == before


def test_two_inferences_at_once_do_not_write_over_one_another(world, inferred, tmp_path, monkeypatch):
    out = tmp_path / "out"

    def meanwhile(job, original=embed.embed_new):
        if not out.joinpath(RUN_FILE).exists():
            shutil.copytree(inferred.folder, out, dirs_exist_ok=True)
        return original(job)

    monkeypatch.setattr(embed, "embed_new", meanwhile)
    with pytest.raises(StoreError, match="not written over"):
        world.infer(world.evaluation, out)
    assert load_run(out).about == inferred.about


def test_a_folder_of_other_files_and_the_frozen_folders_are_not_written_to(world, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("")
    with pytest.raises(StoreError, match="holds files that no run wrote"):
        world.infer(world.evaluation, tmp_path / "out")
    for name in ("run", "store"):
        with pytest.raises(StoreError, match=f"lies in the frozen {name} folder.* Choose another --out"):
            world.infer(world.evaluation, world.root / name / "deep" / "out")
        assert not (world.root / name / "deep").exists()


def test_a_train_clip_that_was_not_frozen_is_refused(world, tmp_path):
    shutil.copytree(world.evaluation, tmp_path / "data")
    train = tmp_path / "data" / "fan" / "train"
    shutil.copytree(world.root / "data" / "fan" / "train", train)
    # A test clip that was frozen is no train clip that was frozen.
    stranger = next((world.root / "data" / "fan" / "test").iterdir())
    copy(stranger, train / "section_00_source_train_normal_0099_spd_0.wav")
    with pytest.raises(DataError, match=r"1 train clips .*: fan/train/section_00_source_train_normal_0099.*take them"):
        world.infer(tmp_path / "data", tmp_path / "out")
    assert nothing_left(tmp_path, "data")


def encoded(clip: Path, to: Path) -> None:
    """Write a clip once more, as FLAC."""
    samples, rate = soundfile.read(clip, dtype="int16")
    soundfile.write(to, samples, rate)


def test_a_train_clip_that_was_frozen_is_known_in_whatever_file_it_comes(world, inferred, tmp_path):
    shutil.copytree(world.evaluation, tmp_path / "data")
    train, other = sorted((world.root / "data" / "fan" / "train").iterdir())[:2]
    (tmp_path / "data" / "fan" / "train").mkdir()
    encoded(other, tmp_path / "data" / "fan" / "train" / f"{other.stem}.flac")  # of a frozen machine, and not new
    encoded(train, tmp_path / "data" / "fan" / "test" / "section_00_8000.flac")
    copy(train, tmp_path / "data" / "fan" / "test" / "section_00_9000.wav")
    again = world.infer(tmp_path / "data", tmp_path / "out")
    (remark,) = [note for note in again.about["notes"] if "scored against itself" in note]
    copies = "; ".join(f"fan/test/section_00_{name} is fan/train/{train.name}" for name in ("8000.flac", "9000.wav"))
    assert remark.startswith(f"fan: 2 test clips have the very sound of a train clip ({copies})")
    assert not [note for note in inferred.about["notes"] if "scored against itself" in note]


def new_machine(world: World, root: Path, *, train: bool) -> Path:
    """Lay out the evaluation clips with a machine beside them that was not frozen: the fan's sound by another name."""
    shutil.copytree(world.evaluation, root)
    if train:
        shutil.copytree(world.every / "fan" / "train", root / "valve" / "train")
    shutil.copytree(world.evaluation / "fan" / "test", root / "valve" / "test")
    return root


def test_development_recordings_are_scored_with_a_note(world, tmp_path):
    got = world.infer(world.root / "data", tmp_path / "out")
    (note,) = [note for note in got.about["notes"] if "development" in note]
    assert note.startswith("these look like development data: ")
    assert note.endswith("Evaluation data belong here.")


class Heard(Silent):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def test_a_machine_that_is_new_learns_from_its_own_train_clips(world, inferred, tmp_path):
    heard = Heard()
    data = new_machine(world, tmp_path / "data", train=True)
    got = world.infer(data, tmp_path / "out", progress=heard)
    (note,) = [note for note in heard.notes if "not frozen" in note]
    assert note == "valve section 00 was not frozen: its scorers are fitted on train clips that no manifest pins."
    assert note in got.about["notes"]
    assert str(tmp_path) not in repr(got.meaning)
    frozen, new = (got.systems.join(got.clips.filter(machine=one), on="clip", how="semi") for one in ("fan", "valve"))
    assert len(frozen) == len(new) == len(SYSTEMS) * (12 + 10)
    key = ["system", "role", "base", "penalty", "score"]
    assert new.select(key).sort(key).equals(frozen.select(key).sort(key))
    before = said_of_each(inferred)
    others = got.clips.filter(machine="3DPrinter", split="test")["sha256"]
    now = said_of_each(got)
    assert all(now[digest] == before[digest] for digest in others)


def test_a_machine_or_section_that_is_new_without_train_clips_is_refused_before_anything_is_read(
    world, tmp_path, monkeypatch
):
    data = new_machine(world, tmp_path / "data", train=False)
    copy(data / "fan" / "test" / "section_00_0004.wav", data / "fan" / "test" / "section_03_0004.wav")
    monkeypatch.setattr(embed, "embed_new", lambda job: pytest.fail("read"))
    with pytest.raises(DataError, match=r"fan section 03, valve section 00: not frozen, and without train clips"):
        world.infer(data, tmp_path / "out")
    assert nothing_left(tmp_path, "data")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda sound: (sound[:, :1], 16000), r"view 'far': the far channel is asked for.*has 1"),
        (lambda sound: (np.tile(sound, 2), 16000), "4 channels, the other clips of fan have 2"),
        (lambda sound: (sound, 8000), "8000 Hz, the other clips of fan have 16000 Hz"),
    ],
    ids=["one channel", "four channels", "half the rate"],
)
def test_a_clip_of_another_form_is_named_with_nothing_written(world, tmp_path, change, said):
    shutil.copytree(world.evaluation, tmp_path / "data")
    clip = tmp_path / "data" / "fan" / "test" / "section_00_0005.wav"
    soundfile.write(clip, *change(soundfile.read(clip)[0]), subtype="PCM_16")
    with pytest.raises(DataError, match=rf"fan/test/section_00_0005.wav: {said}"):
        world.infer(tmp_path / "data", tmp_path / "out")
    assert nothing_left(tmp_path, "data")


def test_a_machine_whose_clips_all_have_another_form_is_held_against_its_train_clips(world, tmp_path):
    shutil.copytree(world.evaluation, tmp_path / "data")
    for clip in (tmp_path / "data" / "fan" / "test").iterdir():
        soundfile.write(clip, np.tile(soundfile.read(clip)[0], 2), 8000, subtype="PCM_16")
    with pytest.raises(DataError, match="These recordings cannot be scored") as refused:
        world.infer(tmp_path / "data", tmp_path / "out")
    said = "it has 4 channels at 8000 Hz; the train clips of fan section 00 have 2 channels at 16000 Hz"
    assert str(refused.value).count(said) == 10
    assert nothing_left(tmp_path, "data")


def test_damaged_clips_are_all_named_at_once_with_nothing_written(world, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("asdcore.stages.embedding.embed_jobs.CHUNK", 3)
    shutil.copytree(world.evaluation, tmp_path / "data")
    clips = sorted((tmp_path / "data").glob("*/test/*"))
    whole = clips[0].read_bytes()
    spoiled = {clips[1]: b"", clips[7]: whole[:900], clips[12]: b"RIFF" + bytes(100), clips[19]: whole[:44]}
    for clip, content in spoiled.items():
        clip.write_bytes(content)
    arguments = ("infer", world.manifest, "--data", tmp_path / "data", "--out", tmp_path / "out")
    code, out, err = command(monkeypatch, capsys, *arguments)
    assert (code, out) == (2, "")
    assert "4 problems in this dataset" in err
    for clip in spoiled:
        assert f"  - {clip.relative_to(tmp_path / 'data').as_posix()}: " in err
    assert nothing_left(tmp_path, "data")


def test_data_without_test_clips_and_no_data_are_refused(world, tmp_path):
    with pytest.raises(DataError, match=r"holds no test clips, so there is nothing to score.*asdcore data index"):
        shutil.copytree(world.root / "data" / "fan" / "train", tmp_path / "data" / "fan" / "train")
        world.infer(tmp_path / "data", tmp_path / "out")
    with pytest.raises(DatasetError, match="there is no such folder"):
        world.infer(tmp_path / "nowhere", tmp_path / "out")
    assert nothing_left(tmp_path, "data")


def test_clips_that_come_while_others_are_read_are_noticed(world, tmp_path, monkeypatch):
    shutil.copytree(world.evaluation, tmp_path / "data")
    late = tmp_path / "data" / "fan" / "test" / "section_00_0099.wav"

    def meanwhile(job, original=embed.embed_new):
        copy(world.evaluation / "fan" / "test" / "section_00_0004.wav", late)
        return original(job)

    monkeypatch.setattr(embed, "embed_new", meanwhile)
    with pytest.raises(DataError, match="Clips below .* were added or removed"):
        world.infer(tmp_path / "data", tmp_path / "out")
    assert nothing_left(tmp_path, "data")


def test_names_that_would_share_a_line_are_refused_before_anything_is_read(world, tmp_path, monkeypatch):
    shutil.copytree(world.evaluation, tmp_path / "data")
    copy(tmp_path / "data/fan/test/section_00_0004.wav", tmp_path / "data/fan/test/section_00_0004.flac")
    monkeypatch.setattr(embed, "embed_new", lambda job: pytest.fail("read"))
    with pytest.raises(DataError, match="section_00_0004"):
        world.infer(tmp_path / "data", tmp_path / "out")


# What is proven


def doctored(world: World, to: Path, change: Callable[[Path, dict, dict], None]) -> World:
    """Freeze the run once more, with something changed in it: consistent in itself, and nobody's result.

    ``change`` gets the folder of all that is frozen, the run's tables and what ``run.json`` says.
    """
    there = world.copy(to)
    run = load_run(there.root / "run")
    tables = {name: getattr(run, name) for name in TABLES}
    about = {key: value for key, value in run.about.items() if key not in ("tables", "schema", "sealed")}
    about |= {"data": str(there.root / "data"), "store": str(there.root / "store")}
    change(there.root, tables, about)
    write_run(run.folder, tables, about)
    there.manifest.unlink()
    freeze(run.folder, there.manifest)
    return there


def nudged(values: np.ndarray, at: int) -> np.ndarray:
    """Move one value by the least that a float can move."""
    values[at] = np.nextafter(values[at], np.inf, dtype=values.dtype)
    return values


@pytest.mark.parametrize(
    ("table", "column", "named"),
    [("scores", "score", "calibrated"), ("calibrated", "z", "calibrated"), ("systems", "base", "systems")],
)
def test_train_normals_that_get_other_scores_here_are_refused(world, tmp_path, table, column, named):
    def change(root, tables, about):
        is_first = pl.int_range(pl.len()) == tables[table]["role"].to_list().index("oof")
        tables[table] = tables[table].with_columns(pl.when(is_first).then(pl.col(column) * 1.001).otherwise(column))

    there = doctored(world, tmp_path / "there", change)
    with pytest.raises(ManifestError, match=rf"do not get the frozen {named} on this machine.*--recompute"):
        there.infer(world.evaluation, tmp_path / "out")
    assert nothing_left(tmp_path, "there")


def test_a_scorer_that_scores_otherwise_here_than_when_it_was_frozen_is_refused(world, tmp_path):
    def change(root, tables, about):
        path = sorted((root / "store" / "fitted").iterdir())[0]
        kept = read_state(path)
        kept.state["probe"] = {name: score * 1.001 for name, score in kept.state["probe"].items()}
        write_state(path, kept.state, kept.about)

    there = doctored(world, tmp_path / "there", change)
    with pytest.raises(
        ManifestError,
        match=r"branch '\w+', \w+ section 00: \w+/train/.*wav, a frozen train normal, has the \w+ score [\d.e-]+ on "
        r"this machine; it was [\d.e-]+ when its scorer was frozen. Nothing was written.*--recompute",
    ):
        there.infer(world.evaluation, tmp_path / "out")
    assert nothing_left(tmp_path, "there")


def test_train_normals_that_get_other_features_here_are_refused_before_evaluation_clips_are_read(world, tmp_path):
    def change(root, tables, about):
        folder = root / "store" / "features" / about["features"]["near_knn"]
        for shard in list(folder.iterdir()):
            frame = pl.read_parquet(shard)
            shard.unlink()
            values = [nudged(row.to_numpy(writable=True), 0) for row in frame["values"]]
            FeatureSet(folder).write(frame["audio_sha256"].to_list(), values)

    there = doctored(world, tmp_path / "there", change)
    (tmp_path / "data" / "fan" / "test").mkdir(parents=True)
    (tmp_path / "data" / "fan" / "test" / "section_00_0001.wav").write_bytes(b"never read")
    with pytest.raises(
        ManifestError, match=r"does not get the features that were frozen, in branch '(apart|near_knn)'"
    ):
        there.infer(tmp_path / "data", tmp_path / "out")
    assert nothing_left(tmp_path, "there", "data")


CORE2 = f"OPENBLAS_CORETYPE was Core2, is {os.environ.get('OPENBLAS_CORETYPE', 'unset')}."


def frozen_on_core2(about):
    """Let a run say that it was computed with another kernel."""
    about["processor"]["kernels"]["variables"]["OPENBLAS_CORETYPE"] = "Core2"


def test_another_kernel_does_not_refuse_and_the_proof_is_noted(world, inferred, tmp_path):
    there = doctored(world, tmp_path / "there", lambda root, tables, about: frozen_on_core2(about))
    got = there.infer(world.evaluation, tmp_path / "out")
    assert said_of_each(got) == said_of_each(inferred)
    assert got.about["notes"][-1] == (f"the frozen train normals get the frozen bytes on this machine, though {CORE2}")


def test_if_the_proof_fails_the_kernel_is_named_with_the_distance_and_the_variable(world, tmp_path):
    def change(root, tables, about):
        frozen_on_core2(about)
        is_first = pl.int_range(pl.len()) == tables["systems"]["role"].to_list().index("oof")
        tables["systems"] = tables["systems"].with_columns(
            pl.when(is_first).then(pl.col("base") + 2e-9).otherwise("base")
        )

    there = doctored(world, tmp_path / "there", change)
    with pytest.raises(ManifestError) as refused:
        there.infer(world.evaluation, tmp_path / "out")
    told = str(refused.value)
    assert "do not get the frozen systems on this machine: they differ by up to 2e-09 (" in told
    assert f"Not as when it was frozen: {CORE2}" in told
    assert f"env OPENBLAS_CORETYPE=Core2 asdcore infer {there.manifest} --data {world.evaluation} --out" in told
    assert nothing_left(tmp_path, "there")


def test_what_cannot_be_proven_is_said(world, inferred, tmp_path):
    there = doctored(world, tmp_path / "there", lambda root, tables, about: about.update(device="cuda"))
    got = there.infer(world.evaluation, tmp_path / "out")
    assert "features were computed on cuda: equality with the frozen features was not verified." in got.about["notes"]
    assert said_of_each(got) == said_of_each(inferred)


def test_another_library_that_enters_the_features_is_named(world, tmp_path, monkeypatch):
    """Not every library that a recipe names is imported by what was frozen, so verifying may let one pass."""
    now = {**recipes.library_versions(), "scikit-learn": "0.1"}
    monkeypatch.setattr(recipes, "library_versions", lambda: now)
    monkeypatch.setattr("asdcore.frozen.inference.bit_checks.library_versions", lambda: now)
    with pytest.raises(
        ManifestError, match=r"apart, far_gauss, near_knn.* as they were frozen.*scikit-learn was .*is 0\.1"
    ):
        world.infer(world.evaluation, tmp_path / "out")
    assert nothing_left(tmp_path)


# What is left alone, and what goes on


def test_what_is_frozen_and_what_is_scored_are_never_written_to(world, tmp_path):
    data = new_machine(world, tmp_path / "data", train=True)
    before = files(world.root), files(data)
    world.infer(data, tmp_path / "out")
    assert (files(world.root), files(data)) == before


MOVED = {"--frozen-data": "moved data", "--run": "moved run", "--store": "moved store"}


def test_frozen_folders_may_lie_elsewhere_now(world, inferred, tmp_path, monkeypatch, capsys):
    there = world.copy(tmp_path / "there")
    manifest = (there.root / "manifest.json").rename(tmp_path / "m.json")
    for name in ("data", "run", "store"):
        (there.root / name).rename(tmp_path / f"moved {name}")
    with pytest.raises(ManifestError, match="Say where they are with --run DIR"):
        infer(manifest, world.evaluation, tmp_path / "out")
    with pytest.raises(ManifestError, match=f"Next: asdcore infer .* --data {world.evaluation} --out .* --run DIR"):
        infer(manifest, world.evaluation, tmp_path / "out")
    moved = [f"{option}={tmp_path / name}" for option, name in MOVED.items()]
    arguments = ("infer", manifest, "--data", world.evaluation, "--out", tmp_path / "out", *moved)
    code, out, _ = command(monkeypatch, capsys, *arguments)
    assert (code, out.splitlines()[0]) == (0, f"20 clips scored by {', '.join(SYSTEMS)}: {tmp_path / 'out'}")
    assert contents(tmp_path / "out") == contents(inferred.folder)


@contextmanager
def mounted(folder: Path, *arguments: str) -> Iterator[None]:
    """Mount something at a folder, or skip the test where nobody but an administrator may."""
    folder.mkdir()
    done = subprocess.run(["mount", *arguments, str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_evaluation_data_may_be_read_only(world, inferred, tmp_path):
    with mounted(tmp_path / "data", "--bind", "-o", "ro", str(world.evaluation)):
        with pytest.raises(OSError, match="Read-only"):
            (tmp_path / "data" / "x").touch()
        got = world.infer(tmp_path / "data", tmp_path / "out")
    assert contents(got.folder) == contents(inferred.folder)


@pytest.mark.parametrize("size", ["4k", "24k", "60k"])
def test_a_full_disk_is_said_to_be_full_and_the_same_command_goes_on(world, inferred, tmp_path, size):
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", f"size={size}", "tmpfs"):
        out = tmp_path / "disk" / "out"
        with pytest.raises(StoreError, match="the disk is full. Free some space"):
            world.infer(world.evaluation, out)
        assert not (out / RUN_FILE).exists()
        subprocess.run(["mount", "-o", "remount,size=8m", str(tmp_path / "disk")], check=True)
        assert contents(world.infer(world.evaluation, out).folder) == contents(inferred.folder)


KILLED = """
import os, signal, sys
import scipy.stats, soxr, torch, transformers.audio_utils
from asdcore.frozen.infer import infer
from asdcore.stages.embedding import embed_jobs

replace, calls = os.replace, 0

def counted(*arguments, **options):
    global calls
    calls += 1
    if calls == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(*arguments, **options)

os.replace, embed_jobs.CHUNK = counted, 4
manifest, data, *outs = sys.argv[1:]
for out in outs:
    at = int(out.split()[-1])
    if not os.fork():  # nothing has begun a thread yet; so everything is imported once
        infer(manifest, data, out)
        os._exit(0)
    print(os.wait()[1])
"""


def test_a_kill_at_any_moment_leaves_nothing_half_done_and_the_next_goes_on(world, inferred, tmp_path, monkeypatch):
    """What is visible changes only where a file is renamed, so it is killed at renames: one by lot, and the last."""
    renames, replace = [], os.replace
    with monkeypatch.context() as patch:
        patch.setattr("asdcore.stages.embedding.embed_jobs.CHUNK", 4)
        patch.setattr(os, "replace", lambda *names: (renames.append(names), replace(*names))[1])
        world.infer(world.evaluation, tmp_path / "whole")
    n, moved = len(renames), [Path(target).parent == tmp_path / "whole" for _, target in renames]
    second = n - moved[::-1].index(False) + 2  # of the moves into the folder, with which it all ends
    moments = sorted({*random.Random(0).sample(range(1, second), 1), second, n})
    outs = [tmp_path / f"killed {at}" / f"at {at}" for at in moments]
    arguments = [sys.executable, "-c", KILLED, world.manifest, world.evaluation, *outs]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(int(signal.SIGKILL))] * len(moments)
    for out in outs:
        assert not (out / RUN_FILE).exists()
        assert contents(world.infer(world.evaluation, out).folder) == contents(inferred.folder)
        assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_what_a_killed_inference_has_computed_is_not_computed_again(world, inferred, tmp_path, monkeypatch):
    monkeypatch.setattr("asdcore.stages.embedding.embed_jobs.CHUNK", 4)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("asdcore.frozen.infer.check_alike", killed)
        world.infer(world.evaluation, tmp_path / "out")
    assert (tmp_path / "out" / WORK).is_dir()
    encoded = []
    monkeypatch.setattr(
        encoding, "encode", lambda clips, *rest, encode=encoding.encode: encoded.extend(clips) or encode(clips, *rest)
    )
    assert contents(world.infer(world.evaluation, tmp_path / "out").folder) == contents(inferred.folder)
    # One train normal each, to prove that this machine hears the same, and one of them again, to see that the encoder
    # carries nothing over.
    assert len(encoded) == len(MACHINES) + 1


# What comes after


def test_an_inference_is_evaluated_against_ground_truth_folders(world, tmp_path):
    there = world.copy(tmp_path / "there")
    run = there.infer(world.evaluation, tmp_path / "out")
    names = {hashlib.sha256(clip.read_bytes()).hexdigest(): clip.name for clip in world.every.glob("*/test/*")}
    truth = tmp_path / "truth"
    for kind, word in (("data", "anomaly"), ("domain", "target")):
        (truth / f"ground_truth_{kind}").mkdir(parents=True)
        for machine in MACHINES:
            test = run.clips.filter(machine=machine, split="test").select("clip", "sha256").rows()
            lines = [f"{Path(clip).name},{int(word in names[digest])}" for clip, digest in test]
            path = truth / f"ground_truth_{kind}" / f"ground_truth_{machine}_section_00_test.csv"
            path.write_text("\n".join(lines) + "\n")
    by_table = asdcore.evaluate(run, truth=truth)
    by_files = asdcore.evaluate_scores(run.folder / SCORE_FILES, truth, 2026)
    for system in ("plain", "guarded"):
        assert by_table.systems[system].official_score == by_files.systems[system].official_score > 0.5


def test_an_inference_is_packaged_with_the_very_score_files(world, tmp_path):
    run = world.infer(world.evaluation, tmp_path / "out")
    made = package([run], "Somebody_Somewhere", out=tmp_path / "package")
    for label, system in made.systems.items():
        packed = {path.name: path.read_bytes() for path in (made.folder / "task2" / label).glob("*.csv")}
        assert packed == {path.name: path.read_bytes() for path in (run.folder / SCORE_FILES / system).iterdir()}
        assert len(packed) == 4


def test_score_files_that_cannot_be_written_leave_no_run(world, inferred, tmp_path, monkeypatch):
    def refused(*_):
        raise StoreError("disk full")

    with monkeypatch.context() as patch, pytest.raises(StoreError, match="disk full"):
        patch.setattr("asdcore.frozen.infer.write_scores", refused)
        world.infer(world.evaluation, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [WORK]
    assert contents(world.infer(world.evaluation, tmp_path / "out").folder) == contents(inferred.folder)
