"""The official metrics of a run or of score files. Each call is a look at the labels, and the ledger records it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from asdcore.basics.paths import given_path
from asdcore.evidence.evaluations.evaluate import Evaluation, evaluate_systems
from asdcore.evidence.evaluations.evaluate import evaluate_scores as evaluate_files
from asdcore.evidence.evaluations.trials import evaluate_trials, look_at_trials
from asdcore.evidence.labels.held_back import held_back
from asdcore.evidence.labels.truth import not_judged, rules_for, truth_of
from asdcore.evidence.ledger import record_look
from asdcore.evidence.look import Verdict, look_at
from asdcore.runs.folder import Run
from asdcore.runs.trials import Trials, opened
from asdcore.runs.writing import check_evaluation, write_evaluation
from asdcore.store.cache import Store, default_store

REPLICATES = 2000
"""Of the bootstrap behind every interval."""


def evaluate(
    finished: Run | Trials | str | Path,
    *,
    truth: str | Path | None = None,
    year: int | None = None,
    replicates: int = REPLICATES,
    hypothesis: str | None = None,
    verdict: Verdict | None = None,
) -> Evaluation:
    """Compute the official metrics of a run, with intervals, and write them to ``evaluation.json`` in its folder.

    The ledger of the run's store records this look at the labels. Trials are evaluated together, as one look: the means
    over the seeds, their intervals over clips, and apart from these the standard deviation over trials.

    Parameters
    ----------
    finished : Run, Trials, str or Path
        A run, or trials, or their folder.
    truth : str or Path, optional
        Evaluator-style ground truth folders, or an ``eval_data_list`` file. Default: the labels in the names of
        development test files.
    year : int, optional
        The challenge year whose rules apply, 2020 to 2026. Default: the year of the run's task.
    replicates : int
        How many bootstrap replicates the intervals rest on; 0 gives no intervals.
    hypothesis : str, optional
        What you expect to see, written before you look. It goes into the ledger.
    verdict : {"kept", "rejected"}, optional
        What you do with the result. It goes into the ledger too; :func:`asdcore.verdict` can say it later.

    Returns
    -------
    Evaluation
        ``systems`` maps each system to its ``official_score`` and ``cells``; all scores are fractions in [0, 1]. Of
        trials, a :class:`asdcore.evidence.evaluations.trials.TrialsEvaluation`: ``systems`` holds means, ``trials``
        each by itself.

    Raises
    ------
    EvaluationError
        If there are no labels, or they do not fit the run's test clips.
    StoreError
        If the run's folder holds an ``evaluation.json`` that asdcore did not write. The labels were not looked at.

    Examples
    --------
    >>> evaluation = asdcore.evaluate("runs/first", hypothesis="distances tell faults of bearings best")
    >>> evaluation.year, list(evaluation.systems)
    (2026, ['knn'])
    >>> [cell["machine"] for cell in evaluation.systems["knn"].cells]
    ['SynBearing', 'SynFan', 'SynValve']
    >>> interval = evaluation.uncertainty.official["knn"]["bca"]
    >>> interval.low <= evaluation.systems["knn"].official_score <= interval.high
    True
    """
    done = opened(finished)
    check_evaluation(done.folder)
    first = done.first if isinstance(done, Trials) else done
    labels = truth_of(first, None if truth is None else given_path(truth, "truth"))
    rules = rules_for(first, labels, year)
    result: Evaluation
    if isinstance(done, Trials):
        result = evaluate_trials(done, labels, rules, replicates)
        look = look_at_trials(done, labels, "trials of", result)
    else:
        tables = (done.systems, done.decisions, done.clips)
        result = evaluate_systems(*tables, labels, rules, replicates, held_back(done))
        result = replace(result, not_judged=tuple(not_judged(first, labels)))
        look = look_at(done, labels, "run of", year=result.year)
    look = replace(look, results=result.summary(), hypothesis=hypothesis, verdict=verdict)
    looks = record_look(Store(Path(first.about["store"])).looks, look)
    left_out = {"known_faults_left_out": sorted(without)} if (without := held_back(first)) else {}
    write_evaluation(done.folder, {**result.as_json(), "looks": looks, **left_out})
    return result


def evaluate_scores(
    scores: str | Path,
    truth: str | Path,
    year: int,
    *,
    replicates: int = REPLICATES,
    hypothesis: str | None = None,
    verdict: Verdict | None = None,
) -> Evaluation:
    """Compute the official metrics of score files, such as those of a submission, whatever program wrote them.

    The ledger of the per-user store records this look at the labels.

    Parameters
    ----------
    scores : str or Path
        A folder of ``anomaly_score_<machine>_section_<nn>_test.csv`` files (the forms of 2020 and 2021 are read too),
        or a folder with one such folder for each system.
    truth : str or Path
        A folder that holds ``ground_truth_data/`` and ``ground_truth_domain/`` as the official evaluators do, or an
        ``eval_data_list`` file.
    year : int
        The challenge year whose rules apply, 2020 to 2026.
    replicates, hypothesis, verdict : optional
        As :func:`asdcore.evaluate`.

    Returns
    -------
    Evaluation
        As of :func:`asdcore.evaluate`.

    Raises
    ------
    EvaluationError
        If a file cannot be read, or scores and ground truth do not have the same clips.

    Examples
    --------
    >>> evaluation = asdcore.evaluate_scores("scores", truth="truth", year=2026)
    >>> 0 < evaluation.systems["scores"].official_score < 1
    True
    """
    log = Store(default_store()).looks
    places = given_path(scores, "scores"), given_path(truth, "truth")
    return evaluate_files(*places, year, log, replicates=replicates, hypothesis=hypothesis, verdict=verdict)
