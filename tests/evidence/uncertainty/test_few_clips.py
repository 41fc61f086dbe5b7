"""Intervals that rest on a few clips are not left to look sure."""

from __future__ import annotations

import numpy as np
import polars as pl

from asdcore.evidence.uncertainty import intervals


def joined(target_normals, windows=1, others=12):
    """Scores of one machine with so many normal target recordings, of so many windows each."""
    rng = np.random.default_rng(target_normals)
    counts = {("source", 0): others, ("source", 1): others, ("target", 0): target_normals, ("target", 1): others}
    rows = [
        (f"{domain}_{label}_{i}_{w}.wav", f"{domain} {label} {i}", float(rng.normal() + label), label, domain)
        for (domain, label), n in counts.items()
        for i in range(n)
        for w in range(windows)
    ]
    table = pl.DataFrame(rows, ["clip", "recording", "score", "label", "domain"], orient="row")
    return table.with_columns(machine=pl.lit("fan"), section=pl.lit("00"), system=pl.lit("A"))


def notes(table, year=2026):
    return intervals(table, year, replicates=100).notes


def test_a_cell_with_a_single_normal_clip_is_named():
    (note,) = notes(joined(1))
    assert note.startswith("fan section 00, auc_target: 1 normal clip. With so few, an interval is too narrow")


def test_from_ten_clips_on_there_is_no_note():
    assert not notes(joined(10))
    assert "auc_target: 9 normal clips." in notes(joined(9))[0]


def test_windows_of_a_recording_count_once():
    assert "auc_target: 3 normal recordings." in notes(joined(3, windows=6))[0]
    assert not notes(joined(10, windows=2))


def test_many_cells_become_one_note():
    table = pl.concat(joined(1).with_columns(machine=pl.lit(f"m{i}")) for i in range(6))
    (note,) = notes(table)
    assert "m3 section 00" in note
    assert "; and 2 more." in note
    assert "m4" not in note


def test_anomalies_are_counted_in_the_domain_that_the_year_takes():
    table = joined(12).filter(
        (pl.col("label") == 0) | (pl.col("domain") == "source") | pl.col("clip").str.contains("_1_0")
    )
    assert not notes(table)  # all anomalies of the section count, and there are 13 or more
    (note,) = notes(table, 2021)
    assert "auc_target: " in note
    assert "anomalous clip" in note


def test_the_interval_of_such_a_cell_misses_the_truth_as_often_as_the_note_says():
    """The AUC of one normal clip, 100 test sets: far from 95 of 100 intervals hold 0.76, the truth for d' = 1."""
    held = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        table = joined(1).with_columns(score=pl.Series(rng.normal(size=37)) + pl.col("label"))
        interval = intervals(table, 2026, replicates=100).cells["A"][0]["auc_target"]
        held += interval.low <= 0.7602 <= interval.high
    assert 15 < held < 60
