"""Reads the ground truth of a run's test clips: from given files, or from the names of the recordings."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from asdcore.basics.paths import given_path
from asdcore.basics.recording_parts import recording_name
from asdcore.components.readers import recordings_by
from asdcore.contract.plugins import installed
from asdcore.contract.references import DOMAINS
from asdcore.errors import AsdcoreError, EvaluationError
from asdcore.evidence.labels.files import read_truth
from asdcore.evidence.labels.labels_of_windows import recordings, spread
from asdcore.evidence.labels.matching import match_truth
from asdcore.evidence.rules import OWN_RECORDINGS, RULES
from asdcore.runs.folder import Run
from asdcore.store.tables import CELL, GROUND_TRUTH

_OWN_ADVICE = (
    "Put all test clips of that machine into test/normal and test/<name of a fault>, or fill in the column label of "
    "clips.csv (normal, or a fault's name) for all of them; then run again."
)


def rules_for(done: Run, truth: pl.DataFrame, year: int | None = None) -> int:
    """Return the year whose rules apply to the labels of a run: the one that was asked for, else that of its task.

    Recordings of one's own follow the rules of the latest year if all of its cells exist: if each machine and section
    has normal clips of both domains, and faulty ones.
    """
    if year == OWN_RECORDINGS:
        raise EvaluationError(f"No official rules are known for the year {year}. Known: {', '.join(map(str, RULES))}.")
    own: int = done.about["year"]
    if year is not None or own != OWN_RECORDINGS:
        return own if year is None else year
    cells = done.clips.select("clip", *CELL).join(truth, on="clip").group_by(CELL)
    normal, has_domain = pl.col("label") == 0, pl.col("domain").is_not_null().all()
    both = [((pl.col("domain") == domain) & normal).any() for domain in DOMAINS]
    official = cells.agg(official=pl.all_horizontal(has_domain, (~normal).any(), *both))["official"]
    return max(RULES) if len(official) and official.all() else OWN_RECORDINGS


def tells_labels(done: Run) -> bool:
    """Whether the recordings of a run come with labels, so that it can be evaluated as it is. No label is looked at."""
    try:
        return truth_of(done).height > 0
    except AsdcoreError:
        return False


def truth_of(done: Run, truth: str | Path | None = None) -> pl.DataFrame:
    """Return the ground truth table (clip, label, domain) of a run.

    truth : evaluator-style ground truth folders or an ``eval_data_list`` file; without it the dataset reader gets the
    labels from the names of development test files. Raises EvaluationError if there are none, or they do not fit.
    """
    if truth is not None:
        given = read_truth(given_path(truth, "truth"))
        if _cuts(done):
            return spread(_with_recordings(match_truth(given, recordings(done.clips)), done), done.clips)
        return _with_recordings(match_truth(given, done.clips), done)
    root = Path(done.about["data"])
    advice = "Give the ground truth with --truth (evaluator-style folders, or an eval_data_list file)."
    if not root.is_dir():
        raise EvaluationError(f"The run's data are no longer at {root}. {advice}")
    if "test" not in set(done.clips["split"]):
        raise EvaluationError(
            "This run has no test clips, so there is nothing to evaluate. What the threshold does on train normals is "
            f"shown by 'asdcore decisions {done.folder}'."
        )
    labels = installed().build("dataset", done.about["task"], {}).ground_truth(root)
    if labels is None:
        if done.about.get("year") == OWN_RECORDINGS:
            raise EvaluationError(f"{root} does not say of every test clip of a machine what it is. {_OWN_ADVICE}")
        raise EvaluationError(f"The names of the test clips in {root} do not mark anomalies. {advice}")
    labels = GROUND_TRUTH.check(spread(labels, done.clips) if _cuts(done) else labels)
    return labels if done.about.get("year") != OWN_RECORDINGS else _measurable(done, labels)


def _with_recordings(labels: pl.DataFrame, done: Run) -> pl.DataFrame:
    """Return labels that were given, with the recordings that the run's data name, if they are still there."""
    root = Path(done.about["data"])
    named = recordings_by(installed().build("dataset", done.about["task"], {}), root) if root.is_dir() else {}
    # Of windows the labels are of whole files, and the data may name a channel of one.
    named = {recording_name(clip): recording for clip, recording in named.items()} | named
    if not named:
        return labels
    return labels.with_columns(recording=pl.col("clip").replace_strict(named, default=None, return_dtype=pl.String))


def not_judged(done: Run, truth: pl.DataFrame) -> list[str]:
    """Return a line for every machine and section of a run whose test clips no evaluation counts, with the reason."""
    tested = done.clips.filter(split="test")
    lost = tested.join(tested.join(truth, on="clip", how="semi"), on=CELL, how="anti")
    return [_why(done, *cell) for cell in lost.select(CELL).unique().sort(CELL).rows()]


def _measurable(done: Run, labels: pl.DataFrame) -> pl.DataFrame:
    """Return the labels of machines and sections that have normal and faulty test clips: of others nothing is measured.

    Raises EvaluationError if there is none.
    """
    cells = done.clips.select("clip", *CELL).join(labels, on="clip", how="inner")
    both = cells.filter(pl.col("label").n_unique().over(CELL) > 1)
    if both.is_empty():
        reasons = not_judged(done, both)
        raise EvaluationError(
            "\n  - ".join(["Nothing can be measured without normal and faulty test clips.", *reasons])
        )
    return labels.join(both, on="clip", how="semi", maintain_order="left")


def _why(done: Run, machine: str, section: str) -> str:
    return (
        f"{machine} section {section} is not judged: its test clips have no labels, not all of them one, or all the "
        f"same, so no AUC can be computed. 'asdcore decisions {done.folder}' shows how many are above the threshold."
    )


def _cuts(done: Run) -> bool:
    """Whether a run has cut recordings into windows."""
    return done.about.get("portfolio", {}).get("windows") is not None
