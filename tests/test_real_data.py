"""Real recordings of DCASE 2023, where they are at hand: the figures are known, and everything decodes."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import soundfile
from typer.testing import CliRunner

import asdcore
from asdcore.cli import app
from asdcore.data.recordings.audio import resample
from asdcore.portfolio import find_portfolio

# Time mean of the official baseline's log-mel and 1-NN over all train normals, in percent: computed independently of
# this project from the official definitions.
EUCLIDEAN = {"auc_source": 68.1, "auc_target": 37.1, "pauc": 49.3}
COSINE = {"auc_source": 68.6, "auc_target": 47.0, "pauc": 48.4}


@pytest.fixture(scope="module")
def toycar_store(made_once):
    """One store for all processes: what one has computed another need not."""
    return made_once("toycar-store", lambda folder: folder.mkdir())


@pytest.mark.parametrize(("metric", "expected", "official"), [("euclidean", EUCLIDEAN, 48.4), ("cosine", COSINE, 53.1)])
def test_toycar_comes_out_at_the_reference_figures(shared, toycar_store, tmp_path, metric, expected, official):
    data = shared("data", "dcase2023_toycar_small")
    portfolio = find_portfolio("logmel-knn").read_text().replace("euclidean", metric)
    path = tmp_path / "portfolio.toml"
    path.write_text(portfolio)
    run = asdcore.run(path, data, tmp_path / "run", task="dcase2023", store=toycar_store)
    result = asdcore.evaluate(run).systems["knn"]
    (cell,) = result.cells
    for name, figure in expected.items():
        assert 100 * cell[name] == pytest.approx(figure, abs=0.1)
    assert 100 * result.official_score == pytest.approx(official, abs=0.1)


def test_the_default_portfolio_says_why_one_channel_is_not_enough(shared, tmp_path):
    data = shared("data", "dcase2023_toycar_small")
    with pytest.raises(asdcore.DataError, match=r"ToyCar/.*view 'w1'.*needs a near and a far channel.*has 1"):
        asdcore.run("demo", data, tmp_path / "run", task="dcase2023")
    assert not (tmp_path / "run").exists()


SIX = """
name = "six"
[branches.mean_knn]
encoder = { name = "logmel", pooling = "mean" }
scorer = { name = "knn", k = 1, metric = "cosine", references = ["pooled"] }
[branches.mean_mahalanobis]
encoder = { name = "logmel", pooling = "mean" }
scorer = { name = "mahalanobis", references = ["pooled"] }
[branches.both_tied]
encoder = { name = "logmel", pooling = "mean_std" }
scorer = { name = "mahalanobis", covariance = "tied", references = ["pooled"] }
[branches.both_varmin]
encoder = { name = "logmel", pooling = "mean_std" }
scorer = { name = "varmin", k = 4, references = ["pooled"] }
[branches.mn04_knn]
encoder = { name = "efficientat", checkpoint = "CHECKPOINT", layer = [5, 10, 13], pooling = "mean" }
scorer = { name = "knn", k = 1, metric = "cosine", references = ["pooled"] }
[branches.modulation_knn]
encoder = { name = "modulation" }
scorer = { name = "knn", k = 1, metric = "cosine", references = ["pooled"] }
[systems.S]
weights = { mean_knn = 1, mean_mahalanobis = 1, both_tied = 1, both_varmin = 1, mn04_knn = 1, modulation_knn = 1 }
"""


def test_source_normals_of_toycar_exceed_a_threshold_about_as_often_as_it_says(shared, toycar_store, tmp_path):
    data = shared("data", "dcase2023_toycar_small")
    path = tmp_path / "six.toml"
    path.write_text(SIX.replace("CHECKPOINT", str(shared("weights", "mn04_as") / "mn04_as_mAP_432.pt")))
    run = asdcore.run(path, data, tmp_path / "run", task="dcase2023", store=toycar_store)
    shares = {0.8: [], 0.95: []}
    for branch in run.scores["branch"].unique():
        scores = run.scores.filter(pl.col("branch") == branch)
        normals = scores.filter((pl.col("role") == "oof") & (pl.col("domain") == "source"))["score"].to_numpy()
        tested = scores.filter(pl.col("clip").str.contains("source_test_normal"))["score"].to_numpy()
        assert len(tested) == 50
        for quantile, found in shares.items():
            found.append(float(np.mean(tested > np.quantile(normals, quantile))))
    # By clip these are 0.32 to 0.50, and up to 0.32.
    assert max(shares[0.8]) <= 0.26
    assert max(shares[0.95]) <= 0.18
    assert np.median(shares[0.8]) >= 0.1
    (*rows,) = run.about["out_of_fold"]
    assert {row["by"] for row in rows} == {"neighbours"}
    assert all(row["domains"]["source"]["range"] >= 5 for row in rows)


def test_a_flat_folder_of_a_plants_files_goes_to_a_report_in_one_command(shared, tmp_path, monkeypatch):
    asked_for = []
    monkeypatch.setattr("asdcore.reporting.report", lambda out, **_: asked_for.append(out) or out / "report.html")
    plant = tmp_path / "plant"
    plant.mkdir()
    for number, path in enumerate(sorted(shared("data", "dcase2023_samples").glob("*.wav"))):
        sound, rate = soundfile.read(path, frames=32000, dtype="float32")
        stereo = np.stack([resample(sound, rate, 44100), resample(0.5 * sound, rate, 44100)], axis=1)
        soundfile.write(plant / f"Halle 2, Aufnahme {number:02d}.wav", 0.9 * stereo, 44100, subtype="PCM_24")
    asked = ["run", "default", "--data", plant, "--out", tmp_path / "run", "--store", tmp_path / "store", "--report"]
    done = CliRunner().invoke(app, [str(word) for word in asked])
    assert done.exit_code == 0, done.output
    assert "28 clips" in done.stdout
    assert f"The report is in {tmp_path / 'run' / 'report.html'}" in done.stdout
    assert asked_for == [tmp_path / "run"]
