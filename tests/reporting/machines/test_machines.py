"""One machine: bins, ROC corners and the tail, against the metrics they explain."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdcore.evidence.metrics import auc
from asdcore.reporting.machines.machines import BINS, TAIL, corners, curves, distributions, tail

SCORES = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=12).map(np.array)


def clips_of(normals, anomalies, base=None):
    scores = [*normals, *anomalies]
    n = len(scores)
    columns = {
        "clip": [f"m/test/{i:03d}.wav" for i in range(n)],
        "role": ["test"] * n,
        "sha256": [f"{i:064x}" for i in range(n)],
        "domain": (["source", "target"] * n)[:n],
        "label": [0] * len(normals) + [1] * len(anomalies),
        "attributes": ["spd_1"] * n,
        "score": scores,
        "base": scores if base is None else base,
        "penalty": [0.0] * n if base is None else (np.array(base) - np.array(scores)).tolist(),
        "threshold": [2.5] * n,
    }
    return pl.DataFrame(columns).sort("score", "clip", descending=[True, False])


@settings(deadline=None)
@given(SCORES, SCORES)
def test_the_area_under_the_corners_is_the_auc(normals, anomalies):
    x, y = map(np.array, corners(normals, anomalies))
    area = np.sum(np.diff(x) * (y[1:] + y[:-1])) / 2 / (len(normals) * len(anomalies))
    labels = np.r_[np.zeros(len(normals)), np.ones(len(anomalies))]
    assert area == pytest.approx(auc(np.r_[normals, anomalies], labels), abs=1e-12)


@settings(deadline=None)
@given(SCORES, SCORES)
def test_corners_run_from_nothing_to_everything_and_none_lies_on_a_line(normals, anomalies):
    x, y = map(np.array, corners(normals, anomalies))
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, len(normals), len(anomalies))
    dx, dy = np.diff(x), np.diff(y)
    assert (dx[:-1] * dy[1:] != dx[1:] * dy[:-1]).all()


def test_there_is_a_curve_for_every_set_of_normals_of_the_years_cells():
    rows = clips_of([1.0, 2.0, 3.0, 4.0], [5.0, 6.0])
    assert [one["name"] for one in curves(rows, 2024)] == ["source normals", "target normals", "all normals"]
    assert [one["name"] for one in curves(rows, 2020)] == ["all normals"]
    assert curves(rows.with_columns(label=pl.lit(None, dtype=pl.Int8)), 2024) == []


def test_bins_count_every_clip_once_those_beyond_the_ends_too():
    rows = clips_of([float(i) for i in range(300)], [1e6])
    found = distributions(rows)
    counts = {(group, domain): sum(bins) for group, domain, bins in found["counts"]}
    assert sum(counts.values()) == 301
    assert counts["anomaly", "source"] == 1
    assert all(len(bins) == BINS for *_, bins in found["counts"])
    assert found["start"] + BINS * found["step"] < 1000


def test_scores_that_are_all_the_same_have_bins():
    assert sum(sum(bins) for *_, bins in distributions(clips_of([1.0] * 4, [1.0]))["counts"]) == 5


def test_the_tail_holds_the_highest_normals_with_the_anomalies_they_outrank():
    rows = tail(clips_of([float(i) for i in range(20)], [15.5, 17.5, 30.0]))
    assert len(rows) == TAIL
    assert [row["score"] for row in rows[:3]] == [19.0, 18.0, 17.0]
    assert [row["outranks"] for row in rows[:5]] == [2, 2, 1, 1, 0]
    assert [row["rank"] for row in rows[:3]] == [2, 3, 5]
    assert rows[0]["flagged"]
    assert rows[0]["anomalies"] == 3


def test_the_tail_says_how_a_guard_moved_a_clip():
    (first, second) = tail(clips_of([3.0, 4.0], [3.5], base=[6.0, 4.0, 3.5]))
    assert (first["penalty"], first["rank_before"], first["rank"]) == (0.0, 2, 1)
    assert (second["penalty"], second["rank_before"], second["rank"]) == (3.0, 1, 3)


def test_without_labels_the_tail_holds_the_highest_clips():
    rows = clips_of([1.0, 2.0], [3.0]).with_columns(label=pl.lit(None, dtype=pl.Int8))
    assert [row["score"] for row in tail(rows)] == [3.0, 2.0, 1.0]
    assert {row["anomalies"] for row in tail(rows)} == {0}
