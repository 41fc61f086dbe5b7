"""Progress: what long work is at within one step is shown where it runs, and nowhere else."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

import asdcore
from asdcore import progress
from asdcore.progress import Bars, Lines, Silent, doing, pace


def test_nobody_is_told_outside_a_stage_or_in_silence(capsys, monkeypatch):
    monkeypatch.setattr(progress, "QUIET", 0.0)
    doing("nothing")
    with Silent().stage("score", 1) as advance:
        doing("nothing")
        advance(1)
    assert capsys.readouterr() == ("", "")


def test_a_log_is_told_after_a_while_and_not_of_every_step(capsys, monkeypatch):
    monkeypatch.setattr(progress, "QUIET", 0.0)
    with Lines().stage("score", 2) as advance:
        doing("fan section 00, fold 1 of 5")
        monkeypatch.setattr(progress, "QUIET", 1000.0)
        doing("fan section 00, fold 2 of 5")
        advance(2)
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("score: fan section 00, fold 1 of 5, after ")
    assert len(told) == 2
    doing("fold 3 of 5")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("done", "seconds", "total", "told"),
    [
        (64, 30.0, 10_000, "2.1 a second, 78 min left"),
        (1, 60.0, 3, "1 a minute, 2 min left"),
        (500, 10.0, 1000, "50 a second, 10 s left"),
        (500, 10.0, 10_000_000, "50 a second, 56 h left"),
        (64, 30.0, 0, "2.1 a second"),
    ],
)
def test_pace_and_what_is_left_are_in_words(done, seconds, total, told):
    assert pace(done, seconds, total) == told


def test_a_log_is_told_how_far_a_long_stage_is(capsys, monkeypatch):
    monkeypatch.setattr(progress, "QUIET", 0.0)
    with Lines().stage("embed", 2000) as advance:
        advance(64)
        advance(1936)
    told = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"embed: 64 of 2,000 \(.* a second, .* left\), after 0 s", told[0])
    assert len(told) == 2


def test_a_terminal_is_told_beside_the_bar(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr("rich.console.Console", lambda **_: Console(file=shown, force_terminal=True, width=200))
    with Bars().stage("score", 1) as advance:
        doing("fan section 00, fold 2 of 5")
        advance(1)
    assert "fold 2 of 5" in shown.getvalue()


def test_scoring_in_folds_says_which_one(make_dataset, tmp_path, monkeypatch):
    heard = []
    monkeypatch.setattr("asdcore.stages.scoring.score.doing", heard.append)
    data = make_dataset(tmp_path / "data", ("fan",), source=6, target=2, test=2)
    (tmp_path / "p.toml").write_text(
        'name = "p"\nfolds = 4\n[branches.a]\nencoder = { name = "logmel", n_mels = 8 }\nscorer = "gmm"\n'
        "[systems.s]\nweights = { a = 1.0 }\n"
    )
    asdcore.run(tmp_path / "p.toml", data, tmp_path / "run", task="dcase2026", store=tmp_path / "store")
    assert [one.rpartition(", ")[2] for one in heard] == [f"fold {k} of 4" for k in (1, 2, 3, 4)]
    assert heard[0].startswith("branch 'a', fan section 00")
