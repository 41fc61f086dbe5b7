"""Chooses and weighs the branches of finished runs by a few labelled faults, and writes the portfolio that comes of it.

:mod:`asdcore.evidence.selection.shrunken_choice` has the rule, :mod:`~asdcore.evidence.selection.fault_clips` the
recordings, :mod:`~asdcore.evidence.selection.fault_scores` their scores and
:mod:`~asdcore.evidence.selection.fault_problem` what is asked of them. The portfolio carries which clips chose it: an
evaluation of its runs leaves them out, and a submission is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.basics.digits import fixed
from asdcore.basics.paths import given_path
from asdcore.errors import DataError, EvaluationError, did_you_mean
from asdcore.evidence.ledger import record_look
from asdcore.evidence.look import Look
from asdcore.evidence.official_scores.rules import forbids_known_faults
from asdcore.evidence.selection.candidates import Runs, check_same_clips, flattened
from asdcore.evidence.selection.fault_clips import Fault, known_faults
from asdcore.evidence.selection.fault_problem import Problem
from asdcore.evidence.selection.fault_scores import cell_scores, check_fusion, network_notes
from asdcore.evidence.selection.outcome import Outcome, points
from asdcore.evidence.selection.shrunken_choice import DOUBT, MARGIN, PRIOR_FAULTS, Choice, mixed
from asdcore.portfolio import Branch, KnownFaults, Portfolio, System, parse_portfolio
from asdcore.runs.folder import Run
from asdcore.runs.several import each_run_once
from asdcore.store.cache import Store
from asdcore.store.digests.digest import recipe_digest
from asdcore.store.digests.sealed_json import FIELD
from asdcore.store.disk.atomic import write_json

Floats = NDArray[np.float64]

CHOSEN = "known-faults"
"""The name of the system that is written."""

DEFINITION = (
    "gain is how far up among train normals the known faults lie: the mean of the AUC against each domain and the "
    "standardized pAUC (0.1), and of a recording that is cut the mean over its windows. A normal and a fault are "
    "scored by the same model, which lacks the normal's fold, but if a network is trained without a crossfit, it has "
    "learnt from all normals. A proper Bayesian bootstrap over the faults and over the recordings of the normals says "
    "how probably each branch is better than all others and than the label-free default, whose prior counts as "
    f"{PRIOR_FAULTS:g} faults with a lead of {100 * MARGIN:g} points, and must be beaten by {100 * DOUBT:g} points in "
    "any case. That is each one's share of the weights; moved is the share that the default has lost. apparent is the "
    "gain on the faults that chose, out_of_bag on faults that a draw of them did not choose by; optimism is the "
    "difference. A kind is scored by the weights that all other kinds choose."
)

RULES = (
    "The rules of DCASE {year} forbid it: no anomalous clip may choose anything of a system that is submitted. "
    "'asdcore package' refuses a run of this portfolio."
)


def select_by_faults(
    runs: Runs,
    faults: str | Path,
    *,
    out: str | Path | None = None,
    baseline: str | None = None,
    replicates: int = 1000,
    seed: int = 0,
    hypothesis: str | None = None,
) -> Outcome:
    """Weigh the branches of runs by known faults; see :func:`asdcore.select`.

    faults : folder or table. out : the portfolio to write, a new .json file. baseline : the label-free default, by
    default the first system of the first run. replicates : draws of the bootstraps.
    """
    given = _opened(runs)
    target = None if out is None else _new_file(given_path(out, "out"))
    plans = [parse_portfolio(run.about["portfolio"]) for run in given]
    name = _default(plans[0], baseline)
    system, branches = plans[0].systems[name], _branches(plans, given)
    check_fusion(name, system)
    clips = known_faults(given_path(faults, "known faults"), given[0])
    default = np.array([system.weights.get(branch, 0.0) for branch in branches])
    heard = [part for fault in clips for part in fault.heard]
    problem = Problem(cell_scores(given, branches, system, heard) if clips else [], default, clips, replicates, seed)
    choice = problem.choice(np.arange(len(clips)))
    weights = mixed(default, choice)
    chosen = _portfolio(plans, name, branches, weights, choice, clips)
    facts = {**problem.facts(choice), "default": name, "portfolio": chosen.digest}
    year = int(given[0].about["year"])
    notes = [RULES.format(year=year)] if forbids_known_faults(year) else []
    notes += network_notes(branches, given) if clips else []
    facts |= {"notes": notes, "kinds": problem.kinds(), "written": None if target is None else str(target)}
    rows = problem.rows(list(branches), weights, choice)
    looks = _record(given, clips, chosen, hypothesis) if clips else None
    if target is not None:
        write_json(target, chosen.model_dump(mode="json"))
    return Outcome("known-faults", DEFINITION, facts, rows, _sentence(facts, rows), looks)


def _opened(runs: Runs) -> list[Run]:
    given = each_run_once(list(flattened(runs)))
    if not given:
        raise EvaluationError("There are no branches to weigh: give one or more finished run folders.")
    for run in given:
        check_same_clips(given[0], run, "train")
    return given


def _new_file(path: Path) -> Path:
    if path.suffix != ".json":
        raise DataError(f"{path}: a portfolio that is written ends in .json, such as {path.with_suffix('.json')}.")
    if path.exists() or path.is_symlink():
        raise DataError(f"{path} exists and is not written over. Choose another name, or remove it.")
    return path


def _default(plan: Portfolio, name: str | None) -> str:
    """Return the name of the label-free default system."""
    systems = [system for system, made in plan.systems.items() if made.out_of_fold_mirror_of is None and not made.seeds]
    if name is not None and name not in systems:
        raise EvaluationError(f"There is no default {name!r} to move away from. {did_you_mean(name, systems)}")
    if not systems:
        raise EvaluationError("The run has no system with weights of its own; mirrors and ensembles have none.")
    if name is None and plan.known_faults and plan.known_faults.system in systems:
        return plan.known_faults.system  # not what faults have chosen, wherever that stands
    return systems[0] if name is None else name


def _branches(plans: Sequence[Portfolio], runs: Sequence[Run]) -> dict[str, Branch]:
    """Return the branches of all runs; raises EvaluationError if two of one name differ."""
    branches: dict[str, Branch] = {}
    for plan, run in zip(plans, runs, strict=True):
        for name, branch in plan.branches.items():
            if branches.setdefault(name, branch) != branch:
                raise EvaluationError(
                    f"The branch {name!r} of {run.folder} is another one than that of an earlier run. Rename it in its "
                    "portfolio, and run that again: it takes seconds."
                )
    return branches


def _portfolio(
    plans: Sequence[Portfolio],
    name: str,
    branches: Mapping[str, Branch],
    weights: Floats,
    choice: Choice,
    faults: Sequence[Fault],
) -> Portfolio:
    """Return the portfolio of the default and of the system that the faults chose."""
    plan, system = plans[0], plans[0].systems[name]
    say = {branch: float(weight) for branch, weight in zip(branches, weights, strict=True) if weight}
    chosen = system.model_copy(update={"weights": say})
    systems: dict[str, System] = {_new_name(name): chosen, name: system}
    needed = set().union(*(each.branches for each in systems.values()))
    kept = {branch: made for branch, made in branches.items() if branch in needed}
    kinds, sounds = _that_chose(plans, faults)
    weighed_by = KnownFaults(
        system=name,
        chosen_from=tuple(each.digest for each in plans),
        moved=choice.moved,
        faults=kinds,
        sounds=sounds,
    )
    values = plan.model_dump(mode="json") | {
        "name": f"{plan.name}-{CHOSEN}",
        "branches": {branch: made.model_dump(mode="json") for branch, made in kept.items()},
        "systems": {system: made.model_dump(mode="json") for system, made in systems.items()},
        "known_faults": weighed_by.model_dump(mode="json"),
    }
    return parse_portfolio(values)


def _that_chose(plans: Sequence[Portfolio], faults: Sequence[Fault]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return {SHA-256: kind} of the clips that chose the weights, with their copies, and the digests of their sound.

    Faults that chose a portfolio which is chosen from again stay with it: they may have made its weights.
    """
    before = [plan.known_faults for plan in plans if plan.known_faults]
    kinds = {sha256: kind for each in before for sha256, kind in each.faults.items()}
    for fault in faults:
        kinds |= dict.fromkeys((fault.sha256, *(part.sha256 for part in fault.heard), *fault.copies), fault.kind)
    sounds = {sound for each in before for sound in each.sounds} | {fault.facts.sound for fault in faults}
    sounds |= {part.facts.sound for fault in faults for part in fault.heard}
    return kinds, tuple(sorted(sounds - {""}))


