"""Known faults of a run in windows: each is a recording, all of its windows are heard, and none of them judges."""

from __future__ import annotations

import shutil

import numpy as np
import polars as pl
import pytest
import soundfile

import asdcore
from asdcore import DataError
from asdcore.evidence.labels.held_back import held_back
from asdcore.evidence.selection.fault_clips import known_faults
from asdcore.evidence.selection.fault_gains import gains
from asdcore.evidence.selection.fault_problem import Problem
from asdcore.evidence.selection.fault_scores import cell_scores
from asdcore.portfolio import load_portfolio, parse_portfolio

RATE = 8000
ENCODER = {"name": "logmel", "n_mels": 16}
PLAN = parse_portfolio(
    {
        "name": "plan",
        "branches": {
            "near": {"encoder": ENCODER, "scorer": "knn"},
            "gauss": {"encoder": ENCODER, "scorer": "mahalanobis"},
        },
        "systems": {"default": {"weights": {"near": 1.0}, "fusion": "fisher"}},
        "windows": {"seconds": 0.5},
    }
)


@pytest.fixture(scope="module")
def hall(tmp_path_factory):
    """A folder with the recordings ``data``, the run ``run`` and its store."""
    hall = tmp_path_factory.mktemp("hall")
    names = {f"train/day {i}": 2.2 for i in range(6)}
    names |= {"test/good/a": 2.0, "test/good/b": 2.0, "test/worn/a": 2.0, "test/worn/b": 1.2, "test/worn/c": 2.0}
    for seed, (name, seconds) in enumerate(names.items()):
        draw = np.random.default_rng(seed)
        sound = np.sin(2 * np.pi * 300 * np.arange(round(seconds * RATE)) / RATE) + draw.normal(
            size=round(seconds * RATE)
        )
        if "worn" in name:
            sound += 0.3 * np.diff(draw.normal(size=len(sound) + 1))
        path = hall / "data" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.05 * sound, RATE)
    asdcore.run(PLAN, hall / "data", hall / "run", store=hall / "store")
    return hall


@pytest.fixture
def faults(hall, tmp_path):
    """A folder of two faults, of four windows and of two."""
    (tmp_path / "faults").mkdir()
    for name in "ab":
        shutil.copy(hall / "data" / "test" / "worn" / f"{name}.wav", tmp_path / "faults")
    return tmp_path / "faults"


def test_a_recording_is_one_fault_whose_gain_is_the_mean_over_its_windows(hall, faults):
    run = asdcore.load_run(hall / "run")
    known = known_faults(faults, run)
    assert [len(fault.heard) for fault in known] == [4, 2]
    heard = [window for fault in known for window in fault.heard]
    (cell,) = cell_scores([run], PLAN.branches, PLAN.systems["default"], heard)
    assert len(set(cell.group)) == 6  # recordings
    problem = Problem([cell], np.array([1.0, 0.0]), known, 20, 0)
    near = gains(cell.models[cell.fold[:, 0], :, 0][..., None], cell.normals[:, :1], cell.domain)[:, 0]
    of_windows = np.zeros(6)
    of_windows[cell.rows] = near
    means = [of_windows[:4].mean(), of_windows[4:].mean()]
    assert problem.of_branches[:, 0] == pytest.approx(means)
    assert problem.of_default == pytest.approx(means)
    assert (problem.drawn[0].shape, problem.drawn[1].shape) == ((20, 2, 2), (20, 2))
    assert problem.drawn[0][..., 0] == pytest.approx(problem.drawn[1])


