"""What every check stands on: a bench that drives one kind of component, and comparison with tight tolerances.

A check never looks inside a component. It builds one, fits it on the kit's train normals, calls it on the kit's test
rows, and compares what comes back. Rows are the arrays of a batch, all with clips along the first axis.
"""

from __future__ import annotations

import contextlib
import random
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from asdcore.authoring.conformance.bench.outside_state import Builder, statics_restored

Rows = dict[str, NDArray[Any]]
"""A batch: name -> array with one row for each clip. Outputs have the same form."""

ELEMENTWISE = 1e-12
"""What elementwise float64 arithmetic may round in its way, with the number of rows: vector units, no sums."""

Run = Callable[[Any], Rows]


def require(holds: bool, observed: str, why: str, cause: str) -> None:
    """Raise AssertionError unless ``holds``, saying what was observed, why it matters, and the likely cause."""
    if not holds:
        raise AssertionError(f"{observed}\nWhy it matters: {why}\nLikely cause: {cause}")


def describe(value: Any) -> str:
    """Say what an array is, or of what type something else is."""
    return f"{value.shape} {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def take(rows: Rows, index: Any) -> Rows:
    """Rows -> the rows of ``index``, in its order, with its repetitions."""
    return {name: array[index] for name, array in rows.items()}


def join(*batches: Rows) -> Rows:
    """Batches -> one batch, one after the other."""
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


class Bench(Builder, ABC):
    """Builds, fits and calls the components of one kind.

    rtol : largest difference allowed between two ways to the same row, relative to the scale of the outputs.
    steady : the same between two calls with the same rows, which have no reason to round differently.
    size, crowd : clips of an ordinary test batch, and of the largest one.
    call_name : the method that test clips reach, as messages name it.
    """

    # What float32 arithmetic may round away: a matrix product rounds differently with the number of its rows.
    rtol: ClassVar[float] = 1e-5
    steady: ClassVar[float] = 1e-12
    size: ClassVar[int] = 200
    crowd: ClassVar[int] = 200
    call_name: ClassVar[str]

    @abstractmethod
    def rows(self, n: int, seed: int) -> Rows:
        """Make n ordinary test clips, a few of them moderately anomalous."""

    @abstractmethod
    def far(self, n: int, seed: int) -> Rows:
        """Make n clips that are extreme outliers."""

    @abstractmethod
    def silent(self) -> Rows:
        """Make a batch of clips that hold digital silence, or what silence becomes by the time it comes here."""

    @abstractmethod
    def call(self, fitted: Any, inputs: Any) -> Rows:
        """Call the fitted component on inputs: name of an output -> (n_clips, ...)."""

    def inputs(self, rows: Rows) -> Any:
        """Rows -> what the component is called with; copies, so that a component cannot spoil the kit's data."""
        return {name: array.copy() for name, array in rows.items()}

    def window(self, rows: Rows, place: int) -> Any:
        """Rows -> what the component is called with for one of them: views, whose ``base`` is the whole batch."""
        return {name: array.copy()[place : place + 1] for name, array in rows.items()}

    def train(self, seed: int = 0) -> Rows:
        """Make the train normals, with their domain; empty for a kind that is not fitted."""
        return {}

    def silent_train(self) -> Rows | None:
        """Make train normals of which some are silent, or None for a kind that is not fitted."""
        return None

    def fit(self, component: Any, inputs: Any) -> Any:
        """Fit the component on inputs and return what ``fit`` returned."""
        return component

    def also(self, fitted: Any) -> None:
        """Call whatever else a fitted component offers; most offer nothing."""
        return

    @contextlib.contextmanager
    def session(self, train: Any = None) -> Iterator[Run]:
        """Build and fit a new component; yields the function that calls it on inputs, as often as wanted."""
        component = self.build()
        with statics_restored(component):
            fitted = self.fit(component, self.inputs(self.train()) if train is None else train)
            yield lambda inputs: self.call(fitted, inputs)

    def once(self, rows: Rows, train: Rows | None = None) -> Rows:
        """Rows -> outputs of a new component that has seen nothing else."""
        with self.session(None if train is None else self.inputs(train)) as run:
            return run(self.inputs(rows))


def difference(expected: Rows, actual: Rows, rtol: float) -> str:
    """Describe the largest difference beyond rtol times the outputs' scale; empty if there is none."""
    worst, report = 0.0, ""
    for name, right in expected.items():
        if name not in actual:
            return f"{name} is missing"
        left = actual[name]
        if left.shape != right.shape:
            return f"{name} has shape {left.shape} instead of {right.shape}"
        excess = _excess(right, left, rtol)
        if excess.size and excess.max() > max(worst, 1.0):
            worst = float(excess.max())
            report = _describe(name, right, left, excess, worst * rtol)
    return report


def same(expected: Rows, actual: Rows, rtol: float) -> bool:
    """Whether two outputs agree within rtol times their scale."""
    return not difference(expected, actual, rtol)


def _excess(right: NDArray[Any], left: NDArray[Any], rtol: float) -> NDArray[np.float64]:
    """Deviation of each element as a multiple of what is allowed for it."""
    right, left = right.astype(np.float64), left.astype(np.float64)
    both = np.isfinite(right) & np.isfinite(left)
    scale = float(np.sqrt(np.mean(np.square(right[both])))) if both.any() else 0.0
    allowed = rtol * np.maximum(np.abs(np.where(both, right, 0.0)), scale)
    gap = np.abs(np.where(both, left - right, 0.0))
    excess = np.divide(gap, allowed, out=np.where(gap > 0, np.inf, 0.0), where=allowed > 0)
    alike = both | (np.isnan(right) & np.isnan(left)) | (right == left)
    result: NDArray[np.float64] = np.where(alike, excess, np.inf)
    return result


def _describe(name: str, right: NDArray[Any], left: NDArray[Any], excess: NDArray[np.float64], share: float) -> str:
    place = np.unravel_index(int(excess.argmax()), excess.shape)
    rows = int((excess.reshape(len(excess), -1) > 1.0).any(axis=1).sum())
    size = f"off by {share:.1e} of the outputs' scale" if np.isfinite(share) else "not comparable"
    return f"{name} of row {place[0]} is {left[place]:.12g} instead of {right[place]:.12g} ({size}; {rows} rows differ)"


@contextlib.contextmanager
def stirred(seed: int) -> Iterator[None]:
    """Put every global random generator into another state, and back afterwards."""
    torch = sys.modules.get("torch")
    numpy_state, python_state = np.random.get_state(), random.getstate()
    torch_state = torch.get_rng_state() if torch else None
    np.random.seed(seed)
    random.seed(seed)
    if torch:
        torch.manual_seed(seed)
    try:
        yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
        if torch:
            torch.set_rng_state(torch_state)
