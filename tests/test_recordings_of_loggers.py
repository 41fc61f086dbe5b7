"""A logger's files, from a table to a verdict: rates and units are taken from the file, or asked for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat
from typer.testing import CliRunner

import asdcore
from asdcore.cli import app

RATE = 25600


def logged(path, seed, seconds, worn=False):
    """Write a MATLAB file of two channels of acceleration that does not say its rate."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(seconds * RATE)) / RATE
    sound = 3 * np.random.default_rng(seed).standard_normal(len(time))
    worn_sound = sound + 20 * np.sin(2 * np.pi * 4000 * time) * worn
    savemat(path, {"DE": worn_sound[:, None], "BA": np.zeros((len(time), 1))})


@pytest.fixture
def hall(tmp_path):
    for day in range(4):
        logged(tmp_path / "hall" / f"day {day}.mat", day, 4)
    logged(tmp_path / "hall" / "new.mat", 9, 3, worn=True)
    return tmp_path / "hall"


def table(hall, columns="", values=""):
    rows = [f"day {day}.mat,mill,train{values}" for day in range(4)] + [f"new.mat,mill,test{values}"]
    (hall / "clips.csv").write_text("\n".join([f"path,machine,split{columns}", *rows]))


@pytest.mark.parametrize(
    ("columns", "values", "problem"),
    [
        ("", "", r"day 0.mat: has 2 channels and none is chosen: DE, BA. Choose one, by the column channel"),
        (",channel", ",DE", r"day 0.mat#channel=DE: the file does not say the sample rate of its channel DE"),
        (",channel,rate", ",XE,25600", r"day 0.mat#channel=XE&rate=25600: has no channel 'XE'. Did you mean 'DE'"),
        (",channel,rate", ",DE,fast", r"day 0.mat: row 2: its rate is 'fast'; a whole number of Hz is allowed"),
        (",channel,rate", ",DE,0", r"row 2: its rate is '0'"),
    ],
)
def test_what_is_missing_is_asked_for(hall, columns, values, problem):
    table(hall, columns, values)
    with pytest.raises(asdcore.DatasetError) as refused:
        asdcore.load_dataset("index").clips(hall)
    assert problem in str(refused.value)


def test_units_of_one_machine_must_agree(hall):
    table(hall, ",channel,rate,unit", ",DE,25600,g")
    text = (hall / "clips.csv").read_text().replace("new.mat,mill,test,DE,25600,g", "new.mat,mill,test,DE,25600,")
    (hall / "clips.csv").write_text(text)
    with pytest.raises(asdcore.DatasetError, match="its unit is unknown, that of the other clips of mill is g"):
        asdcore.load_dataset("index").clips(hall)


def test_from_the_table_to_a_verdict(hall, tmp_path):
    table(hall, ",channel,rate,unit", ",DE,25600.0,m/s²")
    portfolio = asdcore.load_portfolio("logmel-knn").in_windows(0.5)
    run = asdcore.run(portfolio, hall, tmp_path / "run", store=tmp_path / "store")
    assert run.clips["sample_rate"].unique().to_list() == [RATE]
    assert run.decisions["decision"].to_list() == [1] * 6
    asdcore.freeze(run, tmp_path / "mill.json")
    assert asdcore.verify(tmp_path / "mill.json").passed
    asdcore.export(tmp_path / "mill.json", tmp_path / "mill.asd")
    done = CliRunner().invoke(
        app, ["detect", str(tmp_path / "mill.asd"), f"{hall}/day 0.mat#channel=DE&rate=25600&unit=m%2Fs%C2%B2"]
    )
    assert done.exit_code == 0, done.output
    assert done.stdout.count(f"{hall}/day 0.mat#t=") == 8


def test_a_folder_of_loggers_files_is_listed_and_a_table_begun(hall):
    done = CliRunner().invoke(app, ["data", "index", str(hall), "--write-index", str(hall / "clips.csv")])
    assert done.exit_code == 0, done.output
    first = (hall / "clips.csv").read_text().splitlines()[:2]
    assert first == [
        "path,machine,split,section,domain,label,attributes,start,end,channel,rate,unit,recording,order",
        "day 0.mat,machine,train,00,source,,,,,,,,,",
    ]
