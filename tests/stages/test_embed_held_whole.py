"""Long recordings that memory must hold as a whole are noted, with how large they are."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from asdcore.compute.requests import Output, Request
from asdcore.stages import embed_held_whole
from asdcore.stages.embed_jobs import EmbedJob

HOURS = 3
CLIPS = pl.DataFrame(
    {"sha256": ["long", "short"], "n_samples": [HOURS * 3_600 * 16_000, 160_000], "channels": [1, 1]},
    schema_overrides={"channels": pl.Int32},
)


def job(view, encoder, clips=("long", "short")):
    output = Output(None, "mean", "{}", Path("features"))
    request = Request(view, "{}", encoder, "{}", (output,))
    return EmbedJob(tuple((Path(f"{clip}.wav"), clip) for clip in clips), (request,))


def test_a_view_that_cannot_read_in_blocks_is_noted_with_the_samples_that_it_holds():
    (note,) = embed_held_whole.notes([job("wiener", "logmel"), job("near", "logmel")], CLIPS)
    assert note.startswith("view 'wiener' with encoder 'logmel' holds each of 1 long recording in memory as a whole")
    assert "up to 0.7 GB of samples" in note


@pytest.mark.parametrize("jobs", [[], [job("near", "logmel")], [job("wiener", "logmel", ["short"])]])
def test_nothing_is_noted_of_what_is_read_in_blocks_or_short_or_kept_already(jobs):
    assert embed_held_whole.notes(jobs, CLIPS) == []


def test_a_run_notes_it(simple, dataset, tmp_path, monkeypatch):
    import asdcore

    monkeypatch.setattr(embed_held_whole, "LARGE", 1)
    monkeypatch.setattr(embed_held_whole, "in_blocks", lambda request, device: False)
    run = asdcore.run(simple, dataset, tmp_path / "run", store=tmp_path / "store")
    assert any("in memory as a whole" in note for note in run.about["notes"])
