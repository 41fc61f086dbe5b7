"""``select``: runs a protocol of selection by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from asdcore.errors import EvaluationError, did_you_mean
from asdcore.evidence.selection.candidates import Candidates, Runs, open_candidates, places_of
from asdcore.evidence.selection.criteria import criteria
from asdcore.evidence.selection.known_faults import select_by_faults
from asdcore.evidence.selection.leave_one_machine_out import lomo
from asdcore.evidence.selection.mirror import mirror
from asdcore.evidence.selection.nested import nested
from asdcore.evidence.selection.outcome import Outcome
from asdcore.evidence.selection.tournament import tournament

PROTOCOLS = ("lomo", "nested", "mirror", "tournament", "criteria")


def select(
    runs: Runs,
    protocol: str | None = None,
    *,
    known_faults: str | Path | None = None,
    out: str | Path | None = None,
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
    protocol : {"lomo", "nested", "mirror", "tournament", "criteria"}, optional
        "lomo" leaves one machine out of the choice at a time. "nested" also leaves train normals out of the
        calibration. "mirror" compares a system with its out-of-fold mirror. "tournament" estimates the optimism of the
        best of N by a bootstrap. "criteria" uses train normals only, no labels.
    known_faults : str or pathlib.Path, optional
        Instead of a protocol: recordings of faults that somebody knows, by which branches are chosen and weighed,
        shrunken towards the label-free ``baseline``. A folder ``FOLDER/<machine>/<kind>/*.wav``, or a table with
        the columns path and machine (and section, kind).
    out : str or pathlib.Path, optional
        The portfolio to write with these weights, a new .json file (known_faults).
    systems : sequence of str, optional
        The candidates; all by default. With several runs a name is "RUN/SYSTEM".
    baseline : str, optional
        The candidate that a choice must beat (lomo, nested, tournament), or the label-free default (known_faults); the
        first one by default.
    by : {"domain_balance", "tail_ratio", "separability", "variance_ratio"}, optional
        The criterion that ranks (criteria).
    truth : str or pathlib.Path, optional
        Ground truth folder or list; see :func:`asdcore.evaluate`.
    year : int, optional
        The year whose rules apply; that of the runs by default.
    replicates : int, default 1000
        Bootstrap replicates (tournament, mirror, known_faults).
    seed : int, default 0
        Seed of the bootstrap (tournament, mirror, known_faults).
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
    DataError
        If a known fault is a train clip, a normal clip or of no machine of the run.

    References
    ----------
    "Robust train-normal calibration for first-shot machine sound anomaly detection", DCASE 2026, sections 2 and
    4 (lomo, nested, mirror).

    B. Efron and R. Tibshirani, "Improvements on cross-validation: the .632+ bootstrap method", Journal of the
    American Statistical Association 92, 1997, and H. White, "A reality check for data snooping", Econometrica 68,
    2000 (tournament). :mod:`asdcore.evidence.selection.shrunken_choice` has those of known_faults.

    Examples
    --------
    >>> ranked = asdcore.select("runs/second", "criteria", by="tail_ratio")
    >>> sorted(row["candidate"] for row in ranked.rows)
    ['fused', 'guarded', 'plain']
    >>> outcome = asdcore.select("runs/second", "lomo", systems=["plain", "guarded"])
    >>> outcome.facts["baseline"], outcome.facts["chosen"]
    ('plain', 'guarded')

    """
    if (protocol is None) == (known_faults is None) or (known_faults is None and out is not None):
        raise EvaluationError(
            f"Say how to choose: by --protocol ({', '.join(PROTOCOLS)}), or by --known-faults, perhaps with --out."
        )
    if known_faults is not None:
        _refuse_others(systems=systems, by=by, truth=truth, year=year)
        drawn = partial(select_by_faults, replicates=replicates, seed=seed)
        return drawn(runs, known_faults, out=out, baseline=baseline, hypothesis=hypothesis)
    if protocol is None or protocol not in PROTOCOLS:
        raise EvaluationError(f"There is no protocol {protocol!r}. {did_you_mean(str(protocol), PROTOCOLS)}")
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


def _refuse_others(**given: object) -> None:
    """Raise EvaluationError for options that mean nothing to a choice by known faults."""
    if others := [name for name, value in given.items() if value is not None]:
        raise EvaluationError(
            f"{', '.join(others)} means nothing to a choice by known faults, which weighs all branches of the runs. "
            "Leave it out; --baseline names the system to move away from."
        )
