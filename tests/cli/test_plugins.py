"""What 'asdcore plugins' lists, and that a look at the list hashes nothing."""

from __future__ import annotations

import json

import pytest

from asdcore.cli.plugins import plugins
from asdcore.contract.plugins import Component, installed


@pytest.fixture
def hashed(monkeypatch):
    """The components whose source is hashed."""
    seen = []
    monkeypatch.setattr(Component, "source_digest", property(lambda one: seen.append((one.kind, one.name)) or "0" * 64))
    return seen


def test_the_table_lists_every_component_and_hashes_none(capsys, hashed):
    plugins()
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["kind", "name", "plugin", "distribution", "version"]
    assert ["scorer", "knn", "asdcore_plugins.scorers.knn", "asdcore"] in [line.split()[:4] for line in lines]
    assert len(lines) == sum(len(installed().components(kind)) for kind in {line.split()[0] for line in lines})
    assert hashed == []


def test_json_says_the_hash_of_every_component(capsys, hashed):
    plugins(as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert [(row["kind"], row["name"]) for row in found["components"]] == hashed
    assert {row["source_sha256"] for row in found["components"]} == {"0" * 64}
    assert found["hooks"]["asdcore_plugins.scorers.knn"] == ["register_scorers"]
