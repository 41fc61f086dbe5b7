"""Trials: one run folder for each seed, what no seed changes computed once, and nothing foreign among them."""

from __future__ import annotations

import shutil

import numpy as np
import polars as pl
import pytest
import soundfile

import asdcore
from asdcore.errors import DataError, PortfolioError, StoreError
from asdcore.progress import Silent
from asdcore.runs.trials import opened

PORTFOLIO = """
name = "p"
seeds = [3, 5]
[branches.mixed]
encoder = { name = "logmel", n_mels = 16 }
scorer = { name = "gmm", components = 3 }
[branches.near]
encoder = { name = "logmel", n_mels = 16 }
scorer = "knn"
[systems.single]
weights = { mixed = 1.0 }
transform = "log1p"
[systems.together]
weights = { mixed = 1.0 }
transform = "log1p"
guards = [{ name = "tail", support = "mixed", quantile = 0.8, strength = 0.5 }]
seeds = "all"
[systems.near]
weights = { near = 1.0 }
"""
SINGLE = PORTFOLIO.replace("seeds = [3, 5]", "seed = 5").replace('"all"', "[3, 5]")


@pytest.fixture(scope="module")
def home(tmp_path_factory, make_dataset):
    """A folder with recordings, a store, and trials with the seeds 3 and 5 in ``trials``."""
    home = tmp_path_factory.mktemp("trials")
    make_dataset(home / "data", ("fan",))
    (home / "p.toml").write_text(PORTFOLIO)
    (home / "single.toml").write_text(SINGLE)
    run(home, "p.toml", "trials")
    return home


def run(home, portfolio, out, **more):
    return asdcore.run(home / portfolio, home / "data", home / out, task="dcase2026", store=home / "store", **more)


def test_a_trial_is_the_run_with_its_seed(home):
    trials, single = asdcore.load_trials(home / "trials"), run(home, "single.toml", "single")
    assert trials.seeds == (3, 5)
    assert trials.runs[5].meaning == single.meaning
    assert trials.runs[3].about["tables"]["systems"] != single.about["tables"]["systems"]
    assert isinstance(opened(home / "trials"), asdcore.Trials)
    assert isinstance(opened(home / "single"), asdcore.Run)


def test_what_no_seed_changes_is_the_same_and_is_computed_once(home):
    """gmm draws its start, so it has a chunk of scores for each seed; knn, scored in closed form, has one in all."""
    scores = [run.scores.filter(branch="near") for run in asdcore.load_trials(home / "trials").runs.values()]
    assert scores[0].equals(scores[1])
    assert len(list((home / "store" / "scores").rglob("*.parquet"))) == 3
    assert len(list((home / "store" / "fitted").rglob("*.safetensors"))) == 3


def test_a_scorer_in_folds_is_scored_again_for_other_folds(home):
    """kmeans draws nothing unless it is asked to, but the seed deals the folds."""
    portfolio = (home / "p.toml").read_text().replace('scorer = "knn"', 'scorer = { name = "kmeans", k = 2 }')
    (home / "folds.toml").write_text(portfolio)
    trials = run(home, "folds.toml", "folds")
    scores = [run.scores.filter(branch="near") for run in trials.runs.values()]
    tested = [table.filter(role="test")["score"].to_numpy() for table in scores]
    assert np.allclose(*tested, rtol=1e-6, atol=0)  # rounded by the spread of the train normals, which folds change
    assert not scores[0].filter(role="oof").equals(scores[1].filter(role="oof"))


def test_an_ensemble_fuses_the_mean_of_z_over_its_seeds(home):
    trials = asdcore.load_trials(home / "trials")
    tables = [run.systems.filter(system="together") for run in trials.runs.values()]
    assert tables[0].equals(tables[1])  # the same in every trial
    z = [run.calibrated.filter(branch="mixed").sort("clip", "role")["z"].to_numpy() for run in trials.runs.values()]
    mean = np.mean(z, axis=0)
    base = tables[0].sort("clip", "role")["base"].to_numpy()
    assert np.allclose(base, np.sign(mean) * np.log1p(np.abs(mean)), rtol=0, atol=1e-6)
    assert not np.allclose(z[0], z[1], rtol=0, atol=1e-6)


def test_other_systems_do_not_notice_an_ensemble(home):
    """A guard reads z of all branches: those that the ensemble adds are none of its business."""
    alone = SINGLE[: SINGLE.index("[systems.together]")] + SINGLE[SINGLE.index("[systems.near]") :]
    (home / "alone.toml").write_text(alone)
    both, without = run(home, "single.toml", "single"), run(home, "alone.toml", "alone")
    assert both.systems.filter(pl.col("system") != "together").equals(without.systems)


def test_an_ensemble_is_frozen_inferred_and_carried_as_any_system(home, tmp_path):
    trial = asdcore.load_trials(home / "trials").runs[5]
    asdcore.freeze(trial, tmp_path / "m.json")
    inferred = asdcore.infer(tmp_path / "m.json", home / "data", tmp_path / "inferred")
    assert inferred.about["tables"]["systems"] == trial.about["tables"]["systems"]
    asdcore.export(tmp_path / "m.json", tmp_path / "d.asd")
    detector = asdcore.load_detector(tmp_path / "d.asd")
    clip = trial.clips.filter(split="test")["clip"][0]
    audio, rate = soundfile.read(home / "data" / clip, dtype="float32")
    verdict = detector.score(audio.T, rate, system="together")
    assert verdict.score == trial.systems.filter(clip=clip, system="together")["score"][0]
    members = trial.calibrated.filter(pl.col("branch").is_in(["mixed@3", "mixed@5"]) & (pl.col("clip") == clip))
    assert verdict.branches["mixed"].z == pytest.approx(members["z"].mean(), rel=1e-7)


