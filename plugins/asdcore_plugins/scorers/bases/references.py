"""Which train normals make up each reference, and the refusals if they are too few.

A reference is a bank of train normals: all of them (``pooled``), or those of one domain (``source``, ``target``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError, Without
from asdcore_plugins.stats.arrays import Indices


def members_of(domain: NDArray[np.str_], references: Sequence[str]) -> dict[str, Indices]:
    """Return the train clips of each reference, by their place in ``domain`` (n_train,).

    Examples
    --------
    >>> members_of(np.array(["source", "target", "source"]), ["source", "pooled"])
    {'source': array([0, 2]), 'pooled': array([0, 1, 2])}
    """
    return {name: np.flatnonzero((domain == name) | (name == "pooled")) for name in references}


def large_enough(
    scorer: str, members: Mapping[str, Indices], fewest: int, named: Iterable[str] | None = None
) -> dict[str, Indices]:
    """Return the references with at least ``fewest`` train clips.

    Raises
    ------
    DataError
        If no reference has so many. The message names all references, or those of ``named``.
    """
    kept = {name: clips for name, clips in members.items() if len(clips) >= fewest}
    if not kept:
        raise too_few(scorer, fewest, members if named is None else named, max(map(len, members.values()), default=0))
    return kept


def too_few(scorer: str, fewest: int, references: Iterable[str], found: int) -> DataError:
    """Return the error that no reference has enough train normals; found : how many the largest has."""
    return DataError(
        f"{scorer} needs at least {fewest} train normals in one of its references {', '.join(references)}, and the "
        f"largest has {found}. Add normal clips to train, or choose another scorer."
    )


def references_left(without: Without | None, members: Mapping[str, Indices], fewest: int, scorer: str) -> list[str]:
    """Return the references in which every train normal has at least ``fewest`` others that it may be scored by.

    Raises
    ------
    DataError
        If no reference has so many others for each train normal.
    """
    kept = [name for name, clips in members.items() if without is None or without.fewest_left(clips) >= fewest]
    if not kept:
        raise too_few_left(scorer, fewest, members)
    return kept


def too_few_left(scorer: str, fewest: int, references: Iterable[str]) -> DataError:
    """Return the error that train normals keep too few others to be scored by."""
    return DataError(
        f"{scorer} needs at least {fewest} train normals to score each train normal by; with those left out that its "
        f"score must not rest on, some keep fewer, in each of the references {', '.join(references)}"
    )
