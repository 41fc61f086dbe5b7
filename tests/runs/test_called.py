"""What a finished run calls anomalous, by system, and which clip most of all."""

from __future__ import annotations

from types import SimpleNamespace

import polars as pl

from asdcore.runs.called import called


def run(*rows):
    columns = ["clip", "system", "score", "threshold", "decision"]
    return SimpleNamespace(decisions=pl.DataFrame(rows, schema=columns, orient="row"))


def test_each_system_names_the_clip_furthest_above_its_own_threshold():
    told = called(
        run(
            ("a", "s", 9.0, 8.0, 1),  # another machine, with a higher threshold
            ("b", "s", 5.0, 2.0, 1),
            ("c", "s", 1.0, 2.0, 0),
            ("a", "t", 0.5, 2.0, 0),
        ),
        title="run: {}".format,
    )
    assert told == [
        "run: s calls 2 of 3 test clips anomalous, most of all b (score 5, threshold 2).",
        "run: t calls 0 of 1 test clips anomalous.",
    ]


def test_a_run_without_test_clips_has_nothing_to_say():
    assert called(run()) == []
