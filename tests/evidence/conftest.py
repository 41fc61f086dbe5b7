"""Runs that several test files make: a portfolio of their own, on a dataset of their own."""

from __future__ import annotations

import pytest

import asdcore


@pytest.fixture(scope="session")
def run_of(make_dataset, tmp_path_factory):
    """A function that writes a portfolio, and a dataset of one machine, "fan", and runs the one on the other."""

    def run(portfolio: str, **clips: int) -> asdcore.Run:
        folder = tmp_path_factory.mktemp("run_of")
        data = make_dataset(folder / "data", ("fan",), **clips)
        (folder / "portfolio.toml").write_text(portfolio)
        return asdcore.run(folder / "portfolio.toml", data, folder / "run", task="dcase2026", store=folder / "store")

    return run
