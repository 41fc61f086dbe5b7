"""What the report says of why clips stand out: the shares that a detector of the run gives, and they add up."""

from __future__ import annotations

import polars as pl
import pytest

from asdcore.reporting.machines.machines import TOP, machine_parts
from asdcore.reporting.machines.shares import AS_USUAL, share_out, shown_in
from asdcore.reporting.reported_runs import open_subjects


@pytest.fixture(scope="module")
def subject(carried):
    return open_subjects([carried.run], None, None, lambda _: None)[0]


@pytest.fixture(scope="module")
def parts(subject):
    shown = list(machine_parts(subject))
    assert share_out(subject, shown) == []
    return shown


def test_shares_of_every_clip_shown_add_up_to_its_score(parts):
    assert {system for _, system, _ in parts} == {"carried", "largest", "mirrored"}
    for _, _, part in parts:
        for row in shown_in(part):
            assert row["shares"][0][0] == AS_USUAL
            largest = max(abs(adds) for _, adds in row["shares"])
            assert sum(adds for _, adds in row["shares"]) == pytest.approx(row["score"], abs=2e-3 * largest)


def test_they_are_those_of_the_detector_of_this_run(carried, detector, parts):
    sound = {clip: (audio, rate, machine) for clip, machine, _, audio, rate in carried.clips()}
    for (machine, _), system, part in parts:
        row = shown_in(part)[0]
        audio, rate, of = sound[row["clip"]]
        assert of == machine
        verdict = detector.score(audio, rate, machine, system=system)
        shares = {name: branch.share for name, branch in verdict.branches.items()}
        shares |= {f"guard {name}": taken for name, taken in verdict.guards.items()} | {AS_USUAL: verdict.usual}
        assert dict(row["shares"]) == pytest.approx(shares, rel=1e-3, abs=1e-6)


def test_the_highest_clips_are_shown_whatever_their_label(subject, parts):
    for (machine, _), system, part in parts:
        rows = subject.rows.filter(machine=machine, system=system, role="test")
        assert [row["score"] for row in part["top"]] == [
            float(f"{score:.4g}") for score in rows["score"].sort(descending=True)[:TOP]
        ]
        assert {row["group"] for row in part["top"]} <= {"anomaly", "test normal"}


def test_scores_that_are_no_longer_those_of_the_run_are_not_divided(carried):
    run = carried.run
    vars(run)["systems"] = run.systems.with_columns(pl.col("score") + 1.0)
    subject = open_subjects([run], None, None, lambda _: None)[0]
    shown = list(machine_parts(subject))
    notes = share_out(subject, shown)
    assert len(notes) == 2
    assert "scores are not divided among branches" in notes[0]
    assert "code or libraries have changed since. Run the portfolio again." in notes[0]
    assert not any("shares" in row for _, _, part in shown for row in shown_in(part))