class StoppedError(Exception):
    """An interrupt."""


class StopsAt(Silent):
    """Raises when the note of one trial comes."""

    def __init__(self, seed):
        self.seed = seed

    def note(self, text):
        if text.startswith(f"trial with seed {self.seed}"):
            raise StoppedError


def test_stopped_trials_go_on_and_end_as_if_never_stopped(home):
    with pytest.raises(StoppedError):
        run(home, "p.toml", "stopped", progress=StopsAt(5))
    with pytest.raises(DataError, match="holds the trials seed-3, which are not finished: .* again with --trials"):
        asdcore.load_trials(home / "stopped")
    assert run(home, "p.toml", "stopped").digest == asdcore.load_trials(home / "trials").digest


def test_trials_replace_trials_and_nothing_else(home, tmp_path):
    shutil.copytree(home / "trials", tmp_path / "trials")
    out = tmp_path / "trials"
    assert run(home, "p.toml", out).seeds == (3, 5)
    (home / "other.toml").write_text(SINGLE.replace("seed = 5", "seed = 3"))
    with pytest.raises(StoreError, match=r"seed-5 is a trial that does not belong to those asked for \(seed-3\)"):
        run(home, "other.toml", out, trials=1)
    with pytest.raises(StoreError, match="holds files that no run wrote"):
        run(home, "other.toml", out)
    (out / "mine.txt").write_text("mine")
    with pytest.raises(StoreError, match="holds files that no trials wrote, such as mine.txt"):
        run(home, "p.toml", out)
    with pytest.raises(StoreError, match="holds files that no trials wrote, such as calibrated.parquet"):
        run(home, "p.toml", run(home, "single.toml", "single").folder)


def test_a_trial_that_is_another_run_is_refused(home, tmp_path):
    shutil.copytree(home / "trials", tmp_path / "trials")
    run(home, "single.toml", tmp_path / "trials" / "seed-5")  # the same result: it still belongs
    assert asdcore.load_trials(tmp_path / "trials").seeds == (3, 5)
    (home / "other.toml").write_text(SINGLE.replace("components = 3", "components = 2"))
    run(home, "other.toml", tmp_path / "trials" / "seed-5")
    with pytest.raises(StoreError, match="seed-5 is not the trial that .*trials.json names: .* other recordings"):
        asdcore.load_trials(tmp_path / "trials")


@pytest.mark.parametrize("content", ['{"schema": 1}', "[]", "no JSON", '{"schema": 1, "trials": {"3": "0"}}'])
def test_a_damaged_file_of_trials_is_refused(home, tmp_path, content):
    shutil.copytree(home / "trials", tmp_path / "trials")
    (tmp_path / "trials" / "trials.json").write_text(content)
    with pytest.raises(StoreError, match="trials.json cannot be read .* again with --trials"):
        asdcore.load_trials(tmp_path / "trials")


def test_a_command_for_one_run_names_the_trials(home):
    with pytest.raises(DataError, match="trials holds trials. Name one of them: .*seed-3, .*seed-5"):
        asdcore.load_run(home / "trials")


def test_as_many_trials_as_asked_begin_with_the_seed_of_the_portfolio(home, simple):
    assert run(home, simple, "counted", trials=3).seeds == (0, 1, 2)
    assert run(home, simple, "from-one", trials=1).seeds == (0,)
    assert asdcore.load_trials(home / "counted").notes()[0].startswith("all 3 trials are equal")
    assert asdcore.load_trials(home / "from-one").notes() == []
    assert asdcore.load_trials(home / "trials").notes() == []
    with pytest.raises(PortfolioError, match=r"names 2 seeds \(3, 5\), but 4 trials are asked for. Leave --trials out"):
        run(home, "p.toml", "contradiction", trials=4)
    with pytest.raises(PortfolioError, match="trials is 0; at least 1"):
        run(home, simple, "none", trials=0)
    assert not (home / "contradiction").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds = [3, 5]", "seeds = [3, 3]", "the seed 3 is named twice"),
        ("seeds = [3, 5]", "seeds = []", "seeds: "),
        ("seeds = [3, 5]", "seeds = [-1]", "seeds.0: "),
        ("seeds = [3, 5]", "seed = 0\nseeds = [3, 5]", "'seed' and 'seeds' are both given"),
        ("seeds = [3, 5]", "", 'seeds = "all" means the seeds of the portfolio\'s trials, and it names none'),
        ('seeds = "all"', 'seeds = "some"', "systems.together.seeds"),
        ("[branches.near]", '[branches."mixed@3"]', "is that of branch 'mixed' at this seed, but the two differ"),
        ("[branches.near]", '[branches."far@3"]', "there is no branch 'far'"),
    ],
)
def test_seeds_that_mean_nothing_are_refused(home, tmp_path, old, new, message):
    text = PORTFOLIO.replace(old, new)
    if "@" in new:
        text = text.replace("{ near", "{ " + new.removeprefix("[branches.").removesuffix("]"))
    (tmp_path / "wrong.toml").write_text(text)
    with pytest.raises(PortfolioError, match=message):
        asdcore.load_portfolio(tmp_path / "wrong.toml")


def test_a_portfolio_without_seeds_is_written_as_it_was(simple):
    written = asdcore.load_portfolio(simple).model_dump(mode="json")
    assert "seeds" not in written
    assert "seed" not in written["branches"]["near_knn"]
    assert "seeds" not in written["systems"]["knn"]
