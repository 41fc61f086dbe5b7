"""``select``: runs a protocol of selection by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from asdcore.errors import EvaluationError, did_you_mean
from asdcore.evidence.criteria import criteria
from asdcore.evidence.selection.candidates import Candidates, Runs, open_candidates, places_of
from asdcore.evidence.selection.leave_one_machine_out import lomo
from asdcore.evidence.selection.mirror import mirror
from asdcore.evidence.selection.nested import nested
from asdcore.evidence.selection.outcome import Outcome
from asdcore.evidence.selection.tournament import tournament

PROTOCOLS = ("lomo", "nested", "mirror", "tournament", "criteria")


def select(
    runs: Runs,
    protocol: str,
    *,
    systems: Sequence[str] | None = None,
    baseline: str | None = None,
    by: str | None = None,
    truth: str | Path | None = None,
    year: int | None = None,
    replicates: int = 1000,
    seed: int = 0,
    hypothesis: str | None = None,
) -> Outcome:
    """Choose among the systems of finished runs, and estimate how far the choice can be trusted.

    Every protocol but "criteria" looks at the labels, and the ledger of each run's store records the look.

    Parameters
    ----------
    runs : Run, str, pathlib.Path, or a sequence of them
        Finished runs or their folders.
    protocol : {"lomo", "nested", "mirror", "tournament", "criteria"}
        "lomo" leaves one machine out of the choice at a time. "nested" also leaves train normals out of the
        calibration. "mirror" compares a system with its out-of-fold mirror. "tournament" estimates the optimism of the
        best of N by a bootstrap. "criteria" uses train normals only, no labels.
    systems : sequence of str, optional
        The candidates; all by default. With several runs a name is "RUN/SYSTEM".
    baseline : str, optional
        The candidate that a choice must beat (lomo, nested, tournament); the first one by default.
    by : {"domain_balance", "tail_ratio", "separability", "variance_ratio"}, optional
        The criterion that ranks (criteria).
    truth : str or pathlib.Path, optional
        Ground truth folder or list; see :func:`asdcore.evaluate`.
    year : int, optional
        The year whose rules apply; that of the runs by default.
    replicates : int, default 1000
        Bootstrap replicates (tournament, mirror).
    seed : int, default 0
        Seed of the bootstrap (tournament, mirror).
    hypothesis : str, optional
        What you expect, for the ledger.

    Returns
    -------
    Outcome
        ``definition`` explains the protocol, ``rows`` holds its table (also ``to_polars()``), ``sentence`` is the
        conclusion.

    Raises
    ------
    EvaluationError
        If the protocol, a system, the baseline or the criterion does not exist, the runs have different recordings, or
        the protocol needs more machines, clips or mirrors than they have.

    References
    ----------
    "Robust train-normal calibration for first-shot machine sound anomaly detection", DCASE 2026, sections 2 and
    4 (lomo, nested, mirror).

    B. Efron and R. Tibshirani, "Improvements on cross-validation: the .632+ bootstrap method", Journal of the
    American Statistical Association 92, 1997, and H. White, "A reality check for data snooping", Econometrica 68,
    2000 (tournament).

    Examples
    --------
    >>> ranked = asdcore.select("runs/second", "criteria", by="tail_ratio")
    >>> sorted(row["candidate"] for row in ranked.rows)
    ['fused', 'guarded', 'plain']
    >>> outcome = asdcore.select("runs/second", "lomo", systems=["plain", "guarded"])
    >>> outcome.facts["baseline"], outcome.facts["chosen"]
    ('plain', 'guarded')

    """
    if protocol not in PROTOCOLS:
        raise EvaluationError(f"There is no protocol {protocol!r}. {did_you_mean(protocol, PROTOCOLS)}")
    places = places_of(runs, systems)
    if protocol == "criteria":
        return criteria(places, by)
    candidates = open_candidates(places, truth, year)
    ways: dict[str, Callable[[Candidates], Outcome]] = {
        "lomo": lambda given: lomo(given, baseline),
        "nested": lambda given: nested(given, baseline),
        "mirror": lambda given: mirror(given, replicates, seed),
        "tournament": lambda given: tournament(given, baseline, replicates=replicates, seed=seed),
    }
    outcome = ways[protocol](candidates)
    return replace(outcome, looks=candidates.record(f"{protocol} over", hypothesis))
