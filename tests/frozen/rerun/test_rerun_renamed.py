"""A run is checked from outside: run again under other names and with half of the test clips, it must be the same.

One run has a branch for every plugin that reaches, within its process, what it must not; and an honest one beside them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from asdcore import pipeline
from asdcore.cli import main
from asdcore.errors import DataError
from asdcore.frozen.rerun import rerun_renamed
from asdcore.frozen.rerun.rerun_renamed import NotTheSameError, check_same
from asdcore.runs.folder import load_run

PLANTED = '''
import gc, sys
from pathlib import Path
import numpy as np
import soundfile
from asdcore import Tokens, hookimpl
from asdcore.compute.scoring.scoring import Cell


class Plain:
    """The sound as it is: without torch, which every process would have to import first."""

    sample_rate, layers = 16000, (0,)

    def encode(self, audio, layers):
        return {0: Tokens(audio[:, :1600].reshape(1, 4, 4, 100))}


class Honest:
    def fit(self, features, domain):
        self.mean = features.mean(axis=0, dtype=np.float64)
        return self

    def score(self, features):
        return {"pooled": np.linalg.norm(features - self.mean, axis=1)}


class Frames(Honest):
    """Finds the other test clips in the stack."""

    def score(self, features):
        frame = sys._getframe()
        while frame and not hasattr(frame.f_locals.get("self"), "_cell"):
            frame = frame.f_back
        if frame is None:
            return super().score(features)
        everyone = frame.f_locals["self"]._cell.test
        return {"pooled": np.linalg.norm(features - everyone.mean(axis=0, dtype=np.float64), axis=1)}


class Collector(Honest):
    """Finds the other test clips with the garbage collector."""

    def score(self, features):
        cells = [one for one in gc.get_referrers(Cell) if isinstance(one, Cell)]
        if not cells:
            return super().score(features)
        everyone = cells[0].test
        return {"pooled": np.linalg.norm(features - everyone.mean(axis=0, dtype=np.float64), axis=1)}


class Reader:
    """Finds the recordings on the command line, and reads labels off their names."""

    sample_rate, layers = 16000, (0,)

    def encode(self, audio, layers):
        root = Path(sys.argv[sys.argv.index("--data") + 1])
        named = [path for path in sorted(root.rglob("test/*.wav")) if "anomaly" in path.name]
        label = any(np.array_equal(soundfile.read(path, dtype="float32")[0][:, 0], audio[0]) for path in named)
        tokens = audio[:, :1600].reshape(1, 4, 4, 100) + np.float32(10 * label)
        return {0: Tokens(tokens)}


class First:
    """Takes the level of the first clip that the process hears."""

    sample_rate, layers, level = 16000, (0,), None

    def encode(self, audio, layers):
        if First.level is None:
            First.level = np.abs(audio).mean()
        return {0: Tokens((audio[:, :1600] / First.level).reshape(1, 4, 4, 100))}


@hookimpl
def register_scorers(register):
    register("honest_mean", Honest)
    register("frames_peeker", Frames)
    register("gc_peeker", Collector)


@hookimpl
def register_encoders(register):
    register("plain", Plain)
    register("argv_reader", Reader)
    register("first_level", First)
'''

BRANCHES = {
    "honest": ("plain", "honest_mean"),
    "stack": ("plain", "frames_peeker"),
    "collector": ("plain", "gc_peeker"),
    "reader": ("argv_reader", "honest_mean"),
    "latch": ("first_level", "honest_mean"),
}


def portfolio(names):
    lines = ['name = "planted"']
    for name in names:
        encoder, scorer = BRANCHES[name]
        lines += [f"[branches.{name}]", f'encoder = "{encoder}"', f'scorer = "{scorer}"']
    for name in names:
        lines += [f"[systems.by_{name}]", f"weights = {{ {name} = 1.0 }}"]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def home(tmp_path_factory, make_dataset):
    home = tmp_path_factory.mktemp("rerun")
    info = home / "site" / "planted-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[asdcore]\nplanted = planted_parts\n")
    (home / "site" / "planted_parts.py").write_text(PLANTED)
    make_dataset(home / "data", ("fan",), source=12, target=3, test=3)
    return home


def asdcore(home: Path, *words: object, first: str = "") -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(home / "site"), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-c", f"{first}\nfrom asdcore.cli import main; main()", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, cwd=home, check=False
    )


@pytest.fixture(scope="module")
def planted(home):
    """A run of all of them."""
    (home / "all.toml").write_text(portfolio(BRANCHES))
    where = ("--data", "data", "--task", "dcase2026", "--store", home / "store", "--out", "all")
    done = asdcore(home, "run", "all.toml", *where)
    assert done.returncode == 0, done.stderr
    return load_run(home / "all")


def test_what_reaches_beyond_its_clip_is_named_and_nothing_is_frozen(home, planted):
    done = asdcore(home, "freeze", "all", "--out", "all.json", "--prove")
    assert done.returncode == 1
    assert not (home / "all.json").exists()
    assert "Traceback" not in done.stderr
    exchanged, halves = done.stderr.split("with one half of the test clips", 1)
    assert re.search(r"with the names of test clips exchanged \d+ clips got other scores:", exchanged)
    for words, caught, not_caught in (
        (exchanged, ("reader", "latch"), ("stack", "collector")),
        (halves, ("stack", "collector", "latch"), ("reader",)),
    ):
        for name in caught:
            assert f"by_{name}" in words
        for name in not_caught:
            assert name not in words
    assert "honest" not in done.stderr
    assert "fan/test/section_00_source_test_anomaly_0000_spd_0.wav: branch " in halves
    assert "check-plugin NAME --data" in done.stderr
    assert not list(home.glob(".writing-*"))


HERE = """
from asdcore import pipeline
from asdcore.frozen.rerun import plugin_check, rerun_renamed

