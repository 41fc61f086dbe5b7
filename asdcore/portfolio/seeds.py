"""The seeds of a portfolio: those of its trials, and those that an ensemble takes the mean over.

A portfolio with ``seeds`` is run once for each of them, as if it had that ``seed``. A system with ``seeds`` needs each
of its branches once for every seed: such a branch is a branch like any other, "forest@3" for "forest" with
``seed = 3``.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field


def _each_once(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if twice := [seed for seed in seeds if seeds.count(seed) > 1]:
        raise ValueError(f"the seed {twice[0]} is named twice. Name each seed once.")
    return seeds


Seed = Annotated[int, Field(ge=0, strict=True)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(_each_once)]
"""Several seeds, each of them once."""


def at_seed(branch: str, seed: int) -> str:
    """Return the name of a branch at one seed of an ensemble, such as "forest@3"."""
    return f"{branch}@{seed}"


def split_seed(branch: str) -> tuple[str, int] | None:
    """Return the branch and the seed that :func:`at_seed` named; None for any other name."""
    base, at, seed = branch.rpartition("@")
    return (base, int(seed)) if base and at and seed.isdecimal() and seed.isascii() else None


def without_none(written: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Leave out keys that have no value, so that a portfolio without them keeps the digest that it had before them."""
    return {key: value for key, value in written.items() if key not in keys or value is not None}
