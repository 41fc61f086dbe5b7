"""Models that are not asdcore's own may keep a state from sound to sound, or draw random numbers: they are refused.

A clip's tokens must be the same whatever was heard before it, else scores hang on the order of the clips and on the
number of workers. The code of such a model cannot be read, so it is asked: twice for the same sound, with another one
in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError

TOLERATED = 1e-4
"""Two answers may differ by this share of the largest value: a processor may round a sum in another order."""


def check_repeats(
    answer: Callable[[NDArray[np.float32]], Sequence[NDArray[Any]]], clip: NDArray[np.float32], who: str
) -> None:
    """Ask a model for a clip (n_samples,), for noise of the same length, and for the clip again.

    answer : returns the arrays that the model makes of one clip. who : begins the message.

    Raises DataError where the two answers for the clip differ.
    """
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, clip.shape).astype(np.float32)
    first = [np.array(array) for array in answer(clip)]
    answer(noise)
    again = [np.array(array) for array in answer(clip)]
    for before, after in zip(first, again, strict=True):
        if before.shape != after.shape or _apart(before, after):
            raise DataError(
                f"{who} gives other outputs for the same sound when it has heard another in between: it keeps a state "
                "from one sound to the next, or draws random numbers. A clip's score would hang on the clips before "
                "it. Export the model without its state, or with the state set to zero at the start of each call."
            )


def _apart(before: NDArray[Any], after: NDArray[Any]) -> bool:
    if before.dtype.kind not in "fc":
        return not np.array_equal(before, after)
    largest = max(float(np.abs(before[np.isfinite(before)]).max(initial=0.0)), 1e-30)
    return not np.allclose(before, after, rtol=0.0, atol=TOLERATED * largest, equal_nan=True)
