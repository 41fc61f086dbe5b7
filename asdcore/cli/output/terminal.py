"""How results look on a terminal: aligned columns, nothing cut off, and every table says what it shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from asdcore.basics.digits import fixed

if TYPE_CHECKING:
    from asdcore.frozen.manifest.statement import Manifest
    from asdcore.frozen.verifying.differences import Verification

WIDTH = 100
"""Characters of a line of prose, at most."""


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[str]:
    """Return rows as lines of aligned columns, numbers to the right, under a header; None is a dash."""
    cells = [[_text(row.get(column)) for column in columns] for row in rows]
    lines = [list(columns), *cells]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    right = [_is_of_numbers([row.get(column) for row in rows]) for column in columns]
    return [
        "  ".join(
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    ]


def manifest(frozen: Manifest) -> list[str]:
    """Return what a manifest pins, as lines."""
    kinds = Counter(subject.kind for subject in frozen.own.values())
    kinds["audio"] += len(frozen.shards or ())
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    looks = frozen.predicate["looks"]
    return [
        f"Frozen: {frozen.path}, sha256 {frozen.sha256}",
        f"Pinned: {counts}",
        f"Looks at the labels before freezing: {looks['at_this_result']} at this result, "
        f"{looks['at_these_labels']} at the same labels, {looks['in_this_store']} in this store.",
    ]


def verification(result: Verification) -> list[str]:
    """Return the outcome of verifying as lines: the differences by group, then the results that they reach."""
    from asdcore.frozen.verifying.refusal import VERIFY, difference_lines, next_steps, shortened

    lines = [f"note: {note}" for note in result.notes]
    lines += difference_lines(result, VERIFY)
    if result.recomputed:
        rows = [_rebuilt(row) for row in result.recomputed]
        lines += ["Built anew from the recordings (0 is allowed):"]
        lines += [f"  {line}" for line in table(rows, ("table", "pinned", "same", "max_abs_diff"))]
    if result.passed:
        same = "are" if result.kernels else "and the environment are"
        return [*lines, f"Verified: {result.pinned} pinned artifacts {same} as they were frozen."]
    reached = f"Results affected: {len(result.affected)}" if result.affected else "No result is affected."
    lines += ["", reached, *shortened(list(result.affected))]
    lines += ["", f"Not as frozen: {len(result.differences)} difference{'s' * (len(result.differences) > 1)}."]
    return [*lines, *next_steps(result, VERIFY)]


def _rebuilt(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row on a table that was built anew; how far it is from the frozen one has its exponent."""
    far = row["max_abs_diff"]
    return {
        **row,
        "same": "yes" if row["same"] else "NO",
        "pinned": row["pinned"][:12],
        "max_abs_diff": f"{far:.1e}" if far else "-" if far is None else "0",
    }


def _is_of_numbers(values: Sequence[Any]) -> bool:
    there = [value for value in values if value is not None]
    return bool(there) and all(isinstance(value, int | float) for value in there)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return fixed(value) if isinstance(value, float) else str(value)