def test_windows_of_recordings_that_chose_do_not_judge_however_they_are_cut(hall, faults, tmp_path):
    outcome = asdcore.select(hall / "run", known_faults=faults, out=tmp_path / "chosen.json", replicates=20)
    assert outcome.facts["faults"] == 2
    chosen = load_portfolio(tmp_path / "chosen.json")
    again = asdcore.run(chosen, hall / "data", tmp_path / "again", store=hall / "store")
    spans = ["0-0.5", "0.5-1", "1-1.5", "1.5-2"]
    own = {*(f"test/worn/a.wav#t={span}" for span in spans), *(f"test/worn/b.wav#t={span}" for span in spans[:2])}
    assert held_back(again) == own
    shorter = asdcore.run(chosen.in_windows(0.4), hall / "data", tmp_path / "shorter", store=hall / "store")
    names = shorter.clips["clip"]
    assert held_back(shorter) == set(names.filter(names.str.contains("worn/[ab]"))) != set()
    asdcore.evaluate(again, replicates=0)


def test_a_fault_that_is_cut_and_re_encoded_is_the_window_that_it_is_a_copy_of(hall, tmp_path):
    run = asdcore.load_run(hall / "run")
    samples, _ = soundfile.read(hall / "data" / "train" / "day 3.wav", dtype="int16")
    (tmp_path / "cut").mkdir()
    soundfile.write(tmp_path / "cut" / "x.flac", samples[RATE // 2 : RATE], RATE)
    with pytest.raises(
        DataError, match=r"known faults are train clips of the run, the first: .* is train/day 3.wav#t=0.5-1"
    ):
        known_faults(tmp_path / "cut", run)


def test_a_fault_that_shares_a_stretch_of_a_recording_is_its_clips(hall, tmp_path):
    """Of a table the parts of a recording are clips, and a fault may begin and end elsewhere, or be all of it."""
    data, run = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    rows = ["path,machine,split,start,end,label"]
    for name, split in (("train/day 0", "train"), ("train/day 1", "train"), ("test/worn/a", "test")):
        shutil.copy(hall / "data" / f"{name}.wav", data / f"{name[-1]}.wav")
        rows += [f"{name[-1]}.wav,pump,{split},{i / 2},{(i + 1) / 2},{'1' * (split == 'test')}" for i in range(4)]
    (data / "clips.csv").write_text("\n".join(rows))
    made = asdcore.run(PLAN.model_copy(update={"windows": None}), data, run, store=tmp_path / "store")

    def listed(*names):
        (tmp_path / "faults.csv").write_text("path,machine\n" + "".join(f"data/{name},pump\n" for name in names))
        return known_faults(tmp_path / "faults.csv", made)

    digest = dict(made.clips.select("clip", "sha256").rows())
    (fault,) = listed("a.wav#t=0.75-1.25")
    assert set(fault.copies) == {digest["a.wav#t=0.5-1"], digest["a.wav#t=1-1.5"]}
    (fault,) = listed("a.wav")
    assert set(fault.copies) == {digest[f"a.wav#t={part}"] for part in ("0-0.5", "0.5-1", "1-1.5", "1.5-2")}
    for name in ("0.wav#t=0.25-0.75", "0.wav"):
        with pytest.raises(DataError, match=r"known faults are train clips of the run, the first: .* is 0\.wav#t="):
            listed(name)


def test_what_is_remembered_of_recordings_stays(hall, faults):
    (kept,) = (hall / "store" / "recordings").glob("*.parquet")
    before = pl.read_parquet(kept)
    asdcore.select(hall / "run", known_faults=faults, replicates=20)
    assert pl.read_parquet(kept).equals(before)
    assert not before["clip"].str.contains("#").any()


def test_what_is_shorter_than_a_window_or_shares_one_is_refused(hall, faults):
    run = asdcore.load_run(hall / "run")
    soundfile.write(faults / "short.wav", np.random.default_rng(0).normal(size=1000) / 10, RATE)
    with pytest.raises(DataError, match=r"lasts 0.125 s, and a window 0.5 s. The run cuts .* leave this one out"):
        known_faults(faults, run)
    machine = run.clips["machine"][0]
    (faults / "faults.csv").write_text(f"path,machine\na.wav#t=0-1.2,{machine}\na.wav#t=0.5-2,{machine}\n")
    with pytest.raises(DataError, match="are the same recording. Give each fault once"):
        known_faults(faults / "faults.csv", run)
