"""Says how far apart two outputs are that should be the same to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.authoring.conformance.bench.driver import Rows, describe


def bits_apart(expected: Rows, actual: Rows) -> str:
    """Describe the largest difference between two outputs, by name and row; "" if all bits are the same.

    Examples
    --------
    >>> bits_apart({"pooled": np.array([1.0, 2.0])}, {"pooled": np.array([1.0, 2.5])})
    'pooled of row 1 is 2.5 instead of 2.0: 0.5 apart, 0.25 of the value; 1 of 2 rows differ'
    """
    if missing := [name for name in expected if name not in actual]:
        return f"{_are(missing)} missing; there is {', '.join(actual) or 'nothing'}"
    if added := [name for name in actual if name not in expected]:
        return f"{_are(added)} there too, besides {', '.join(expected)}"
    for name, right in expected.items():
        left = actual[name]
        if left.shape != right.shape or left.dtype != right.dtype:
            return f"{name} is {describe(left)} instead of {describe(right)}"
        if left.tobytes() != right.tobytes():
            return _largest(name, right, left)
    return ""


def _are(names: list[str]) -> str:
    return f"{' and '.join(names)} {'are' if names[1:] else 'is'}"


def _largest(name: str, right: NDArray[Any], left: NDArray[Any]) -> str:
    differs = np.array([a.tobytes() != b.tobytes() for a, b in zip(right, left, strict=True)])
    with np.errstate(all="ignore"):
        gap = np.abs(left.astype(np.float64) - right.astype(np.float64)).reshape(len(right), -1).max(axis=1)
    # A difference of nothing and of nan is one too: a zero of the other sign, an infinity that became a number.
    row = int(np.where(differs, np.nan_to_num(gap, nan=np.inf), -1.0).argmax())
    where = np.flatnonzero(np.atleast_1d(left[row] != right[row]).ravel())
    place = int(where[0]) if len(where) else 0
    new, old = (float(np.atleast_1d(array[row]).ravel()[place]) for array in (left, right))
    share = f", {abs(new - old) / abs(old):.2g} of the value" if old else ""
    return (
        f"{name} of row {row} is {new!r} instead of {old!r}: {abs(new - old):.2g} apart{share}; "
        f"{int(differs.sum())} of {len(right)} rows differ"
    )
