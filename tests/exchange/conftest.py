"""A run whose features go out and come in again."""

from __future__ import annotations

import pytest

import asdcore

EUCLIDEAN = {"name": "temporal", "metric": "euclidean"}


@pytest.fixture(scope="session")
def exchanged(tmp_path_factory, dataset):
    """A folder with the run ``run`` of two branches, its store, and its data."""
    folder = tmp_path_factory.mktemp("exchange")
    branch = {"encoder": {"name": "logmel", "n_mels": 16}, "scorer": "knn"}
    frames = {"encoder": {"name": "logmel", "n_mels": 16, "pooling": "frames"}, "scorer": EUCLIDEAN}
    plan = asdcore.Portfolio.model_validate(
        {"name": "p", "branches": {"b": branch, "f": frames}, "systems": {"S": {"weights": {"b": 1}}}}
    )
    asdcore.run(plan, dataset, folder / "run", store=folder / "store")
    return folder
