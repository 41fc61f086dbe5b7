"""P-values that count clips of recordings are said to, with what the clips are worth."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest

import asdcore
from asdcore.contract.plugins import installed
from asdcore.evidence.false_alarms.tail_notes import tail_notes
from asdcore.held_out import groups_of
from asdcore.held_out.promises import effective_clips
from asdcore.portfolio import parse_portfolio


def with_normalizer(run, name, by=None):
    """Return the portfolio of a run whose branches are normalized otherwise."""
    said = run.about["portfolio"]
    branches = {one: {**branch, "normalizer": name} for one, branch in said["branches"].items()}
    return parse_portfolio({**said, "branches": branches, **({"out_of_fold": {"by": by}} if by else {})})


def notes_of(run, name):
    return tail_notes(run.scores, run.clips, with_normalizer(run, name), run.about["out_of_fold"], installed())


@pytest.mark.parametrize("name", ["conformal", "ecdf", "gpd", "gamma"])
def test_normalizers_that_read_a_tail_say_what_clips_of_recordings_are_worth(grouped, name):
    run = grouped["auto"]
    (note,) = notes_of(run, name)
    assert note.startswith(f"normalizer {name!r} of branch 'a', 'b': its p-values count clips")
    branch, groups, worth, least = re.search(
        r"The 106 train clips of fan section 00 \(branch '(.)'\) come in (\d+) groups and are worth about (\d+) .* "
        r"no p-value below 1/(\d+)",
        note,
    ).groups()
    own = groups_of(run, [branch])
    assert int(groups) == own["group"].n_unique() == int(least) - 1
    pooled = run.scores.filter(
        (pl.col("branch") == branch) & (pl.col("role") == "oof") & (pl.col("reference") == "pooled")
    )
    rows = pooled.filter(pl.col("fold") == pooled["fold"].min()).join(own.select("clip", "group"), on="clip")
    scores = rows["score"].to_numpy()
    above = scores > np.sort(scores)[int(np.ceil(0.95 * len(scores))) - 1]
    assert int(worth) == round(effective_clips(above, rows["group"].to_numpy())) < 106


@pytest.mark.parametrize("name", ["median_iqr", "mean_std", "mad", "qn"])
def test_a_scale_is_no_p_value(grouped, name):
    assert notes_of(grouped["auto"], name) == []


def test_where_each_clip_counts_by_itself_nothing_is_said(grouped):
    assert notes_of(grouped["clip"], "conformal") == []


def test_groups_by_attribute_count_too(grouped):
    (note,) = notes_of(grouped["attribute"], "conformal")
    assert "come in 14 groups" in note  # 12 runs of the source, 2 of the target


def test_a_run_says_it_once_and_keeps_it(grouped, tmp_path):
    before = grouped["auto"]
    again = {
        "data": before.about["data"],
        "task": "dcase2025",
        "store": before.about["store"],
    }
    plan = with_normalizer(before, "conformal")
    run = asdcore.run(plan, out=tmp_path / "run", **again)
    assert [note for note in run.about["notes"] if "p-values count clips" in note] == notes_of(before, "conformal")
    alone = asdcore.run(with_normalizer(before, "conformal", "clip"), out=tmp_path / "alone", **again)
    assert not any("p-values count clips" in note for note in alone.about["notes"])
    report = asdcore.report(run, tmp_path / "report.html")
    assert "its p-values count clips" in report.read_text()
