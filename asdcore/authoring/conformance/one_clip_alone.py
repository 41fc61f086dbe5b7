"""The checks that hold for every kind: a clip's output depends on that clip and on what was fitted, on nothing else.

Each comparison is between newly built and newly fitted components, so that statistics remembered from a first batch
show as much as statistics of the batch at hand.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.authoring.conformance.bench.driver import Bench, difference, join, require, same, stirred, take
from asdcore.authoring.conformance.bench.outside_state import statics_restored
from asdcore.errors import DataError

WHY_ROWS = (
    "test clips are scored alone and in any order; what one clip gets must not depend on the others "
    "(the challenge forbids test-set statistics)."
)
CAUSE_BATCH = (
    "statistics of the batch (mean, deviation, maximum, ranks) enter the outputs. If the difference is tiny, a "
    "matrix product may round differently with its number of rows: compute in float64, or one clip at a time."
)


def check_rows_permuted(bench: Bench) -> None:
    """Permuting the clips of a call permutes the outputs and changes nothing else."""
    rows = bench.rows(bench.size, seed=1)
    order = np.random.default_rng(1).permutation(bench.size)
    gap = difference(take(bench.once(rows), order), bench.once(take(rows, order)), bench.rtol)
    cause = "the component carries something from one row to the next: a running mean, a sort, positions in the batch."
    require(not gap, f"After permuting the clips of a call, {gap}.", WHY_ROWS, cause)


def check_rows_dropped(bench: Bench) -> None:
    """Leaving clips out of a call does not change the outputs of those that stay."""
    rows = bench.rows(bench.size, seed=2)
    kept = np.arange(1, bench.size, 3)
    gap = difference(take(bench.once(rows), kept), bench.once(take(rows, kept)), bench.rtol)
    require(not gap, f"After leaving two thirds of the clips out of a call, {gap}.", WHY_ROWS, CAUSE_BATCH)


def check_rows_duplicated(bench: Bench) -> None:
    """Repeating clips within a call repeats their outputs and changes nothing else."""
    rows = bench.rows(bench.size, seed=3)
    index = np.concatenate([np.arange(bench.size), np.repeat(np.arange(max(1, bench.size // 4)), 3)])
    gap = difference(take(bench.once(rows), index), bench.once(take(rows, index)), bench.rtol)
    require(not gap, f"After repeating a quarter of the clips three times, {gap}.", WHY_ROWS, CAUSE_BATCH)


def check_rows_appended(bench: Bench) -> None:
    """Adding clips to a call, before and after, does not change the outputs of those that were there."""
    rows, n = bench.rows(bench.size, seed=4), max(1, bench.size // 4)
    few = np.arange(n, 2 * n)
    gap = difference(bench.once(take(rows, few)), take(bench.once(rows), few), bench.rtol)
    require(not gap, f"After adding {bench.size - n} clips to {n}, {gap}.", WHY_ROWS, CAUSE_BATCH)


def check_no_batch_statistics(bench: Bench) -> None:
    """A clip alone gets what it gets in a large batch."""
    rows = bench.rows(bench.crowd, seed=5)
    together = bench.once(rows)
    for place in (0, 1, bench.crowd // 2, bench.crowd - 1):
        gap = difference(take(together, [place]), bench.once(take(rows, [place])), bench.rtol)
        observed = f"Alone instead of among {bench.crowd} clips, clip {place} differs: {gap}."
        require(not gap, observed, WHY_ROWS, CAUSE_BATCH)


def check_no_way_to_other_rows(bench: Bench) -> None:
    """A clip that is a window on a batch gets what a copy of it gets: nothing is read beside it."""
    rows = bench.rows(bench.size, seed=15)
    for place in (0, bench.size // 2):
        with bench.session() as run:
            through = run(bench.window(rows, place))
        gap = difference(bench.once(take(rows, [place])), through, bench.steady)
        cause = "the component reads the batch that its input is a view of, through .base or its memory."
        require(not gap, f"As a window on {bench.size} clips, {gap}, compared with a copy.", WHY_ROWS, cause)


def check_no_test_set_z_scores(bench: Bench) -> None:
    """Extreme clips in the batch move no other output, and no two batches come out with the same mean and deviation."""
    n = max(2, bench.size // 4)
    rows, extra = bench.rows(bench.size, seed=6), bench.far(n, seed=6)
    before = bench.once(rows)
    among = take(bench.once(join(extra, rows)), np.arange(-bench.size, 0))
    gap = difference(before, among, bench.rtol)
    cause = "outputs are centred or scaled by the mean and deviation of the batch; take both from the train normals."
    require(not gap, f"After adding {n} extreme clips, {gap}.", WHY_ROWS, cause)
    other = bench.once(join(take(rows, np.arange(bench.size // 2)), bench.far(bench.size - bench.size // 2, seed=7)))
    for name, values in before.items():
        alike = name in other and _same_moments(values, other[name])
        observed = f"Two batches, one ordinary and one half of extreme clips, give {name} the same mean and deviation."
        require(not alike, observed, WHY_ROWS, cause)


def check_no_test_set_rank_normalization(bench: Bench) -> None:
    """A clip's output stays when others move from below it to above, and batches differ in their values."""
    n = max(2, bench.size // 4)
    probes, others = bench.rows(n, seed=8), bench.size - n
    low = bench.once(join(bench.rows(others, seed=9), probes))
    high = bench.once(join(bench.far(others, seed=9), probes))
    gap = difference(take(low, np.arange(-n, 0)), take(high, np.arange(-n, 0)), bench.rtol)
    cause = "outputs are ranks or quantiles within the batch; use the empirical distribution of the train normals."
    require(not gap, f"After the other clips of the batch moved from below to above, {gap}.", WHY_ROWS, cause)
    for name, values in low.items():
        flat, other = np.sort(_flat(values), axis=0), np.sort(_flat(high[name]), axis=0)
        alike = np.ptp(flat, axis=0).any() and same({name: flat}, {name: other}, 1e-9)
        observed = f"Two different batches of {bench.size} clips give {name} the very same set of values."
        require(not alike, observed, WHY_ROWS, cause)


def check_no_memory_between_calls(bench: Bench) -> None:
    """What was called before does not matter, and a result stays what it was when it was returned."""
    rows = bench.rows(bench.size, seed=10)
    first = join(bench.rows(bench.size - 1, seed=11), bench.far(1, seed=11))
    with bench.session() as run:
        before = run(bench.inputs(first))
        kept = copy.deepcopy(before)
        after, again = run(bench.inputs(rows)), run(bench.inputs(first))
    cause = "the component keeps something of the clips it was called with (a first batch, a running mean, a counter)."
    gap = difference(bench.once(rows), after, bench.rtol)
    require(not gap, f"After another batch was processed, {gap}, compared with a new component.", WHY_ROWS, cause)
    gap = difference(kept, again, bench.rtol)
    require(not gap, f"Called again with the same batch after another one, {gap}.", WHY_ROWS, cause)
    gap = difference(kept, before, 0.0)
    why = "results are kept while further clips are processed."
    require(not gap, f"A result already returned changed later: {gap}.", why, "the component returns its own buffer.")


def check_input_unchanged(bench: Bench) -> None:
    """Neither fit nor the call writes to the arrays it is given."""
    # Clipping and flooring in place show on extreme and on silent clips alone.
    train, rows = bench.train(), join(bench.rows(bench.size, seed=12), bench.far(8, seed=12), bench.silent())
    given, inputs = bench.inputs(train), bench.inputs(rows)
    component = bench.build()
    with statics_restored(component):
        fitted = bench.fit(component, given)
        in_fit = _changed(given, bench.inputs(train))
        bench.call(fitted, inputs)
        bench.also(fitted)
    why = "other branches and guards read the same arrays."
    cause = "an in-place operation (-=, sort(), out=, [...] =) on an argument; work on a copy."
    require(not in_fit, f"fit changed {in_fit}.", why, cause)
    in_call = _changed(inputs, bench.inputs(rows))
    require(not in_call, f"{bench.call_name} changed {in_call}.", why, cause)
    late = _changed(given, bench.inputs(train))
    require(not late, f"{bench.call_name} changed {late} that fit was given.", why, cause)


def check_deterministic(bench: Bench) -> None:
    """Two calls, and two components, give the same whatever the global random generators are at."""
    rows = bench.rows(bench.size, seed=13)
    with stirred(1), bench.session() as run:
        first = run(bench.inputs(rows))
        with stirred(2):
            second = run(bench.inputs(rows))
    with stirred(3):
        other = bench.once(rows)
    why = "a frozen portfolio must give the same scores on any day."
    cause = (
        "random numbers without a seed of their own; use numpy.random.default_rng(seed), or model.eval() for dropout."
    )
    gap = difference(first, second, bench.steady)
    require(not gap, f"Called twice with the same clips, {gap}.", why, cause)
    gap = difference(first, other, bench.steady)
    require(not gap, f"Two components built and fitted alike differ: {gap}.", why, cause)


def check_finite_on_digital_silence(bench: Bench) -> None:
    """Digital silence gives finite outputs, in the test batch as among the train normals."""
    why = "recordings with digital silence exist, and one NaN spoils a whole submission."
    cause = "a division by a norm, an energy or a spread that is zero, or the logarithm of zero; add a floor."
    with np.errstate(all="ignore"):
        outputs = [("silent clips", bench.once(bench.silent()))]
        train = bench.silent_train()
        if train is not None:
            # To refuse such train normals with a DataError is as good as to score with them.
            with contextlib.suppress(DataError):
                rows = join(bench.rows(8, seed=14), bench.silent())
                outputs.append(("silent clips among the train normals", bench.once(rows, train)))
    for where, output in outputs:
        for name, values in output.items():
            bad = int(np.sum(~np.isfinite(values)))
            require(not bad, f"With {where}, {name} has {bad} values that are not finite.", why, cause)


ROW_CHECKS: tuple[Callable[[Bench], None], ...] = (
    check_rows_permuted,
    check_rows_dropped,
    check_rows_duplicated,
    check_rows_appended,
    check_no_batch_statistics,
    check_no_way_to_other_rows,
    check_no_test_set_z_scores,
    check_no_test_set_rank_normalization,
    check_no_memory_between_calls,
    check_input_unchanged,
    check_deterministic,
    check_finite_on_digital_silence,
)


def _flat(values: NDArray[Any]) -> NDArray[np.float64]:
    flat: NDArray[np.float64] = values.reshape(len(values), -1).astype(np.float64)
    return flat


def _same_moments(values: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether all columns that vary have the same mean and deviation in both batches."""
    left, right = _flat(values), _flat(other)
    spread = left.std(axis=0)
    varies = (spread > 1e-6 * (np.abs(left).max() + 1e-300)) & (spread > 0)
    if not varies.any():
        return False
    means = np.abs(left.mean(axis=0) - right.mean(axis=0)) <= 1e-6 * spread
    spreads = np.abs(spread - right.std(axis=0)) <= 1e-6 * spread
    return bool((means & spreads)[varies].all())


def _changed(given: Any, pristine: Any) -> str:
    """Name the first array of ``given`` that is no longer what it was; empty if all are."""
    if isinstance(given, Mapping) and not hasattr(given, "asked") and (gone := sorted(set(pristine) - set(given))):
        return f"{gone[0]} (it is gone)"
    before = dict(_leaves(pristine, given))
    for name, value in _leaves(given, given):
        if not np.array_equal(value, before[name], equal_nan=np.asarray(value).dtype.kind == "f"):
            return name
    return ""


def _leaves(value: Any, guide: Any, name: str = "its input") -> Iterator[tuple[str, Any]]:
    """Walk the arrays of nested mappings, by the keys of ``guide`` (a mapping may make its arrays when asked)."""
    if isinstance(value, Mapping):
        for key in list(getattr(guide, "asked", guide)):
            yield from _leaves(value[key], guide[key], str(key))
    else:
        yield name, value
