"""asdcore select, audit and decisions: every figure comes with its definition."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import asdcore as api
from asdcore.cli import app

PORTFOLIO = """
name = "{name}"

[branches.a]
encoder = {{ name = "logmel", n_mels = {bands} }}
scorer = {{ name = "knn", metric = "euclidean" }}

[systems.one]
weights = {{ a = 1.0 }}

[systems.two]
out_of_fold_mirror_of = "one"
"""


def asdcore(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def made(make_dataset, tmp_path_factory):
    """Two runs on the same recordings, their stores apart from the tests' own."""
    folder = tmp_path_factory.mktemp("selection")
    data = make_dataset(folder / "data", source=12, target=4)
    for name, bands in (("small", 16), ("large", 64)):
        (folder / f"{name}.toml").write_text(PORTFOLIO.format(name=name, bands=bands))
        api.run(folder / f"{name}.toml", data, folder / name, task="dcase2026", store=folder / "store")
    return folder


def test_an_audit_from_plan_to_choice(made, tmp_path):
    """First of all tests here: afterwards the runs have been evaluated."""
    runs = [made / "small", made / "large"]
    done = asdcore("audit", "plan", *runs, "--out", tmp_path / "plan.json")
    assert done.exit_code == 0, done.output
    assert "4 candidates, small/one, small/two, large/one, large/two." in done.stdout
    assert f"asdcore audit decide {tmp_path / 'plan.json'}" in done.stdout
    done = asdcore("audit", "decide", tmp_path / "plan.json")
    assert done.exit_code == 0, done.output
    assert "1. compliance:" in done.stdout
    told = json.loads(asdcore("audit", "decide", tmp_path / "plan.json", "--json").stdout)
    assert f"{told['chosen']} is chosen by the rule of plan.json" in done.stdout
    assert {row["left_at"] for row in told["rows"]} <= {"chosen", "official score", "risk", "pAUC"}
    done = asdcore("audit", "plan", *runs, "--out", tmp_path / "again.json", "--json")
    assert "evaluated 2 times" in str(done.exception)
    late = json.loads(asdcore("audit", "plan", *runs, "--out", tmp_path / "again.json", "--late", "--json").stdout)
    assert len(late["late"]) == 2


@pytest.mark.parametrize("protocol", ["lomo", "mirror", "tournament", "criteria"])
def test_every_protocol_shows_what_it_means_and_what_came_out(made, protocol):
    arguments = ["select", made / "small", made / "large", "--protocol", protocol, "--replicates", "100"]
    done = asdcore(*arguments)
    assert done.exit_code == 0, done.output
    told = json.loads(asdcore(*arguments, "--json").stdout)
    flat = " ".join(done.stdout.split())
    assert told["definition"] in flat
    assert told["sentence"] in flat
    assert ("Looks at these labels" in flat) == (protocol != "criteria") == (told["looks"] is not None)
    assert max(map(len, done.stdout.splitlines()[:8])) <= 100
    assert ("are in percent" in flat) == (protocol != "criteria")


def test_tables_facts_and_sentence_have_one_unit_and_json_keeps_fractions(made):
    arguments = ["select", made / "small", made / "large", "--protocol", "tournament", "--replicates", "100"]
    told = json.loads(asdcore(*arguments, "--json").stdout)
    printed = asdcore(*arguments).stdout
    assert f"direct: {100 * told['direct']:.2f}\n" in printed
    assert f"with {100 * told['direct']:.2f}, of which" in printed
    assert f"p: {told['p']:.4f}\n" in printed
    typeset = asdcore(*arguments, "--latex", "-").stdout
    for row in told["rows"]:
        assert 0 <= row["official_score"] <= 1
        assert f"{100 * row['official_score']:.2f} & {100 * row['wins']:.2f}" in typeset
    criteria = json.loads(asdcore(*arguments[:3], "--protocol", "criteria", "--json").stdout)["rows"][0]
    assert f"{criteria['domain_balance']:.4f}  " in asdcore(*arguments[:3], "--protocol", "criteria").stdout


def test_nested_leaves_mirrors_out(made):
    arguments = ["select", made / "small", made / "large", "--protocol", "nested"]
    assert "Leave it out: --systems small/one --systems large/one." in str(asdcore(*arguments).exception)
    done = asdcore(*arguments, "--systems", "small/one", "--systems", "large/one")
    assert done.exit_code == 0, done.output
    assert "inner_fpr" in done.stdout
    assert "2 machines" in done.stdout


def test_decisions_say_what_cannot_be_promised(made):
    done = asdcore("decisions", made / "large", "--systems", "one")
    assert done.exit_code == 0, done.output
    assert "4 target clips cannot support 5.0 %: the smallest rate that they can promise is 1/5 = 20.0 %." in " ".join(
        done.stdout.split()
    )
    assert f"asdcore evaluate {made / 'large'}" in done.stdout
    api.evaluate(made / "large", replicates=0)
    done = asdcore("decisions", made / "large", "--systems", "one")
    assert "target_share_of_top_normals: share of target clips" in done.stdout
    told = json.loads(asdcore("decisions", made / "large", "--json").stdout)
    assert {row["system"] for row in told["train_normals"]} == {"one", "two"}
    mean, *cells = [row for row in told["test_normals"] if row["system"] == "one"]
    assert (mean["machine"], {row["machine"] for row in cells}) == (None, {"fan", "3DPrinter"})
    for reading in ("target_fpr_at_threshold", "target_share_of_top_normals"):
        assert mean[reading] == pytest.approx(sum(row[reading] for row in cells) / 2)
    (made / "large" / "evaluation.json").write_text("{}")
    assert "is damaged. Evaluate the run again" in str(asdcore("decisions", made / "large").exception)


@pytest.mark.parametrize("arguments", [["select"], ["select", "x", "--protocol", "best"], ["audit"], ["decisions"]])
def test_wrong_use_exits_with_2(arguments):
    assert asdcore(*arguments).exit_code == 2