def here(portfolio, home, task):
    return pipeline.run(portfolio, data=home / "data", out=home / "run", task=task, store=home / "store")

plugin_check.run_fresh = here
rerun_renamed._run_again = lambda run, home, way, workers: here(run.folder / "portfolio.json", home, run.about["task"])
"""
"""Runs in the process of the command: what finds stack frames needs no new one, and each would import torch."""


def test_a_small_run_around_a_plugin_finds_it_too(home):
    done = asdcore(home, "check-plugin", "frames_peeker", "--data", "data", first=HERE)
    assert done.returncode == 1, done.stderr
    said = done.stdout.splitlines()
    assert "passed  check_no_batch_statistics" in said
    assert "passed  check_runs_on_recordings" in said
    assert "passed  check_same_under_other_names" in said
    assert "FAILED  check_same_with_one_half_of_the_test_clips" in said
    assert "FAILED  check_same_with_the_other_half_of_the_test_clips" in said
    assert "clips get other scores: fan/test/section_00_" in done.stdout


def test_a_run_that_cannot_be_run_again_says_why(planted):
    with pytest.raises(
        NotTheSameError, match=r"cannot be run again with the names of test clips exchanged: .*No (scorer|encoder)"
    ):
        check_same(planted)  # this process does not see the plugin, so the next one does not


def test_recordings_that_are_gone_cannot_be_run_again(home, planted):
    moved = (home / "data").rename(home / "moved")
    try:
        with pytest.raises(DataError, match="is not there, so they cannot be run again"):
            check_same(planted)
    finally:
        moved.rename(home / "data")


@pytest.fixture
def honest(tmp_path, make_dataset, monkeypatch):
    """A run of bundled parts, to be run again in this process: a new one for each would take its time."""

    def here(run, home, way, workers):
        where = {"data": home / "data", "store": home / "store", "task": run.about["task"]}
        return pipeline.run(run.folder / "portfolio.json", out=home / "run", **where)

    monkeypatch.setattr(rerun_renamed, "_run_again", here)
    data = make_dataset(tmp_path / "data", ("fan",), source=8, target=2, test=2)
    where = {"data": data, "store": tmp_path / "store", "task": "dcase2026"}
    return pipeline.run("logmel-knn", out=tmp_path / "run", **where)


def test_an_honest_run_is_the_same_and_is_frozen(honest, tmp_path, monkeypatch, capsys):
    out = tmp_path / "frozen.json"
    monkeypatch.setattr(sys, "argv", ["asdcore", "freeze", str(honest.folder), "--out", str(out), "--prove"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "Run again in 3 other ways, with the same scores to the last bit." in capsys.readouterr().out
    assert out.exists()
    assert not list(tmp_path.glob(".writing-*"))


@pytest.mark.parametrize("table", ["scores", "calibrated", "systems", "decisions"])
def test_a_difference_of_the_last_bit_in_any_table_is_named(honest, monkeypatch, table):
    column = {"scores": "score", "calibrated": "z", "systems": "base", "decisions": "threshold"}[table]
    clip = honest.decisions["clip"][0]
    frame = getattr(honest, table)
    moved = pl.when(pl.col("clip") == clip).then(pl.col(column) * (1 + 2e-16)).otherwise(column)
    honest.__dict__[table] = frame.with_columns(moved.alias(column))
    of = "branch near_knn" if "branch" in frame.columns else "system knn"
    with pytest.raises(NotTheSameError, match=rf"names of test clips exchanged 1 clip got.*\n  {clip}: {of}\n"):
        check_same(honest)
