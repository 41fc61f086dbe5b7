"""The frozen run that is kept in manifests/ fits this code, and comes out again from nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import asdcore
from asdcore.frozen.manifest.statement import read_manifest
from asdcore.frozen.pinning.environment import changes, environment_now
from asdcore.frozen.verify import verify
from asdcore.runs.folder import TABLES

TINY = Path(__file__).parents[2] / "manifests" / "tiny.json"
STALE = "the frozen run is not of this code: 'make refreeze' makes it anew"


@pytest.fixture(scope="module")
def places(tiny_sound, copied, tmp_path_factory):
    """The tiny set and its run, made again here."""
    home = tmp_path_factory.mktemp("tiny")
    places = {name: home / name for name in ("data", "run", "store")}
    copied(tiny_sound, places["data"])
    asdcore.run("demo", places["data"], places["run"], task="dcase2026", store=places["store"])
    return places


def test_its_code_and_plugins_are_those_of_this_checkout(places):
    found = {one.group for one in verify(TINY, **places).differences}
    assert not found & {"code", "plugin", "portfolio", "manifest"}, STALE


@pytest.fixture
def same_versions():
    """Skips if a library or Python is another than the manifest's. The processor does not count."""
    recorded = read_manifest(TINY).predicate["environment"]
    if other_versions := list(changes(recorded, environment_now(recorded))):
        pytest.skip(f"frozen with other versions, where bits may differ: {other_versions[:3]}")


@pytest.mark.usefixtures("same_versions")
@pytest.mark.parametrize("core", [None, "Nehalem"], ids=["this processor", "other kernels"])
def test_it_recomputes_exactly_from_the_recordings_alone(places, core, tmp_path):
    """Found on 2026-11-28: frozen on one maker's processor, four of five tables differed on another's."""
    variables = {**os.environ, **({"OPENBLAS_CORETYPE": core} if core else {})}
    absent = ("--run", tmp_path / "run", "--store", tmp_path / "store")
    command = [sys.executable, "-m", "asdcore", "verify", TINY, "--data", places["data"], *absent, "--recompute"]
    done = subprocess.run([*map(str, command), "--json"], env=variables, capture_output=True, text=True, check=False)
    result = json.loads(done.stdout)
    assert [(row["table"], row["max_abs_diff"]) for row in result["recomputed"]] == [(name, 0.0) for name in TABLES]
    assert result["differences"] == [], STALE
    assert core is None or f"is {core}" in " ".join(result["notes"])
