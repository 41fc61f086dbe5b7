"""The frozen run that is kept in manifests/ fits this code, and comes out again from nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

import asdcore
from asdcore.frozen.environment import changes, environment_now
from asdcore.frozen.manifest import read_manifest
from asdcore.frozen.verify import verify

TINY = Path(__file__).parents[2] / "manifests" / "tiny.json"
STALE = "the frozen run is not of this code: 'make refreeze' makes it anew"


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """The tiny set and its run, made again here."""
    home = tmp_path_factory.mktemp("tiny")
    places = {name: home / name for name in ("data", "run", "store")}
    asdcore.synthesize(places["data"], profile="tiny")
    asdcore.run("demo", places["data"], places["run"], task="dcase2026", store=places["store"])
    return places


def test_its_code_and_plugins_are_those_of_this_checkout(places):
    found = {one.group for one in verify(TINY, **places).differences}
    assert not found & {"code", "plugin", "portfolio", "manifest"}, STALE


def test_it_verifies_and_recomputes_exactly(places):
    recorded = read_manifest(TINY).predicate["environment"]
    if other_versions := list(changes(recorded, environment_now(recorded))):
        pytest.skip(f"frozen with other versions, where bits may differ: {other_versions[:3]}")
    result = verify(TINY, **places, recompute=True)
    assert result.differences == [], STALE
    assert [row["max_abs_diff"] for row in result.recomputed] == [0.0] * 5
