"""Clips of unknown machines: scored by every detector, taken for the nearest, judged by the official cells."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import asdcore
from asdcore.cli import app
from asdcore.errors import EvaluationError
from asdcore.fusion.smooth_ecdf import SmoothEcdf
from asdcore.runs.folder import load_run

PLAN = {
    "name": "plan",
    "branches": {"near": {"encoder": {"name": "logmel", "n_mels": 16}, "scorer": "knn"}},
    "systems": {"S": {"weights": {"near": 1.0}}},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory, make_dataset):
    """A folder with the run ``run`` of two machines, 3DPrinter and fan, and its store."""
    folder = tmp_path_factory.mktemp("unknown")
    make_dataset(folder / "data")
    plan = asdcore.Portfolio.model_validate(PLAN)
    asdcore.run(plan, folder / "data", folder / "run", store=folder / "store", task="dcase2026")
    return folder


def test_both_ways_are_judged_by_the_official_cells_and_the_ledger_knows(home):
    result = asdcore.evaluate_unknown_machine(home / "run", replicates=0, hypothesis="little is lost")
    known = asdcore.evaluate(home / "run", replicates=0).systems["S"]
    assert list(result.evaluation.systems) == ["S", "S, machine unknown"]
    for judged, cell in zip(result.evaluation.systems["S"].cells, known.cells, strict=True):
        assert all(judged[name] == cell[name] for name in ("machine", "auc_source", "auc_target", "pauc"))
    look = next(look for look in asdcore.ledger(home / "store").looks if "unknown" in look.entry["what"])
    assert (look.entry["what"], look.entry["hypothesis"]) == ("machine unknown, run of plan", "little is lost")


def test_every_clip_is_counted_once_and_its_score_is_that_of_the_nearest_detector(home):
    result = asdcore.evaluate_unknown_machine(home / "run", replicates=0)
    run = load_run(home / "run")
    tested = run.clips.filter(split="test")
    assert sum(row["clips"] for row in result.confusion) == len(tested)
    for row in result.confusion:
        assert sum(row["taken_for"].values()) == row["clips"]
        assert row["recognized"] == row["taken_for"].get(row["machine"], 0) / row["clips"]


def test_a_clip_is_never_rarer_under_the_nearest_detector_than_under_its_own(home, monkeypatch):
    from asdcore.evidence.evaluations import unknown_machine

    kept = {}
    monkeypatch.setattr(unknown_machine, "_confusion", lambda nearest, table: kept.update(nearest=nearest) or [])
    asdcore.evaluate_unknown_machine(home / "run", replicates=0)
    run = load_run(home / "run")
    scores = run.systems.join(run.clips.select("clip", "machine"), on="clip")
    for machine in ("3DPrinter", "fan"):
        normals = scores.filter(machine=machine, role="oof")["score"].to_numpy()
        own = scores.filter(machine=machine, role="test").sort("clip")
        p = SmoothEcdf(normals).survival(own["score"].to_numpy())
        nearest = kept["nearest"].join(own.select("clip"), on="clip", how="semi").sort("clip")
        assert (nearest["p"].to_numpy() >= p * (1 - 1e-9)).all()
        mine = (nearest["machine"] == machine).to_numpy()
        assert np.allclose(nearest["p"].to_numpy()[mine], p[mine])


def test_one_machine_is_never_unknown(make_dataset, tmp_path):
    data = make_dataset(tmp_path / "data", ("fan",), source=12, test=2)
    run = asdcore.run(asdcore.Portfolio.model_validate(PLAN), data, tmp_path / "run", task="dcase2026")
    with pytest.raises(EvaluationError, match="test clips of a single machine, so it is never unknown"):
        asdcore.evaluate_unknown_machine(run)


def test_the_command_shows_both_and_who_is_taken_for_whom(home):
    command = ["evaluate", str(home / "run"), "--unknown-machine", "--replicates", "0"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0
    assert "S, machine unknown" in done.stdout
    assert "rule: nearest" in done.stdout
    told = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert told["rule"] == "nearest"
    assert pl.DataFrame(told["confusion"]).height == 4
