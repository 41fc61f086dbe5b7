"""Compare what scorers have learnt with what they learn now, from the same train normals.

The tables of a run cannot show it: their scores were given when the scorers were fitted, and an inference scores by the
states that were kept. A state that somebody wrote anew before the freeze, its seal and its probe too, is found here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from asdcore.errors import StoreError
from asdcore.frozen.manifest.locations import Roots
from asdcore.frozen.manifest.statement import Manifest
from asdcore.frozen.verifying.differences import CHANGED, Difference
from asdcore.frozen.verifying.how_far import arrays_apart
from asdcore.store.digests.digest import file_digest
from asdcore.store.fitted_state import read_state

ROUNDED = 2.0**-20
"""Difference of an array's values, as a share of the largest, that kernels may make: the store may have been filled on
another processor."""


def fitted_again(manifest: Manifest, roots: Roots, again: Path) -> Iterator[Difference]:
    """Yield the pinned states of scorers that are others than those fitted anew, beyond rounding.

    again : the store in which everything was computed anew. What either store lacks is not compared.
    """
    for subject in manifest.of_kind("fitted"):
        there, here = roots.locate(subject.name), again / subject.name.removeprefix("store/")
        if there and there.is_file() and here.is_file() and file_digest(there) != file_digest(here):
            try:
                where = _other(read_state(there).state, read_state(here).state)
            except StoreError as error:
                where = str(error)
            if where:
                yield Difference(CHANGED, "fitted", subject.name, f"fitted anew it has learnt something else: {where}")


def _other(pinned: Any, again: Any, where: str = "") -> str:
    """Return where two states differ beyond rounding, and how far; "" if they do not."""
    if isinstance(pinned, Mapping) and isinstance(again, Mapping):
        if pinned.keys() != again.keys():
            return f"{where or 'it'} has other keys"
        below = (_other(pinned[key], again[key], f"{where}/{key}".lstrip("/")) for key in sorted(pinned))
        return next(filter(None, below), "")
    if isinstance(pinned, np.ndarray | float) and isinstance(again, np.ndarray | float):
        before, after = np.asarray(pinned), np.asarray(again)
        if before.dtype == after.dtype and before.tobytes() == after.tobytes() and before.shape == after.shape:
            return ""
        apart = arrays_apart(before, after) if before.dtype == after.dtype and before.dtype.kind == "f" else None
        is_rounded = apart is not None and apart.absolute <= ROUNDED * apart.largest
        return "" if is_rounded else f"{where} differs {apart or 'in its values'}"
    return "" if type(pinned) is type(again) and pinned == again else f"{where} differs"
