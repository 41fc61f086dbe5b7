"""Deals train normals to the folds of a crossfit: each is scored by a network that has not seen it, nor its group.

The folds are chosen before any network is trained, so how far neighbours are alike has not been measured yet: by
neighbours, the largest gap that the rules of :mod:`asdcore.held_out.plan` allow takes no part in a fold's training.
"""

from __future__ import annotations

import polars as pl

from asdcore.errors import DataError, located
from asdcore.held_out.plan import HeldOut, Rows
from asdcore.held_out.recording_order import places
from asdcore.portfolio import OutOfFold


def crossfit_folds(train: pl.DataFrame, choice: OutOfFold, count: int, seed: int) -> list[tuple[Rows, Rows]]:
    """Return for each fold the rows that its network does not see, and the rows it is trained on.

    Parameters
    ----------
    train : polars.DataFrame
        The train clips of one machine and section: rows of the clip index, by name.
    choice : OutOfFold
        The portfolio's ``[out_of_fold]``.
    count : int
        How many folds, at most one for each clip.
    seed : int
        The portfolio's.

    Raises
    ------
    DataError
        If there is one clip only.
    """
    with located(f"{train['machine'][0]} section {train['section'][0]}, crossfit"):
        lying = places(train, choice)
        widest = dict.fromkeys(lying.domain, len(train)) if lying.measured else None
        folds = HeldOut(lying, widest).folds(tuple(train["sha256"]), count, seed)
        if any(not len(rest) for _, rest in folds):
            raise DataError("a fold leaves no train clip to learn from. Choose fewer folds, or more train clips")
        return folds
