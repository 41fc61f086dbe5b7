"""The whole way: same inputs, same digests, whatever happens on the way; and nothing that a test clip could teach."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
import soundfile

import asdcore
from asdcore.contract import plugins as plugins_module
from asdcore.contract.plugins import Component
from asdcore.errors import (
    AsdcoreError,
    DataError,
    DatasetError,
    EvaluationError,
    PluginError,
    PortfolioError,
    StoreError,
)
from asdcore.portfolio import parse_portfolio
from asdcore.progress import Silent
from asdcore.runs.folder import TABLES
from asdcore.stages.embedding import embed
from asdcore.stages.scoring import score


class Heard(Silent):
    def __init__(self):
        self.notes, self.stages = [], {}

    def stage(self, name, total):
        self.stages[name] = total
        return super().stage(name, total)

    def note(self, text):
        self.notes.append(text)


def digests(run):
    return run.about["tables"]


def test_a_run_has_every_table(dataset, fused, tmp_path):
    run = asdcore.run(fused, dataset, tmp_path / "run")
    n_train, n_test = 48, 32
    assert len(run.clips) == n_train + n_test
    assert run.clips.filter(pl.col("split") == "test")["domain"].is_null().all()
    assert set(run.scores["branch"]) == {"near_knn", "far_gauss", "w1_knn"}
    assert len(run.calibrated) == 3 * (n_train + n_test)
    assert len(run.systems) == 2 * (n_train + n_test)
    assert len(run.decisions) == 2 * n_test
    assert all("label" not in getattr(run, table).columns for table in digests(run))
    assert (run.folder / "run.json").is_file()
    again = asdcore.load_run(tmp_path / "run")
    assert again.systems.equals(run.systems)


def test_faults_are_found(dataset, fused, tmp_path):
    run = asdcore.run(fused, dataset, tmp_path / "run", task="dcase2026")
    result = asdcore.evaluate(run)
    assert result.systems["plain"].official_score > 0.8
    saved = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert saved["systems"]["plain"]["official_score"] == result.systems["plain"].official_score
    assert (saved["year"], saved["looks"]) == (2026, 1)
    asdcore.evaluate(tmp_path / "run")
    assert json.loads((tmp_path / "run" / "evaluation.json").read_text())["looks"] == 2


def test_a_second_run_computes_nothing_and_gives_the_same(dataset, fused, tmp_path, monkeypatch):
    first = asdcore.run(fused, dataset, tmp_path / "a")
    monkeypatch.setattr(embed, "embed", lambda job: pytest.fail("embedded again"))
    monkeypatch.setattr(score, "score", lambda job: pytest.fail("scored again"))
    heard = Heard()
    assert digests(asdcore.run(fused, dataset, tmp_path / "b", progress=heard)) == digests(first)
    assert (heard.stages["embed"], heard.stages["score"]) == (0, 0)


def test_the_names_of_folders_change_nothing(make_dataset, simple, tmp_path, monkeypatch):
    """Names that a library could take for a pattern, the home folder or an address, beside what it would then find."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    first = asdcore.run(simple, make_dataset(tmp_path / "data", source=8, target=4, test=1), "run1", store="store1")
    (tmp_path / "data").rename("data [1] 50%\nfull")
    for out, store in (("run[1]", "store?"), ("~", "file:")):
        assert digests(asdcore.run(simple, "data [1] 50%\nfull", out, store=store)) == digests(first)
        assert digests(asdcore.load_run(out)) == digests(first)
        manifest = asdcore.freeze(out, "frozen[1].json" if out == "~" else "frozen.json")
        assert asdcore.verify(manifest.path).passed
    assert not (tmp_path / "home").exists()
    for wrong in ({"data": "x\udcff"}, {"out": "x\udcff"}, {"store": "x\udcff"}):
        with pytest.raises(AsdcoreError, match=r"udcff', whose name is not text in UTF-8"):
            asdcore.run(simple, **{"data": "data [1] 50%\nfull", "out": "run3", **wrong})
    assert not (tmp_path / "run3").exists()


