"""asdcore.cli.output.results and compare: tables with intervals that a person can read, and a program can cut apart."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from asdcore.cli import main
from asdcore.cli.output.results import NO_WIDTH, show_comparison, show_evaluation
from asdcore.cli.output.terminal import WIDTH
from asdcore.evidence.comparisons.comparison import Comparison
from asdcore.evidence.evaluations.evaluate import evaluate_table
from asdcore.evidence.uncertainty import differences

GOLDEN = Path(__file__).parent / "golden" / "official_2024"
MACHINES = [
    "3DPrinter", "AirCompressor", "BlowerDustCollector", "HoveringDrone", "SewingMachine", "ToothBrush", "ToyCarEmu",
    "ToyCircuit", "bearingEmu",
]  # fmt: skip
SYSTEMS = ["fused", "guarded_primary", "plain"]


def joined(section="00"):
    """Nine machines and three systems, 10 clips of each domain and label."""
    rng, parts = np.random.default_rng(0), []
    domains, labels = np.tile(np.repeat(["source", "target"], 10), 2), np.repeat([0, 1], 20)
    for machine in MACHINES:
        latent = rng.normal(size=40) + labels
        for system in SYSTEMS:
            frame = {"machine": machine, "section": section, "system": system, "score": latent + rng.normal(size=40)}
            parts.append(
                pl.DataFrame({**frame, "clip": [f"{i:02d}" for i in range(40)], "label": labels, "domain": domains})
            )
    return pl.concat(parts)


@pytest.mark.parametrize("section", ["00", "01"])
@pytest.mark.parametrize("year", [2020, 2021, 2026])
def test_nine_machines_and_three_systems_fit_into_100_columns(capsys, year, section):
    result = evaluate_table(joined(section), year, replicates=100)
    show_evaluation(result)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= WIDTH
    for system, one in result.systems.items():
        low, high = result.uncertainty.official[system]["bca"].as_json()
        official = f"{100 * one.official_score:.2f} [{100 * low:.2f}, {100 * high:.2f}]"
        assert re.search(rf"^{system} +{re.escape(official)}  +\[", shown, re.MULTILINE)
        for cell, sure in zip(one.cells, result.uncertainty.cells[system], strict=True):
            for name in (name for name in sure if name not in ("machine", "section")):
                digits = 0 if year == 2021 else 1
                interval = f"[{100 * sure[name].low:.{digits}f}, {100 * sure[name].high:.{digits}f}]"
                assert f"{100 * cell[name]:.2f} {interval}" in shown
    for machine in MACHINES:
        assert len(re.findall(rf"^{machine}{'' if section == '00' else ' 01'} ", shown, re.MULTILINE)) == 1


def test_an_interval_without_width_is_not_left_to_look_sure(capsys):
    perfect = joined().with_columns(score=pl.col("label") + pl.int_range(pl.len()) / 1e6)
    show_evaluation(evaluate_table(perfect, 2026, replicates=100))
    shown = capsys.readouterr().out
    assert "100.00 [100.0, 100.0]" in shown
    assert "not that\nit is sure: where n anomalies" in shown
    assert max(map(len, NO_WIDTH)) <= WIDTH
    for n, percent in ((6, 54), (20, 83), (100, 96)):
        assert round(100 * 0.025 ** (1 / n)) == percent
    show_evaluation(evaluate_table(joined(), 2026, replicates=100))
    assert "without width" not in capsys.readouterr().out


def test_without_replicates_there_are_no_brackets(capsys):
    show_evaluation(evaluate_table(joined(), 2026))
    shown = capsys.readouterr().out
    assert "[" not in shown
    assert "other machines" not in shown


def test_a_comparison_shows_every_pair_and_says_what_it_means(capsys):
    table = joined()
    found = differences(table, 2026, replicates=100, permutations=99)
    show_comparison(Comparison(evaluate_table(table, 2026, replicates=100), found, 99))
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= WIDTH
    assert len(found) == 3
    for one in found:
        numbers = [f"{100 * value:.2f}" for value in (one.estimate, one.interval.low, one.interval.high)]
        row = (
            rf"^{one.first} +{one.second} +{numbers[0]} \[{numbers[1]}, {numbers[2]}\] +{one.p:.2g} +{one.p_holm:.2g} "
        )
        assert re.search(row, shown, re.MULTILINE)
        assert one.sentence in " ".join(shown.split())


@pytest.fixture
def asdcore(capsys, monkeypatch):
    """A function that gives a command in this process, and returns its exit code, results and messages."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["asdcore", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return command


def test_evaluate_takes_the_number_of_replicates(asdcore):
    command = ["evaluate", "--scores", GOLDEN / "teams", "--truth", GOLDEN, "--year", "2024", "--json"]
    told = {number: json.loads(asdcore(*command, "--replicates", number)[1]) for number in ("0", "100")}
    for name, system in told["0"]["systems"].items():
        assert system["ci95"] is None
        assert len(told["100"]["systems"][name]["ci95"]) == 2
    message = "Error: replicates is 5; an interval needs at least 100, better 2000.\n"
    assert asdcore(*command, "--replicates", "5") == (2, "", message)


def test_compare_from_the_command_line(asdcore, dataset, fused, tmp_path):
    asdcore("run", fused, "--data", dataset, "--out", tmp_path / "run", "--task", "dcase2026")
    assert f"asdcore compare {tmp_path / 'run'}" in asdcore("evaluate", tmp_path / "run")[1]
    few = ["--replicates", "100", "--permutations", "99"]
    told = json.loads(asdcore("compare", tmp_path / "run", *few, "--json")[1])
    (row,) = told["differences"]
    code, shown, messages = asdcore("compare", tmp_path / "run", *few)
    assert code == 0, messages
    assert f"{100 * row['difference']:.2f} [" in shown
    assert row["sentence"] in " ".join(shown.split())
    message = "Error: There is only the system plain: a comparison needs two. Name another run.\n"
    assert asdcore("compare", tmp_path / "run", "--systems", "plain") == (2, "", message)
