"""How results look on a terminal: aligned columns, nothing cut off, and every table says what it shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from asdcore.frozen.differences import grouped

if TYPE_CHECKING:
    from asdcore.evidence.evaluate import Evaluation
    from asdcore.frozen.differences import Verification
    from asdcore.frozen.manifest import Manifest

MEANING = {
    2020: ["AUC, pAUC: the normals of a machine ID against its anomalies.", "Official score: their arithmetic mean."],
    2021: [
        "AUC, pAUC of a domain: its normals against the anomalies of the same domain.",
        "Official score: harmonic mean of all cells.",
    ],
    2022: [
        "AUC of a domain: its normals against ALL anomalies of the section.",
        "pAUC: both domains, up to 10 % false positives, standardised (50 is chance).",
        "Official score: harmonic mean of all cells.",
    ],
}


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[str]:
    """Return rows as lines of aligned columns, numbers to the right, under a header."""
    cells = [[_text(row.get(column)) for column in columns] for row in rows]
    lines = [list(columns), *cells]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    right = [all(isinstance(row.get(column), int | float) for row in rows) for column in columns]
    return [
        "  ".join(
            one.rjust(width) if is_number else one.ljust(width)
            for one, width, is_number in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    ]


def evaluation(result: Evaluation) -> list[str]:
    """Return an evaluation as lines, in percent: the official score of each system, then its cells."""
    scores = [{"system": name, "official score": 100 * one.official_score} for name, one in result.systems.items()]
    measures = [name for name in _first_cell(result) if name in _OFFICIAL]
    cells = [
        {"machine": cell["machine"], "section": cell["section"], "system": name}
        | {measure: 100 * cell[measure] for measure in measures}
        for name, one in result.systems.items()
        for cell in one.cells
    ]
    cells.sort(key=lambda row: (row["machine"], row["section"]))
    return [
        f"Official metrics of DCASE {result.year}, in percent.",
        *MEANING[min(result.year, max(MEANING))],
        "",
        *table(cells, ["machine", "section", "system", *measures]),
        "",
        *table(scores, ["system", "official score"]),
    ]


def manifest(frozen: Manifest) -> list[str]:
    """Return what a manifest pins, as lines."""
    kinds = Counter(one.kind for one in frozen.subjects.values())
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    looks = frozen.predicate["looks"]
    return [
        f"Frozen: {frozen.path}, sha256 {frozen.sha256}",
        f"Pinned: {counts}",
        f"Looks at the labels before freezing: {looks['at_this_result']} at this result, "
        f"{looks['at_these_labels']} at the same labels, {looks['in_this_store']} in this store.",
    ]


def verification(result: Verification) -> list[str]:
    """Return what verifying found: the differences by group, then the results they reach."""
    lines = [f"note: {note}" for note in result.notes]
    for title, differences in grouped(result.differences).items():
        lines.append(f"{title}: {len(differences)} difference{'s' * (len(differences) > 1)}")
        lines += [f"  {one}" for one in differences]
    if result.recomputed:
        rows = [
            {**row, "same": "yes" if row["same"] else "NO", "pinned": row["pinned"][:12]} for row in result.recomputed
        ]
        lines += ["Built anew from the recordings (0 is allowed):"]
        lines += [f"  {line}" for line in table(rows, ("table", "pinned", "same", "max_abs_diff"))]
    if result.passed:
        return [*lines, f"Verified: {result.pinned} pinned artifacts and the environment are as they were frozen."]
    reached = f"Results affected: {len(result.affected)}" if result.affected else "No result is affected."
    lines += ["", reached, *(f"  {one}" for one in result.affected)]
    return [*lines, "", f"Not as frozen: {len(result.differences)} difference{'s' * (len(result.differences) > 1)}."]


_OFFICIAL = ("auc", "auc_source", "auc_target", "pauc", "pauc_source", "pauc_target")


def _first_cell(result: Evaluation) -> Mapping[str, Any]:
    return next(iter(next(iter(result.systems.values())).cells))


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
