"""What the tests of run folders share: a finished run, and a copy of it to spoil."""

from __future__ import annotations

import pytest

import asdcore
from asdcore.runs.folder import TABLES
from asdcore.runs.writing import write_run
from asdcore.store.digests.sealed_json import FIELD


@pytest.fixture(scope="session")
def finished(dataset, tmp_path_factory):
    """A finished run; tests that spoil one take a copy."""
    home = tmp_path_factory.mktemp("finished")
    portfolio = home / "p.toml"
    portfolio.write_text(
        'name = "p"\n[branches.b]\nencoder = { name = "logmel", n_mels = 16, power = 2.0 }\nscorer = "knn"\n'
        "[systems.S]\nweights = { b = 1.0 }\n"
    )
    return asdcore.run(portfolio, dataset, home / "run", store=home / "store")


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the run."""
    tables = {name: getattr(finished, name) for name in TABLES}
    said = {key: value for key, value in finished.about.items() if key not in ("schema", "tables", FIELD)}
    return write_run(tmp_path / "run", tables, said)
