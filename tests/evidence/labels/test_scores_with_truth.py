"""asdcore.evidence.labels.scores_with_truth: scores and truth meet by clip name, all of them or none."""

from __future__ import annotations

import polars as pl
import pytest

from asdcore.errors import EvaluationError
from asdcore.evidence.labels.scores_with_truth import check_joined, join_systems

TEST = [f"fan/test/{i}.wav" for i in range(4)]
CLIPS = pl.DataFrame(
    {
        "clip": [*TEST, "fan/train/0.wav"],
        "machine": "fan",
        "section": "00",
        "split": ["test"] * 4 + ["train"],
    }
)
TRUTH = pl.DataFrame({"clip": TEST[::-1], "label": [1, 1, 0, 0], "domain": ["target", "source"] * 2})
SYSTEMS = pl.DataFrame(
    {
        "clip": [*TEST, "fan/train/0.wav"],
        "system": "A",
        "role": ["test"] * 4 + ["oof"],
        "score": [0.1, 0.2, 0.3, 0.4, 0.0],
    }
)


def test_test_rows_get_the_truth_of_their_clip():
    table = join_systems(SYSTEMS, None, CLIPS, TRUTH)
    assert sorted(table.select("clip", "score", "label", "domain").rows()) == [
        ("fan/test/0.wav", 0.1, 0, "source"),
        ("fan/test/1.wav", 0.2, 0, "target"),
        ("fan/test/2.wav", 0.3, 1, "source"),
        ("fan/test/3.wav", 0.4, 1, "target"),
    ]
    check_joined(table)


def test_decisions_are_joined_where_there_are_any():
    decisions = pl.DataFrame({"clip": TEST, "system": "A", "decision": [0, 0, 1, 1]})
    table = join_systems(SYSTEMS, decisions, CLIPS, TRUTH)
    assert dict(table.select("clip", "decision").rows()) == dict(zip(TEST, [0, 0, 1, 1], strict=True))
    with pytest.raises(EvaluationError, match=r"The decisions of system A: 1 missing: fan/test/0\.wav"):
        join_systems(SYSTEMS, decisions[1:], CLIPS, TRUTH)


def test_truth_and_systems_cover_exactly_the_test_clips():
    with pytest.raises(EvaluationError, match=r"The ground truth: 1 missing: fan/test/3\.wav"):
        join_systems(SYSTEMS, None, CLIPS, TRUTH[1:])
    with pytest.raises(EvaluationError, match=r"System A: 1 missing: fan/test/0\.wav"):
        join_systems(SYSTEMS[1:], None, CLIPS, TRUTH)


def test_a_clip_has_one_label_and_one_domain_in_all_systems():
    table = join_systems(SYSTEMS, None, CLIPS, TRUTH)
    both = pl.concat([table, table.with_columns(system=pl.lit("B"))])
    check_joined(both)
    first = (pl.col("system") == "B") & (pl.col("clip") == TEST[0])
    for change in ({"label": 1}, {"domain": pl.lit("target")}):
        ((name, value),) = change.items()
        with pytest.raises(
            EvaluationError, match=r"1 clips have another label or domain in another system, such as fan/test/0\.wav"
        ):
            check_joined(both.with_columns(pl.when(first).then(value).otherwise(name).alias(name)))
