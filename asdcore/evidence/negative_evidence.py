"""Lists rejected systems beside the ones that were kept: the report's table of negative evidence.

A method that was tried in earnest and lost is a finding, if the reader also learns what it was expected to do, how it
did, and how far it fell short (as in "Robust train-normal calibration", DCASE 2026, section 4.1 and Table 6).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asdcore.evidence.ledger import Ledger
from asdcore.evidence.look import results_in, truth_in
from asdcore.store.digests.hash_chain import Line


def negative_evidence(ledger: Ledger) -> list[dict[str, Any]]:
    """Return a row for every rejected system of a look: its results, and how far it is from the kept one.

    ``difference`` is the official score less that of ``kept``: the best kept system of the last look that kept one, on
    the same truth and by the rules of the same year. Both are null if there is no such look.
    """
    kept: dict[Any, dict[str, Line]] = {}
    for look, system in ledger.judged("kept"):
        latest = kept.setdefault(_rules(look), {})
        if any(other is not look for other in latest.values()):
            latest.clear()
        latest[system] = look
    rows = []
    for look, system in ledger.judged("rejected"):
        result = results_in(look)[system]
        best = _best(kept.get(_rules(look), {}))
        rows.append(
            {
                "line": look.number,
                "what": look.entry.get("what"),
                "system": system,
                "hypothesis": look.entry.get("hypothesis"),
                **result,
                "kept": best and best[1],
                "difference": best and result["official_score"] - best[0],
                "verdict": "rejected",
                "because": ledger.judgement_on(look, system)[1],
            }
        )
    return rows


def _best(kept: Mapping[str, Line]) -> tuple[float, str] | None:
    """{system: the look that kept it} -> official score and name of the best of them; None if there is none."""
    scores = {
        f"{look.entry.get('what')}: {name}": results_in(look)[name]["official_score"] for name, look in kept.items()
    }
    return max(((score, name) for name, score in scores.items()), default=None)


def _rules(look: Line) -> tuple[str | None, Any]:
    """Return what two looks must share to be compared: the truth, and the year of the rules."""
    return truth_in(look), look.entry.get("year")
