"""The fallback audit: candidates and rule are written down and sealed before any metric is computed; the rule decides.

A plan names finished runs by their digests, and a lexicographic rule. It is refused where the ledger says that one of
the runs has been evaluated already (or that it is not as it was written, and so cannot say), unless the plan is made
late on purpose, which stays in it. What a ledger cannot know: the same scores, looked at from another store or as score
files. Deciding evaluates the candidates and follows the rule: what it picks was never open to taste.

"Robust train-normal calibration" (DCASE 2026, section 4, Table 3) names the audit; the rule is ours.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from asdcore.basics.digits import fixed
from asdcore.basics.parse import parse_json
from asdcore.basics.paths import given_path
from asdcore.errors import AsdcoreError, EvaluationError, did_you_mean
from asdcore.evidence.ledger import count_looks, read_ledger, record_plan
from asdcore.evidence.selection.candidates import Candidates, Places, open_candidates, places_of
from asdcore.evidence.selection.outcome import Outcome, points
from asdcore.runs.folder import EVALUATION_FILE, Run, load_run
from asdcore.store.atomic import json_text, write_bytes
from asdcore.store.cache import Store
from asdcore.store.digest import bytes_digest
from asdcore.store.seal import FIELD, is_sealed, seal, unsealed
from asdcore.version import __version__

SCHEMA = 1
WITHIN = 0.005
"""How far below the best official score a candidate may be and still be chosen for its risk."""

ROUNDING = 1e-12
"""Means of the same shares may differ by so much, in whichever order they were added."""

Risk = Literal["target_share_of_top_normals", "target_fpr_at_threshold"]
RISKS: tuple[Risk, ...] = ("target_share_of_top_normals", "target_fpr_at_threshold")

RULE = (
    "1. compliance: the run is the one that the plan names, and its tables are those that it was written with. "
    "2. official score: at least the best of the compliant candidates less {within}. "
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
    """Write a sealed plan of an audit over systems of finished runs, and enter it in their ledgers; returns the plan.

    systems : the candidates, at least two; all where none are named. late : plan although candidates have been
    evaluated, and say so in the plan. Raises EvaluationError where they have been and it is not, or ``out`` exists.
    """
    path, places = given_path(out, "out"), places_of(runs, systems)
    _check(path, places, within, risk)
    seen = _seen(places)
    if seen and not late:
        listed = "".join(f"\n  - {one}" for one in seen)
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
        "rule": RULE.format(within=within, risk=risk),
        "late": seen,
        FIELD: unsealed(),
    }
    content = seal(json_text(plan).encode())
    write_bytes(path, content)
    for store in _stores(places):
        record_plan(store.looks, bytes_digest(content), {"candidates": list(places), "late": bool(seen)})
    found: dict[str, Any] = json.loads(content)
    return found


def audit_decide(plan: str | Path, *, truth: str | Path | None = None, year: int | None = None) -> Outcome:
    """Evaluate the candidates of a plan, log the look at the labels, and choose by the plan's rule.

    Raises EvaluationError where the plan has changed since it was sealed, or no candidate complies.
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
    names = [one["name"] for one in read["candidates"]]
    table = [{"candidate": name, **rows.get(name, {}), "left_at": left_at[name]} for name in names]
    digest = bytes_digest(content)
    facts = {"chosen": chosen, "plan_sha256": digest, "planned": read["time"], "late": read["late"], "broken": broken}
    sentence = (
        f"{chosen} is chosen by the rule of {path.name}: official score {points(rows[chosen]['official_score'])}, "
        f"{read['risk']} {fixed(rows[chosen][read['risk']], 3)}, mean pAUC {points(rows[chosen]['mean_pauc'])}."
        + " The plan was made after candidates had been evaluated."
        * bool(read["late"])
    )
    return Outcome("audit", read["rule"], facts, table, sentence, candidates.record(f"audit {digest[:12]} over"))


def _check(out: Path, places: Places, within: float, risk: str) -> None:
    """Raise where a plan cannot be made of this."""
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
    """Return what the rule looks at: official score, mean AUC and pAUC, and both target risks, means over cells."""
    cells = list(candidates.cells(name).values())
    found = candidates.evaluation.summary()[name]
    row = {key: found[key] for key in ("official_score", "mean_auc", "mean_pauc")}
    for risk in RISKS:
        values = [cell[risk] for cell in cells if cell.get(risk) is not None]
        row[risk] = sum(values) / len(values) if values else None
    return row


def _seen(places: Places) -> list[str]:
    """Say which runs have been evaluated, and which ledgers cannot say so."""
    found = []
    for run in _runs(places):
        log = Store(Path(run.about["store"])).looks
        looks = count_looks(log, run.about["tables"]["systems"])["at_this_result"]
        if looks:
            found.append(f"{run.folder} was evaluated {looks} times, as the ledger {log} says")
        elif (run.folder / EVALUATION_FILE).exists():
            found.append(f"{run.folder} was evaluated: it holds {EVALUATION_FILE}")
    for store in _stores(places):
        if problems := read_ledger(store.looks).chain.problems:
            found.append(f"the ledger {store.looks} is not as it was written ({problems[0]})")
    return found


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
    """Return the candidates that are still what the plan names, and {name: what is wrong} of the others."""
    places, broken = {}, {}
    for one in plan["candidates"]:
        try:
            run = load_run(folder / one["run"])
            if run.about[FIELD] != one["run_sealed"] or run.about["tables"]["systems"] != one["table"]:
                raise EvaluationError(f"{run.folder} is not the run that the plan names: it was made again")
            _ = run.clips, run.systems, run.decisions  # read and held against their digests
            places[one["name"]] = (run, one["system"])
        except AsdcoreError as error:
            broken[one["name"]] = str(error)
    return places, broken


def _read(path: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        content = path.read_bytes()
        plan = parse_json(content)
    except (OSError, ValueError) as error:
        raise EvaluationError(
            f"{path} is no plan of an audit ({error}). Make one with 'asdcore audit plan RUN... --out {path}'."
        ) from error
    if not isinstance(plan, dict) or plan.get("schema") != SCHEMA or not is_sealed(content):
        raise EvaluationError(
            f"{path} is no plan of an audit, or has changed since it was sealed. A changed plan decides nothing: make "
            "another with 'asdcore audit plan'."
        )
    return content, plan


def _runs(places: Places) -> list[Run]:
    return list({run.folder: run for run, _ in places.values()}.values())


def _stores(places: Places) -> list[Store]:
    return [Store(root) for root in dict.fromkeys(Path(run.about["store"]) for run in _runs(places))]
