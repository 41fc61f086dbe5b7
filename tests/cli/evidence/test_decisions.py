"""asdcore decisions: what thresholds promise by clip and by recording, side by side with what came."""

from __future__ import annotations

import json

import polars as pl
import pytest
from typer.testing import CliRunner

import asdcore as api
from asdcore.cli import app


def asdcore(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def runs(recorded, tmp_path_factory):
    return recorded(tmp_path_factory.mktemp("decisions"), "auto", "clip")


def test_rates_by_clip_and_by_group_stand_side_by_side(runs):
    """First of all tests here: afterwards the run has been evaluated."""
    folder = runs["auto"].folder
    done = asdcore("decisions", folder)
    assert done.exit_code == 0, done.output
    said = " ".join(done.stdout.split())
    assert "near-duplicates: leave-one-out would promise 5.0 % and give" in said
    assert "bound: keeps it by proof, if a new clip comes from a new group" in said
    (heading,) = [line for line in done.stdout.splitlines() if "leave-one-out gives" in line and "aimed at" in line]
    assert heading.split()[-3:] == ["by", "groups", "came"]
    prose = done.stdout.partition("Next: asdcore evaluate")[0]
    assert max(map(len, prose.splitlines())) <= 100
    assert "section" not in heading, "each machine has the section 00 alone"
    told = json.loads(asdcore("decisions", folder, "--json", "--systems", "one").stdout)
    assert {(row["domain"], row["came"]) for row in told["side_by_side"]} == {("source", None), ("target", None)}
    api.evaluate(folder, replicates=0)
    told = json.loads(asdcore("decisions", folder, "--json", "--systems", "one").stdout)
    decided = runs["auto"].decisions.filter(system="one")
    for row in told["side_by_side"]:
        normals = [one for one in decided.to_dicts() if f"_{row['domain']}_test_normal" in one["clip"]]
        assert row["came"] == pytest.approx(sum(one["decision"] for one in normals) / 30)
    assert {row["system"] for row in told["thresholds"]} == {"one"}


def test_a_run_that_left_clips_out_alone_is_told_what_it_would_give(runs):
    done = asdcore("decisions", runs["clip"].folder, "--systems", "one")
    assert done.exit_code == 0, done.output
    said = " ".join(done.stdout.split())
    assert "neighbouring clips are near-duplicates: this run's leave-one-out promises 5.0 % and would give" in said
    assert '[out_of_fold] by = "auto" in the portfolio.' in said
    assert 'above the threshold that [out_of_fold] by = "auto" would set' in said
    assert "Thresholds that count groups" not in done.stdout


def test_all_of_it_is_one_table_in_a_file(runs, tmp_path):
    folder, cell = runs["auto"].folder, ("system", "machine", "domain")
    done = asdcore("decisions", folder, "--csv", tmp_path / "all.csv")
    assert done.exit_code == 0, done.output
    assert "Train normals above the threshold" in done.stdout
    table = pl.read_csv(tmp_path / "all.csv", schema_overrides={"section": pl.String})
    told = json.loads(asdcore("decisions", folder, "--json").stdout)
    assert table["rate"].to_list() == [row["rate"] for row in told["train_normals"]]
    rates = {tuple(row[key] for key in cell): row["by_group"] for row in told["side_by_side"]}
    assert rates
    assert table["by_group"].to_list() == [rates.get(row) for row in table.select(cell).rows()]
    thresholds = {(row["system"], row["machine"]): row["threshold"] for row in told["thresholds"]}
    assert table["threshold"].to_list() == [thresholds[row] for row in table.select(cell[:2]).rows()]


def test_a_mirror_alone_has_nothing_to_compare(runs):
    done = asdcore("decisions", runs["auto"].folder, "--systems", "copy")
    assert done.exit_code == 0, done.output
    assert "look at the system that it mirrors" in " ".join(done.stdout.split())


def test_a_store_that_is_gone_costs_only_the_comparison(runs, monkeypatch):
    def gone(*_):
        raise api.errors.StoreError("its features are gone.")

    monkeypatch.setattr("asdcore.evidence.false_alarms.side_by_side._left_out_alone", gone)
    done = asdcore("decisions", runs["auto"].folder)
    assert done.exit_code == 0, done.output
    assert "The rates that leave-one-out would promise are unknown: its features are gone." in " ".join(
        done.stdout.split()
    )
    assert "Train normals above the threshold" in done.stdout