def test_the_store_and_the_workers_change_nothing(dataset, fused, tmp_path):
    one = asdcore.run(fused, dataset, tmp_path / "a", store=tmp_path / "s1")
    two = asdcore.run(fused, dataset, tmp_path / "b", store=tmp_path / "s2", workers=2)
    assert digests(one) == digests(two)


def test_only_what_changed_is_computed(dataset, fused, tmp_path):
    asdcore.run(fused, dataset, tmp_path / "run")
    fused.write_text(fused.read_text().replace("k = 2", "k = 3").replace("w1_knn = 0.25", "w1_knn = 0.35"))
    heard = Heard()
    asdcore.run(fused, dataset, tmp_path / "run", progress=heard)
    assert (heard.stages["embed"], heard.stages["score"]) == (0, 2)


def test_added_and_changed_clips_are_seen(dataset, simple, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(dataset, root)
    first = asdcore.run(simple, root, tmp_path / "run")
    clip = next((root / "fan" / "test").iterdir())
    samples, rate = soundfile.read(clip)
    soundfile.write(clip, samples * 0.5, rate)
    soundfile.write(clip.with_name("section_00_source_test_normal_0099_spd_0.wav"), samples * 0.7, rate)
    heard = Heard()
    second = asdcore.run(simple, root, tmp_path / "run", progress=heard)
    assert heard.stages["embed"] == 2
    assert digests(first)["scores"] != digests(second)["scores"]
    assert first.about["data_digest"] != second.about["data_digest"]


def test_test_clips_teach_nothing(dataset, fused, tmp_path):
    """The scores of a test clip do not change, not in the last bit, with the test clips beside it."""
    every = asdcore.run(fused, dataset, tmp_path / "every")
    root = tmp_path / "few"
    shutil.copytree(dataset, root)
    for i, clip in enumerate(sorted(root.glob("*/test/*.wav"))):
        if i % 5:
            clip.unlink()
    few = asdcore.run(fused, root, tmp_path / "run", store=tmp_path / "other store")
    for table, key in (("scores", ["clip", "branch", "reference"]), ("systems", ["clip", "system"])):
        kept = getattr(few, table).filter(pl.col("role") == "test")
        both = kept.join(getattr(every, table), on=[*key, "role"], suffix="_every", validate="1:1")
        assert len(both) == len(kept) > 0
        assert (both["score"] == both["score_every"]).all()


def test_names_and_labels_teach_nothing(dataset, fused, tmp_path):
    """Calling every test clip by an anonymous name, in another order, changes no score."""
    every = asdcore.run(fused, dataset, tmp_path / "every")
    root = tmp_path / "anonymous"
    shutil.copytree(dataset, root)
    for machine in ("fan", "3DPrinter"):
        clips = sorted((root / machine / "test").iterdir(), key=lambda path: path.read_bytes()[-100:])
        for i, clip in enumerate(clips):
            clip.rename(clip.with_name(f"section_00_{i:04d}.wav"))
    hidden = asdcore.run(fused, root, tmp_path / "hidden", store=tmp_path / "other store")
    by_sound = [
        run.systems.filter(pl.col("role") == "test")
        .join(run.clips.select("clip", "sha256"), on="clip")
        .sort("sha256", "system")
        .select("sha256", "system", "base", "penalty", "score")
        for run in (every, hidden)
    ]
    assert by_sound[0].equals(by_sound[1])
    with pytest.raises(EvaluationError, match="do not mark anomalies.*--truth"):
        asdcore.evaluate(hidden)


def test_truth_folders_serve_where_names_are_silent(dataset, simple, tmp_path):
    named = asdcore.run(simple, dataset, tmp_path / "named")
    root, truth = tmp_path / "anonymous", tmp_path / "truth"
    shutil.copytree(dataset, root)
    for kind in ("data", "domain"):
        (truth / f"ground_truth_{kind}").mkdir(parents=True)
    for machine in ("fan", "3DPrinter"):
        lines = {"data": [], "domain": []}
        for i, clip in enumerate(sorted((root / machine / "test").iterdir())):
            lines["data"].append(f"section_00_{i:04d}.wav,{int('anomaly' in clip.name)}")
            lines["domain"].append(f"section_00_{i:04d}.wav,{int('target' in clip.name)}")
            clip.rename(clip.with_name(f"section_00_{i:04d}.wav"))
        for kind, said in lines.items():
            path = truth / f"ground_truth_{kind}" / f"ground_truth_{machine}_section_00_test.csv"
            path.write_text("\n".join(said) + "\n")
    hidden = asdcore.run(simple, root, tmp_path / "hidden")
    assert asdcore.evaluate(hidden, truth=truth).systems == asdcore.evaluate(named).systems
    for path in truth.rglob("*_3DPrinter_*.csv"):
        path.write_text(path.read_text().replace("section_00_0003.wav", "section_00_0093.wav"))
    with pytest.raises(EvaluationError, match=r"3DPrinter section 00: 1 missing: section_00_0093.wav; 1 not in"):
        asdcore.evaluate(hidden, truth=truth)


KILLED = """
import sys, time
import asdcore
from asdcore.progress import Silent
from asdcore.runs.folder import TABLES
from asdcore.stages.embedding import embed_jobs
embed_jobs.CHUNK = 8
asdcore.run(sys.argv[1], sys.argv[2], sys.argv[3])
"""


@pytest.mark.parametrize("wait_for", [0, 1, 4])
def test_a_killed_run_goes_on_with_the_same_digests(dataset, fused, tmp_path, wait_for, monkeypatch):
    whole = asdcore.run(fused, dataset, tmp_path / "whole", store=tmp_path / "another store")
    store = tmp_path / "store"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(fused), str(dataset), str(tmp_path / "run")], env=os.environ
    )
    deadline = time.monotonic() + 60
    while len(list(store.rglob("features/*/*.parquet"))) < wait_for and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = len(list(store.rglob("features/*/*.parquet")))
    assert done >= wait_for
    monkeypatch.setattr("asdcore.stages.embedding.embed_jobs.CHUNK", 8)
    heard = Heard()
    again = asdcore.run(fused, dataset, tmp_path / "run", progress=heard)
    assert digests(again) == digests(whole)
    assert heard.stages["embed"] <= 80 - 8 * (done // 3)
    assert not [path for path in tmp_path.rglob(".writing-*") if not path.is_dir()]


def test_an_earlier_run_survives_a_later_one_that_fails(dataset, simple, tmp_path, monkeypatch):
    first = asdcore.run(simple, dataset, tmp_path / "run")
    simple.write_text(simple.read_text().replace("euclidean", "cosine"))
    monkeypatch.setattr("asdcore.runs.writing.write_json", lambda *_: (_ for _ in ()).throw(StoreError("disk full")))
    with pytest.raises(StoreError):
        asdcore.run(simple, dataset, tmp_path / "run")
    monkeypatch.undo()
    assert asdcore.load_run(tmp_path / "run").systems.equals(first.systems)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_a_table_of_another_run_is_noticed(dataset, simple, tmp_path):
    asdcore.run(simple, dataset, tmp_path / "a")
    simple.write_text(simple.read_text().replace("euclidean", "cosine"))
    asdcore.run(simple, dataset, tmp_path / "b")
    shutil.copy(tmp_path / "a" / "systems.parquet", tmp_path / "b" / "systems.parquet")
    with pytest.raises(StoreError, match=r"systems.parquet is not the table that run.json names"):
        _ = asdcore.load_run(tmp_path / "b").systems


def test_a_folder_of_other_files_is_not_written_to(dataset, simple, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("")
    with pytest.raises(StoreError, match="holds files that no run wrote"):
        asdcore.run(simple, dataset, tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.tex"]


AT_ONCE = """
import sys
import asdcore
from asdcore.errors import StoreError
try:
    asdcore.run(*sys.argv[1:])
except StoreError as error:
    sys.exit(str(error))
"""


def test_two_runs_into_one_folder_leave_one_of_them_whole(dataset, simple, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text(simple.read_text().replace("euclidean", "cosine"))
    out = tmp_path / "run"
    command = [sys.executable, "-c", AT_ONCE]
    processes = [
        subprocess.Popen([*command, str(one), str(dataset), str(out)], stderr=subprocess.PIPE, text=True)
        for one in (simple, other)
    ]
    said = [process.communicate(timeout=120)[1] for process in processes]
    codes = [process.returncode for process in processes]
    assert 0 in codes
    for code, text in zip(codes, said, strict=True):
        assert not code or "Another process is writing to" in text, text
    run = asdcore.load_run(out)
    for name in TABLES:
        assert len(getattr(run, name))
    assert sorted(one.name for one in out.iterdir()) == sorted(
        ["run.json", "portfolio.json", *(f"{name}.parquet" for name in TABLES)]
    )


@pytest.mark.parametrize("empty", ["data", "out", "store"])
def test_an_empty_path_is_not_the_working_folder(dataset, simple, tmp_path, monkeypatch, empty):
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    places = {"data": dataset, "out": tmp_path / "run", "store": tmp_path / "kept"} | {empty: ""}
    with pytest.raises(AsdcoreError, match=f"{empty} is empty. Name a file or folder"):
        asdcore.run(simple, **places)
    assert set(tmp_path.iterdir()) == before


def test_a_run_is_not_written_over_an_inference(dataset, simple, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text('{"manifest": {"name": "final"}}')
    with pytest.raises(StoreError, match="holds a finished inference"):
        asdcore.run(simple, dataset, tmp_path / "out")


def test_what_is_no_run_is_not_evaluated(tmp_path):
    with pytest.raises(DataError, match=r"not a finished run.*asdcore run PORTFOLIO"):
        asdcore.evaluate(tmp_path)


@pytest.mark.parametrize("target", [0, 1, 3])
def test_machines_with_few_target_clips_run_and_say_so(make_dataset, fused, tmp_path, target):
    root = make_dataset(tmp_path / "data", ("fan",), source=8, target=target, test=2)
    heard = Heard()
    run = asdcore.run(fused, root, tmp_path / "run", progress=heard)
    assert run.systems["score"].is_finite().all()
    said = "no target train clips" if target == 0 else f"{target} target train clips"
    assert any(said in note for note in heard.notes)
    assert run.about["notes"] == heard.notes


def test_the_detected_grammar_is_said(dataset, simple, tmp_path):
    heard = Heard()
    asdcore.run(simple, dataset, tmp_path / "a", progress=heard)
    assert any("no task was named" in note for note in heard.notes)
    heard = Heard()
    asdcore.run(simple, dataset, tmp_path / "b", task="dcase2026", progress=heard)
    assert not any("task" in note for note in heard.notes)


def test_everything_wrong_with_a_dataset_is_said_at_once_and_nothing_is_written(dataset, simple, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(dataset, root)
    clips = sorted((root / "fan" / "train").iterdir())
    clips[0].write_bytes(b"")
    clips[1].write_bytes(clips[1].read_bytes()[:900])
    clips[2].rename(clips[2].with_name(clips[2].name.replace("normal", "anomaly")))
    with pytest.raises(DatasetError) as caught:
        asdcore.run(simple, root, tmp_path / "run")
    for path in clips[:2]:
        assert path.name in str(caught.value)
    assert "train_anomaly" in str(caught.value)
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "store").exists()


def test_a_silent_clip_and_a_silent_machine(dataset, simple, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(dataset, root)
    one = next((root / "fan" / "test").iterdir())
    soundfile.write(one, np.zeros((4000, 2)), 16000)
    assert asdcore.run(simple, root, tmp_path / "run").systems["score"].is_finite().all()
    for i, clip in enumerate(sorted((root / "fan").rglob("*.wav"))):
        # Digital silence all the same, but each its own file.
        soundfile.write(clip, np.zeros((4000 + 512 * i, 2)), 16000)
    with pytest.raises(DataError, match="branch 'near_knn', fan section 00: the interquartile range .* is 0"):
        asdcore.run(simple, root, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_demo_shows_what_real_data_show(tmp_path):
    """A plain nearest neighbour takes the target domain for a fault; calibration by domain gives much of it back."""
    asdcore.synthesize(tmp_path / "sound", profile="tiny")
    run = asdcore.run("demo", tmp_path / "sound", tmp_path / "run", task="dcase2026")
    systems = asdcore.evaluate(run).systems

    def mean(system, cell):
        return np.mean([row[cell] for row in systems[system].cells])

    assert mean("plain", "auc_source") > mean("plain", "auc_target") + 0.1
    assert mean("guarded", "auc_target") > mean("plain", "auc_target") + 0.1
    assert systems["guarded"].official_score > systems["plain"].official_score


def test_a_portfolio_made_in_python_is_checked_too(dataset, tmp_path):
    branch = {"encoder": "logmel", "scorer": {"name": "knn", "k": 0}}
    plan = parse_portfolio({"name": "p", "branches": {"b": branch}, "systems": {"S": {"weights": {"b": 1}}}})
    with pytest.raises(PluginError, match="k must be a whole number from 1 to"):
        asdcore.run(plan, dataset, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_may_go_into_the_current_folder(dataset, simple, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    asdcore.run(simple, dataset, ".")
    assert asdcore.load_run(tmp_path / "here").systems.height > 0
    assert not list(tmp_path.rglob(".writing-*"))


def test_weights_too_large_to_add_are_refused(dataset, fused, tmp_path):
    fused.write_text(fused.read_text().replace("near_knn = 0.5", "near_knn = 1e308"))
    with pytest.raises(
        PortfolioError, match=r"systems.plain.weights: a weight is 1e\+308; 0 and 1e-100 to 1e\+100 are"
    ):
        asdcore.run(fused, dataset, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("about", ["[]", "5", "{}", '{"schema": 1}', "half"])
def test_a_spoiled_run_file_is_said_to_be_spoiled(dataset, simple, tmp_path, about):
    asdcore.run(simple, dataset, tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text(about)
    with pytest.raises(StoreError, match=r"run.json cannot be read .*Run the portfolio again"):
        asdcore.evaluate(tmp_path / "run")


def test_rules_of_no_year_are_refused(dataset, simple, tmp_path):
    run = asdcore.run(simple, dataset, tmp_path / "run")
    for year in (0, 2019, 2027):
        with pytest.raises(EvaluationError, match=str(year)):
            asdcore.evaluate(run, year=year)


def test_a_device_that_nothing_uses_is_said(dataset, simple, tmp_path):
    heard = Heard()
    asdcore.run(simple, dataset, tmp_path / "run", device="cuda", progress=heard)
    assert any("no encoder of this portfolio takes a device" in note for note in heard.notes)
    for wrong in ("", "x\udcff", "cuda:", "cuda 1", "/dev/null"):
        with pytest.raises(DataError, match="a torch device such as 'cuda', 'cuda:1' or 'cpu' is allowed"):
            asdcore.run(simple, dataset, tmp_path / "other", device=wrong)
    assert not (tmp_path / "other").exists()


class Faulty:
    """A component of any kind whose every method fails."""

    sample_rate, layers = 16000, (0,)

    def fit(self, *_):
        raise ZeroDivisionError("by nought")

    def score(self, *_):
        raise ZeroDivisionError("by nought")

    __call__ = transform = penalty = score


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("view", 'view = "near"', 'view = "faulty"'),
        ("scorer", 'scorer = { name = "knn", k = 1, metric = "cosine" }', 'scorer = "faulty"'),
        ("normalizer", 'normalizer = { name = "ecdf", output = "normal" }', 'normalizer = "faulty"'),
        ("guard", 'name = "tail", support = "far_gauss", quantile = 0.8', 'name = "faulty"'),
    ],
)
def test_a_plugin_that_fails_is_blamed_by_name(dataset, fused, tmp_path, monkeypatch, kind, old, new):
    installed = plugins_module.installed()
    monkeypatch.setitem(installed._tables[kind], "faulty", Component(kind, "faulty", Faulty, "p", "d", "1", None))
    text = fused.read_text()
    assert old in text
    fused.write_text(text.replace(old, new))
    with pytest.raises(
        PluginError, match=f"{kind} 'faulty' failed with ZeroDivisionError: by nought.*check-plugin faulty"
    ):
        asdcore.run(fused, dataset, tmp_path / "run")
    assert not (tmp_path / "run").exists()
