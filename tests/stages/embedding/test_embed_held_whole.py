"""Recordings too long for what is to hear them are refused before any work, with what to type."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import asdcore
from asdcore.compute.encoding.held_whole import too_large, too_long
from asdcore.compute.encoding.requests import Output, Request
from asdcore.errors import DataError
from asdcore.stages.embedding import embed_held_whole
from asdcore.stages.embedding.embed_jobs import EmbedJob

CLIPS = pl.DataFrame(
    {
        "clip": ["pump/test/long.wav", "pump/test/short.wav", "pump/test/wide.wav"],
        "sha256": ["long", "short", "wide"],
        "channels": [1, 1, 8],
        "sample_rate": [16_000, 16_000, 16_000],
        "n_samples": [3 * 3_600 * 16_000, 160_000, 2 * 3_600 * 16_000],
    },
    schema_overrides={"channels": pl.Int32},
)
REQUEST = Request("near", "{}", "logmel", "{}", (Output(None, "mean", "{}", Path("features")),))


class Encoder:
    """An encoder that says how many seconds it may be given."""

    def __init__(self, longest=None):
        self.longest = longest


def job(*clips, request=REQUEST):
    return EmbedJob(tuple((Path(f"{clip}.wav"), clip) for clip in clips), (request,))


def limited(monkeypatch, longest):
    """Let the encoder of a request need the whole of what it is given."""

    def refused(request, device, recording):
        seconds = recording.n_samples / recording.sample_rate
        return too_long(request, Encoder(longest), seconds) or too_large(request, Encoder(longest), recording)

    monkeypatch.setattr(embed_held_whole, "refused", refused)


def test_what_is_read_in_blocks_is_never_refused():
    embed_held_whole.check([job("long", "wide"), job("short")], CLIPS)
    embed_held_whole.check([], CLIPS)


def test_the_longest_is_named_where_an_encoder_allows_less(monkeypatch):
    limited(monkeypatch, 60.0)
    embed_held_whole.check([job("short")], CLIPS)
    with pytest.raises(DataError) as refusal:
        embed_held_whole.check([job("short", "long")], CLIPS)
    assert str(refusal.value) == (
        "pump/test/long.wav lasts 3 h. Encoder 'logmel' hears a clip at once, and its memory allows 1 min. "
        "--seconds 10 (or [windows] seconds = 10 in the portfolio) makes clips of its windows."
    )


def test_the_largest_is_named_where_the_samples_of_all_channels_are_too_many(monkeypatch):
    limited(monkeypatch, None)
    embed_held_whole.check([job("short")], CLIPS)
    with pytest.raises(DataError, match=r"^pump/test/long\.wav lasts 3 h\. View 'near' .*: 0\.69 GB of samples"):
        embed_held_whole.check([job("short", "long")], CLIPS)
    with pytest.raises(DataError, match=r"^pump/test/wide\.wav lasts 2 h\. View 'near' .*: 3\.69 GB of samples, and 0"):
        embed_held_whole.check([job("short", "wide")], CLIPS)


@pytest.mark.parametrize(
    ("encoder", "way"),
    [
        ("beats", "In the portfolio, window_seconds = 10 lets the encoder hear windows of 10 s; or --seconds 10"),
        ("echo", "In the portfolio, beyond = 'windows' lets the encoder hear windows; or --seconds 10"),
        ("onnx", "In the portfolio, its parameter 'window' lets the encoder hear windows; or --seconds 10"),
        ("hear", "--seconds 10 (or [windows]"),
    ],
)
def test_the_way_out_is_what_the_encoder_takes(encoder, way):
    request = Request("near", "{}", encoder, "{}", REQUEST.outputs)
    assert way in too_long(request, Encoder(60.0), 61.0)
    assert too_long(request, Encoder(60.0), 60.0) == too_long(request, Encoder(), 1e9) == ""


@pytest.mark.parametrize("longest", [0, -1.0, "60"])
def test_another_bound_is_the_fault_of_the_encoder(longest):
    with pytest.raises(asdcore.PluginError, match="a number of seconds above 0 is allowed, or None"):
        too_long(REQUEST, Encoder(longest), 1.0)


def test_a_run_refuses_before_it_embeds(simple, dataset, tmp_path, monkeypatch):
    limited(monkeypatch, 0.1)
    with pytest.raises(DataError, match=r"lasts .* s\. Encoder 'logmel' hears a clip at once, and its memory allows 0"):
        asdcore.run(simple, dataset, tmp_path / "run", store=tmp_path / "store")
    assert not (tmp_path / "store" / "features").exists()
