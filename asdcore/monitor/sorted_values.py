"""Values in order, of which the rank of the next is asked: there may be millions, and one more costs little.

One more among n values in one array moves half of them: after a year of windows that would be most of a monitor's work.
So the last few are kept apart, and are merged with the many now and then. Ranks are exact, whatever is kept where.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

FEW = 4096
"""Values that are kept apart. To insert one among them moves 16 kB; to merge them costs n / 4096 steps for each."""


class SortedValues:
    """Numbers in ascending order; equal ones are all kept.

    Parameters
    ----------
    values : iterable of float
        In any order.

    Examples
    --------
    >>> heard = SortedValues([3.0, 1.0])
    >>> heard.add(1.0)
    >>> heard.below(2.0), heard.below(1.0), heard.above(1.0), len(heard)
    (2, 0, 1, 3)
    """

    def __init__(self, values: Iterable[float] = ()) -> None:
        given = values if isinstance(values, np.ndarray) else list(values)
        self._many, self._few = _as_array(np.sort(np.asarray(given, np.float64), kind="stable")), array("d")

    def __len__(self) -> int:
        """How many there are."""
        return len(self._many) + len(self._few)

    def below(self, value: float) -> int:
        """Return how many are smaller."""
        return bisect_left(self._many, value) + bisect_left(self._few, value)

    def above(self, value: float) -> int:
        """Return how many are larger."""
        return len(self) - bisect_right(self._many, value) - bisect_right(self._few, value)

    def add(self, value: float) -> None:
        """Keep one more."""
        insort(self._few, value)
        if len(self._few) >= FEW:
            self._many, self._few = _as_array(self.values()), array("d")

    def values(self) -> NDArray[np.float64]:
        """Return all of them, (n,) in ascending order."""
        return np.sort(np.concatenate([np.frombuffer(self._many), np.frombuffer(self._few)]), kind="stable")


def _as_array(values: NDArray[np.float64]) -> array[float]:
    """Return values as the kind of array in which one place is found fastest."""
    copied = array("d")
    copied.frombytes(values.tobytes())
    return copied
