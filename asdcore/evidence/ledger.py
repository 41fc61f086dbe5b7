"""The ledger: a tamper-evident log of every look at the ground truth, and of the verdicts on the results.

A choice made by looking at labels is worth less the more often one has looked, and a rejected result is evidence, too.
So every evaluation is appended (a *look*) before its result is shown: what was evaluated, its digests, the hypothesis
if there was one, and the results. A verdict, kept or rejected, may come at once or later, as an entry of its own.
:mod:`asdcore.store.digests.hash_chain` describes the chain. Lines that earlier versions wrote still count as looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from asdcore.basics.paths import given_path
from asdcore.errors import EvaluationError, did_you_mean
from asdcore.evidence.look import Look, Verdict, evaluated_in, results_in, truth_in
from asdcore.store.cache import Store, default_store
from asdcore.store.digests.hash_chain import Chain, Line, append, read_chain
from asdcore.version import __version__

LOOK, JUDGEMENT, PLAN = "look", "verdict", "plan"
SHORTEST = 6
"""Digits of a hash that are enough to name an entry."""


@dataclass(frozen=True)
class Ledger:
    """The entries of a log, and the damage that was found in it (``chain.problems``)."""

    path: Path
    chain: Chain

    @property
    def looks(self) -> list[Line]:
        """Every look at a ground truth. An unreadable line counts as one: looks may only be overstated."""
        return [line for line in self.chain.lines if line.entry.get("kind", LOOK) == LOOK]

    def looks_at(self, truth: str) -> int:
        """Count the looks at one truth, unreadable lines included."""
        return sum(line.entry.get("truth") in (truth, None) for line in self.looks)

    def counts(self) -> dict[str, int]:
        """Return {truth: looks} for every truth that was looked at."""
        return {str(truth): self.looks_at(truth) for truth in dict.fromkeys(map(truth_in, self.looks)) if truth}

    def verdict_on(self, look: Line, system: str | None = None) -> Verdict | None:
        """Return the last verdict on a look, or on one of its systems."""
        return self.judgement_on(look, system)[0]

    def judgement_on(self, look: Line, system: str | None = None) -> tuple[Verdict | None, str | None]:
        """Return the last verdict on a look, or on one of its systems, and why. One on a look is on all its systems."""
        given = [
            (line.entry.get("verdict"), line.entry.get("because"))
            for line in self._judgements()
            if line.entry.get("on") == look.entry.get("hash") and line.entry.get("system") in (None, system)
        ]
        judgement: tuple[Verdict | None, str | None] = given[-1] if given else (look.entry.get("verdict"), None)
        return judgement

    def judged(self, verdict: Verdict) -> list[tuple[Line, str]]:
        """Return every look and system whose last verdict is this one."""
        tried = [(look, system) for look in self.looks for system in sorted(results_in(look))]
        return [(look, system) for look, system in tried if self.verdict_on(look, system) == verdict]

    def _judgements(self) -> list[Line]:
        return [line for line in self.chain.lines if line.entry.get("kind") == JUDGEMENT]


def ledger(store: str | Path | None = None) -> Ledger:
    """Read and check the ledger of a store: every look at labels so far, and the verdicts.

    Parameters
    ----------
    store : str or pathlib.Path, optional
        The store's folder; the per-user store by default.

    Returns
    -------
    Ledger
        ``looks``, ``counts()`` of looks by truth, and ``chain.problems``, which lists every sign of damage.

    Raises
    ------
    StoreError
        If the log exists and cannot be read.

    Examples
    --------
    >>> before = len(asdcore.ledger().looks)
    >>> evaluation = asdcore.evaluate("runs/first")
    >>> len(asdcore.ledger().looks) - before
    1

    """
    return read_ledger(_log(store))


def verdict(
    entry: str,
    verdict: Verdict,
    because: str | None = None,
    *,
    system: str | None = None,
    store: str | Path | None = None,
) -> Line:
    """Record in the ledger of a store whether an evaluated result was kept or rejected.

    Parameters
    ----------
    entry : str
        The evaluation: its line number in the ledger, or at least six first digits of its hash.
    verdict : {"kept", "rejected"}
        The verdict.
    because : str, optional
        The reason.
    system : str, optional
        The system that is meant; all systems of the evaluation by default.
    store : str or pathlib.Path, optional
        The store's folder; the per-user store by default.

    Returns
    -------
    Line
        The line that was appended; ``number`` is its place, ``entry`` its content.

    Raises
    ------
    EvaluationError
        If no evaluation, or more than one, has that name, if it has no such system, or if the verdict is another word.

    Examples
    --------
    >>> evaluation = asdcore.evaluate("runs/first", hypothesis="distances tell faults of bearings best")
    >>> look = asdcore.ledger().looks[-1]
    >>> line = asdcore.verdict(str(look.number), "rejected", "valves are told better", system="knn")
    >>> line.entry["verdict"], line.entry["because"]
    ('rejected', 'valves are told better')

    """
    return record_verdict(_log(store), entry, verdict, because, system)


def read_ledger(log: Path) -> Ledger:
    """Read a ledger and check it; raises StoreError if it cannot be read."""
    return Ledger(log, read_chain(log))


def record_look(log: Path, look: Look) -> int:
    """Append a look to the ledger ``log``; returns how many looks at the same truth it now holds."""
    entry = {
        **_stamp(LOOK),
        "what": _sentence(look.what),
        "truth": look.truth,
        "evaluated": look.evaluated,
        "digests": dict(look.digests),
        "year": look.year,
        "results": None if look.results is None else dict(look.results),
        "hypothesis": _sentence(look.hypothesis),
        "verdict": _checked(look.verdict) if look.verdict else None,
    }
    before = 0

    def make(chain: Chain) -> Mapping[str, Any]:
        nonlocal before
        before = Ledger(log, chain).looks_at(look.truth)
        return entry

    append(log, make)
    return before + 1


def record_verdict(log: Path, on: str, verdict: Verdict, because: str | None = None, system: str | None = None) -> Line:
    """Append a verdict on an earlier look, named by its line number or the first digits of its hash.

    system : the system that is meant; all by default. Raises EvaluationError if no look, or more than one, has that
    name, or if it has no such system.
    """

    def make(chain: Chain) -> Mapping[str, Any]:
        look = _find(Ledger(log, chain), on)
        if system is not None and system not in results_in(look):
            hint = did_you_mean(system, results_in(look))
            raise EvaluationError(f"Line {look.number} evaluated no system {system!r}. {hint}")
        return {
            **_stamp(JUDGEMENT),
            "on": look.entry["hash"],
            "system": system,
            "verdict": _checked(verdict),
            "because": _sentence(because),
        }

    make(read_chain(log))  # a refusal leaves no log where there was none
    return append(log, make)


def record_plan(log: Path, digest: str, facts: Mapping[str, Any]) -> Line:
    """Append a plan: the digest of its file, and some facts about it."""
    return append(log, lambda _: {**_stamp(PLAN), "plan": digest, **facts})


def count_looks(log: Path, evaluated_digest: str) -> dict[str, int]:
    """Count the looks at labels in ``log``: at this result, at the labels of this result, and all."""
    ledger = read_ledger(log)
    here = [look for look in ledger.looks if evaluated_digest in evaluated_in(look)]
    truths = set(map(truth_in, here))
    return {
        "at_this_result": len(here),
        "at_these_labels": sum(truth_in(look) in truths for look in ledger.looks) if truths else 0,
        "in_this_store": len(ledger.looks),
    }


def _find(ledger: Ledger, name: str) -> Line:
    """Return the look of a line number, or of the first digits of a hash."""
    looks = [look for look in ledger.looks if look.chained]
    matches = [look for look in looks if name == str(look.number)]
    if len(name) >= SHORTEST:
        matches = matches or [look for look in looks if str(look.entry["hash"]).startswith(name)]
    if len(matches) == 1:
        return matches[0]
    listed = ", ".join(f"{look.number} ({look.entry['hash'][:SHORTEST]}, {look.entry.get('what')})" for look in looks)
    raise EvaluationError(
        f"{len(matches) or 'No'} evaluations in {ledger.path} are named {name!r}: give a line number, or at least "
        f"{SHORTEST} digits of a hash. There are: {listed or 'none yet; asdcore evaluate makes one'}."
    )


def _checked(verdict: str) -> str:
    if verdict not in get_args(Verdict):
        raise EvaluationError(f"There is no verdict {verdict!r}. {did_you_mean(verdict, get_args(Verdict))}")
    return verdict


def _sentence(text: str | None) -> str | None:
    """Return a text on one line, or None if it is empty."""
    # A folder's name may hold bytes that decode to no text.
    return " ".join((text or "").encode(errors="replace").decode().split()) or None


def _log(store: str | Path | None) -> Path:
    return Store(given_path(store, "store") if store is not None else default_store()).looks


def _stamp(kind: str) -> dict[str, Any]:
    return {"kind": kind, "time": datetime.now(UTC).isoformat(timespec="seconds"), "asdcore": __version__}