def _new_name(default: str) -> str:
    """Return the name of the system that is chosen: another than that of a default which faults have chosen before."""
    if default != CHOSEN and not re.fullmatch(rf"{CHOSEN}-\d+", default):
        return CHOSEN
    number = default.removeprefix(CHOSEN).removeprefix("-")
    return f"{CHOSEN}-{int(number or 1) + 1}"


def _record(runs: Sequence[Run], faults: Sequence[Fault], chosen: Portfolio, hypothesis: str | None) -> int:
    """Append a look at the labels of the faults to the ledger of every run's store; returns the most looks so far."""
    truth = recipe_digest({"known faults": sorted(fault.sha256 for fault in faults)})
    most = 0
    for run in runs:
        digests = {"portfolio": run.about["portfolio_digest"], "run": run.about[FIELD], "chosen": chosen.digest}
        what = f"{len(faults)} known faults weigh the branches of {run.about['portfolio']['name']}"
        look = Look(what, truth, run.about["tables"]["systems"], digests=digests, hypothesis=hypothesis)
        most = max(most, record_look(Store(Path(run.about["store"])).looks, look))
    return most


def _sentence(facts: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    if not facts["faults"]:
        return f"No fault is known, so the weights are those of the default, {facts['default']}."
    moved = fixed(100 * facts["moved"], 0)
    n_faults = "1 known fault moves" if facts["faults"] == 1 else f"{facts['faults']} known faults move"
    sentence = f"{n_faults} {moved} % of the say away from {facts['default']}"
    if rows and facts["moved"]:
        sentence += f", most to {max(rows, key=lambda row: row['weight'] - row['default'])['branch']}"
    if "out_of_bag" in facts:
        sentence += (
            f". On faults like these the gain is expected at {points(facts['out_of_bag'])} instead of the default's "
            f"{points(facts['default_gain'])} (apparent {points(facts['apparent'])}, of which "
            f"{points(facts['optimism'])} is optimism)"
        )
    worse = [row["kind"] for row in facts["kinds"] if row["left_out"] < row["default"] - 0.01]
    if worse:
        sentence += f". Beware: of a kind that was not known it would find fewer: {', '.join(worse)}"
    return " ".join([f"{sentence}.", *facts["notes"]])
