"""The fallback audit: seal candidates and a rule in a plan before any metric is computed, then let the rule choose.

A plan names finished runs by their digests, and a lexicographic rule. It is refused if the ledger shows that one of the
runs has been evaluated already, or if the ledger is damaged. A plan that is made late on purpose says so. A ledger does
not see the same scores evaluated from another store or as score files. Deciding evaluates the candidates and follows
the rule, so the choice leaves no room for taste.

"Robust train-normal calibration" (DCASE 2026, section 4, Table 3) names the audit; the rule is ours.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from asdcore.basics.parse import parse_json
from asdcore.basics.paths import finite, given_path
from asdcore.errors import AsdcoreError, EvaluationError, did_you_mean
from asdcore.evidence.ledger import count_looks, read_ledger, record_plan
from asdcore.evidence.selection.candidates import Candidates, Places, open_candidates, places_of
from asdcore.evidence.selection.outcome import Outcome, points
from asdcore.runs.folder import EVALUATION_FILE, Run, load_run
from asdcore.store.cache import Store
from asdcore.store.digests.digest import bytes_digest
from asdcore.store.digests.sealed_json import FIELD, is_sealed, seal, unsealed
from asdcore.store.disk.atomic import json_text, write_bytes
from asdcore.version import __version__

SCHEMA = 1
WITHIN = 0.005
"""How far below the best official score a candidate may be and still be chosen for its risk."""

ROUNDING = 1e-12
"""Means of the same shares may differ by this much if they are added in another order."""

Risk = Literal["target_share_of_top_normals", "target_fpr_at_threshold"]
RISKS: tuple[Risk, ...] = ("target_share_of_top_normals", "target_fpr_at_threshold")

RULE = (
    "1. compliance: the run is the one that the plan names, and its tables are those that it was written with. "
    "2. official score: at least the best of the compliant candidates less {points:g} points. "
    "3. risk: the smallest mean {risk} over machines and sections. "
    "4. pAUC: the largest mean pAUC. Candidates that are still equal stand in the order of the plan."
)


def audit_plan(
    runs: Sequence[Run | str | Path],
    out: str | Path,
    *,
    systems: Sequence[str] | None = None,
    within: float = WITHIN,
    risk: Risk = RISKS[0],
    late: bool = False,
) -> dict[str, Any]:
    """Write a sealed plan of an audit over systems of finished runs, and enter it in their ledgers.

    Make the plan before any of the runs is evaluated; :func:`asdcore.audit_decide` then follows its rule.

    Parameters
    ----------
    runs : sequence of Run, str or pathlib.Path
        Finished runs or their folders.
    out : str or pathlib.Path
        Where to write the plan. A plan is written once: the file must not exist.
    systems : sequence of str, optional
        The candidates, at least two; all systems by default. With several runs a name is "RUN/SYSTEM".
    within : float, default 0.005
        How far below the best official score a candidate may be and still win by its risk, in [0, 1).
    risk : {"target_share_of_top_normals", "target_fpr_at_threshold"}
        The second step of the rule prefers the candidate for which this is smallest.
    late : bool, default False
        Plan although candidates have been evaluated already, and say so in the plan.

    Returns
    -------
    dict
        The plan as it was written.

    Raises
    ------
    EvaluationError
        If a candidate has been evaluated and ``late`` is false, ``out`` exists, or there are fewer than two candidates.

    References
    ----------
    "Robust train-normal calibration for first-shot machine sound anomaly detection", DCASE 2026, section 4 and
    Table 3 (the audit; the rule is ours).

    Examples
    --------
    >>> plan = asdcore.audit_plan(["runs/second"], "plan.json", systems=["plain", "guarded"])
    >>> [candidate["name"] for candidate in plan["candidates"]]
    ['plain', 'guarded']

    """
    path, places = given_path(out, "out"), places_of(runs, systems)
    _check(path, places, within, risk)
    seen = _seen(places)
    if seen and not late:
        listed = "".join(f"\n  - {sentence}" for sentence in seen)
        raise EvaluationError(
            f"A plan comes before the first metric, but:{listed}\nPlan among runs that have not been evaluated, or say "
            "with --late that this one comes after: the plan will carry it."
        )
    plan = {
        "schema": SCHEMA,
        "asdcore": __version__,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "candidates": [_entry(name, run, system, path) for name, (run, system) in places.items()],
        "within": within,
        "risk": risk,
        "rule": RULE.format(points=100 * within, risk=risk),
        "late": seen,
        FIELD: unsealed(),
    }
    content = seal(json_text(plan).encode())
    write_bytes(path, content)
    for store in _stores(places):
        record_plan(store.looks, bytes_digest(content), {"candidates": list(places), "late": bool(seen)})
    written: dict[str, Any] = json.loads(content)
    return written


def audit_decide(plan: str | Path, *, truth: str | Path | None = None, year: int | None = None) -> Outcome:
    """Evaluate the candidates of a sealed plan, log the look at the labels, and choose by the plan's rule.

    Parameters
    ----------
    plan : str or pathlib.Path
        The file that :func:`asdcore.audit_plan` wrote.
    truth : str or pathlib.Path, optional
        Ground truth folder or list; see :func:`asdcore.evaluate`.
    year : int, optional
        The year whose rules apply; that of the runs by default.

    Returns
    -------
    Outcome
        ``facts["chosen"]`` names the choice, ``rows`` holds a row for each candidate with the step at which it was
        left behind, and ``sentence`` is the conclusion.

    Raises
    ------
    EvaluationError
        If the plan has changed since it was sealed, or no candidate is still the run that the plan names.

    References
    ----------
    As :func:`asdcore.audit_plan`.

    Examples
    --------
    >>> plan = asdcore.audit_plan(["runs/second"], "plan.json", systems=["plain", "guarded"])
    >>> asdcore.audit_decide("plan.json").facts["chosen"]
    'guarded'

    """
    path = given_path(plan, "the plan")
    content, read = _read(path)
    places, broken = _compliant(read, path.parent)
    if not places:
        listed = "".join(f"\n  - {name}: {why}" for name, why in broken.items())
        raise EvaluationError(f"No candidate of {path} complies:{listed}\nMake the runs again, and another plan.")
    candidates = open_candidates(places, truth, year)
    rows = {name: _row(candidates, name) for name in places}
    chosen, left_at = _follow(rows, read["within"], read["risk"])
    left_at = dict.fromkeys(broken, "compliance") | left_at | {chosen: "chosen"}
    names = [candidate["name"] for candidate in read["candidates"]]
    table = [{"candidate": name, **rows.get(name, {}), "left_at": left_at[name]} for name in names]
    digest = bytes_digest(content)
    facts = {"chosen": chosen, "plan_sha256": digest, "planned": read["time"], "late": read["late"], "broken": broken}
    sentence = (
        f"{chosen} is chosen by the rule of {path.name}: official score {points(rows[chosen]['official_score'])}, "
        f"{read['risk']} {points(rows[chosen][read['risk']])}, mean pAUC {points(rows[chosen]['mean_pauc'])}."
        + " The plan was made after candidates had been evaluated."
        * bool(read["late"])
    )
    return Outcome("audit", read["rule"], facts, table, sentence, candidates.record(f"audit {digest[:12]} over"))


def _check(out: Path, places: Places, within: float, risk: str) -> None:
    """Raise if the arguments of a plan are invalid."""
    if risk not in RISKS:
        raise EvaluationError(f"There is no risk {risk!r}. {did_you_mean(risk, RISKS)}")
    if not 0 <= within < 1:
        raise EvaluationError(f"within is {within}; a difference of official scores in [0, 1) is allowed.")
    if len(places) < 2:
        raise EvaluationError(f"The only candidate is {next(iter(places))}: an audit chooses among two or more.")
    if out.exists():
        raise EvaluationError(f"{out} exists: a plan is written once. Choose another --out.")


def _follow(rows: dict[str, dict[str, Any]], within: float, risk: Risk) -> tuple[str, dict[str, str]]:
    """Return the candidate that the rule picks, and at which step each other one was left behind."""
    best = max(row["official_score"] for row in rows.values())
    left_at = {name: "official score" for name, row in rows.items() if row["official_score"] < best - within}
    kept = [name for name in rows if name not in left_at]
    if lacking := [name for name in kept if rows[name][risk] is None]:
        raise EvaluationError(f"{risk} does not exist for {lacking[0]}: there are no target test normals or decisions.")
    smallest = min(rows[name][risk] for name in kept)
    left_at |= {name: "risk" for name in kept if rows[name][risk] > smallest + ROUNDING}
    kept = [name for name in kept if name not in left_at]
    chosen = max(kept, key=lambda name: rows[name]["mean_pauc"])
    return chosen, left_at | {name: "pAUC" for name in kept if name != chosen}


def _row(candidates: Candidates, name: str) -> dict[str, Any]:
    """Return the figures that the rule uses: official score, mean AUC and pAUC, and both target risks as means."""
    cells = list(candidates.cells(name).values())
    summary = candidates.evaluation.summary()[name]
    row = {key: summary[key] for key in ("official_score", "mean_auc", "mean_pauc")}
    for risk in RISKS:
        values = [cell[risk] for cell in cells if cell.get(risk) is not None]
        row[risk] = sum(values) / len(values) if values else None
    return row


def _seen(places: Places) -> list[str]:
    """List the runs that have been evaluated, and the ledgers that are damaged."""
    seen = []
    for run in _runs(places):
        log = Store(Path(run.about["store"])).looks
        looks = count_looks(log, run.about["tables"]["systems"])["at_this_result"]
        if looks:
            seen.append(f"{run.folder} was evaluated {looks} times, as the ledger {log} says")
        elif (run.folder / EVALUATION_FILE).exists():
            seen.append(f"{run.folder} was evaluated: it holds {EVALUATION_FILE}")
    for store in _stores(places):
        if problems := read_ledger(store.looks).chain.problems:
            seen.append(f"the ledger {store.looks} is not as it was written ({problems[0]})")
    return seen


def _entry(name: str, run: Run, system: str, plan: Path) -> dict[str, str]:
    where = os.path.relpath(run.folder.resolve(), plan.resolve().parent)
    table = run.about["tables"]["systems"]
    return {
        "name": name,
        "run": Path(where).as_posix(),
        "system": system,
        "run_sealed": run.about[FIELD],
        "table": table,
    }


def _compliant(plan: dict[str, Any], folder: Path) -> tuple[Places, dict[str, str]]:
    """Return the candidates that are still what the plan names, and {name: its fault} of the others."""
    places, broken = {}, {}
    for candidate in plan["candidates"]:
        try:
            run = load_run(folder / candidate["run"])
            if run.about[FIELD] != candidate["run_sealed"] or run.about["tables"]["systems"] != candidate["table"]:
                raise EvaluationError(f"{run.folder} is not the run that the plan names: it was made again")
            _ = run.clips, run.systems, run.decisions  # reading them checks their digests
            places[candidate["name"]] = (run, candidate["system"])
        except AsdcoreError as error:
            broken[candidate["name"]] = str(error)
    return places, broken


def _read(path: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        content = finite(path).read_bytes()
        plan = parse_json(content)
    except (OSError, ValueError) as error:
        raise EvaluationError(
            f"{path} is not a plan of an audit ({error}). Make one with 'asdcore audit plan RUN... --out {path}'."
        ) from error
    if not isinstance(plan, dict) or plan.get("schema") != SCHEMA or not is_sealed(content):
        raise EvaluationError(
            f"{path} is not a plan of an audit, or has changed since it was sealed. A changed plan decides nothing: "
            "make another with 'asdcore audit plan'."
        )
    return content, plan


def _runs(places: Places) -> list[Run]:
    return list({run.folder: run for run, _ in places.values()}.values())


def _stores(places: Places) -> list[Store]:
    return [Store(root) for root in dict.fromkeys(Path(run.about["store"]) for run in _runs(places))]
