"""Check a submission: it is accepted if the official evaluator would score it as intended.

The evaluator matches scores to labels by sorted position and never compares names, skips a system that lacks a file,
and stops for all teams at an unreadable line. So files, clips and values are compared with the evaluation data here, by
name. Problems are what might be scored wrongly or not at all; warnings are what the evaluator skips, and what a person
should look at before sending the submission.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from asdcore.basics.paths import given_path
from asdcore.components.build import load_dataset
from asdcore.components.readers import year_of
from asdcore.data.clip_index.clips import looked_at
from asdcore.errors import DataError, DatasetError
from asdcore.evidence.labels.score_lines import Problem
from asdcore.evidence.metrics import rule
from asdcore.portfolio import DEFAULT_TASK
from asdcore.submission.archive import Tree, pack, read_tree
from asdcore.submission.layout import (
    DECISIONS,
    LABEL,
    LABEL_FORM,
    MAX_SYSTEMS,
    META,
    REPORT,
    SCORES,
    Expected,
    expected_files,
    is_development,
    team,
)
from asdcore.submission.meta import check_meta
from asdcore.submission.score_files import check_scores


@dataclass
class Verdict:
    """The result of :func:`check_submission`.

    Attributes
    ----------
    year : int
        The year whose files were expected.
    systems : list of str
        The labels, sorted.
    problems, warnings : list of Problem
        In the order of files and lines.
    """

    year: int
    systems: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        """Whether the evaluator would score every system as intended."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``asdcore check-submission --json`` prints."""
        lists = {"problems": self.problems, "warnings": self.warnings}
        listed = {name: [vars(problem) for problem in problems] for name, problems in lists.items()}
        return {"accepted": self.accepted, "year": self.year, "systems": self.systems, **listed}


def check_submission(
    submission: str | Path, data: str | Path, *, task: str | None = None, year: int | None = None
) -> Verdict:
    """Check a submission against the evaluation data, as strictly as the official evaluator reads it.

    Parameters
    ----------
    submission : path
        A package's folder, one system's folder, or a zip.
    data : path
        The evaluation data: the folder that holds ``<machine>/test/``.
    task : str, optional
        A dataset reader such as ``"dcase2026"``; by default the grammar of file names is detected.
    year : int, optional
        The year whose files are expected; by default the task's.

    Returns
    -------
    Verdict
        ``accepted``, and all problems and warnings, each with its file and line.

    Raises
    ------
    DataError
        If the submission does not exist, or the data hold no test clips.

    Examples
    --------
    >>> submitted = asdcore.package(["runs/first"], "Doe_Uni", out="submission")
    >>> verdict = asdcore.check_submission("submission", data="data")
    >>> verdict.accepted, verdict.systems
    (True, ['Doe_Uni_task2_1'])
    """
    path = Path(submission)
    if not path.exists():
        raise DataError(f"{path} does not exist. Give a package's folder, the folder of one system, or a zip.")
    clips, of_task, warnings = _listed(given_path(data, "data"), task or DEFAULT_TASK)
    verdict = check_files(path, clips, of_task if year is None else year)
    expected = expected_files(clips, verdict.year)
    verdict.problems[:0] = _of_other_data(read_tree(path), expected, data)
    if is_development(expected):
        reason = "the names of the test clips say normal or anomaly: these are development data, not a submission's"
        warnings.insert(0, Problem(str(data), None, reason))
    if task is None and year is None:
        reason = f"no task was named, so files are asked for as in {of_task}; name one with --task"
        warnings.insert(0, Problem(str(data), None, reason))
    verdict.warnings[:0] = warnings
    return verdict


def check_files(submission: Path, clips: pl.DataFrame, year: int) -> Verdict:
    """Check a submission against a clip index under the rules of ``year``."""
    rule(year)
    expected = expected_files(clips, year)
    if not expected:
        raise DataError("The evaluation data hold no test clips. Give the folder that holds <machine>/test/.")
    tree = read_tree(submission)
    verdict = Verdict(year, problems=tree.problems)
    systems = _systems(tree)
    alone = submission.is_dir() and list(systems) == [""]
    labels = {folder: PurePosixPath(folder).name for folder in systems}
    if "" in labels:
        labels[""] = submission.resolve().name if submission.is_dir() else ""
    verdict.systems = sorted(labels.values())
    if not systems:
        tree.refuse("", f"holds no score files; allowed are files {SCORES}_*.csv in folders named {LABEL_FORM}")
    for problem in _label_problems(tree, labels):
        # The folder of one system, checked by itself, need not be named as in a package yet.
        (verdict.warnings if alone else verdict.problems).append(problem)
    for folder, names in systems.items():
        _check_system(tree, folder, names, labels[folder], expected, verdict, alone)
    if systems and not alone:
        verdict.warnings += _package_warnings(submission, tree)
    for listed in (verdict.problems, verdict.warnings):
        listed.sort(key=lambda problem: (problem.file, problem.line or 0))
    return verdict


def _listed(root: Path, task: str) -> tuple[pl.DataFrame, int, list[Problem]]:
    """Return the clips of the evaluation data, the year of their reader, and warnings about them.

    Only names matter here: no clip is read, so an unreadable one does not matter.
    """
    reader = load_dataset(task)
    if not (year := year_of(reader)):
        raise DataError(f"The reader {task!r} reads recordings of no challenge, so nothing is submitted for them.")
    try:
        with looked_at({}):
            return reader.clips(root), year, []
    except DatasetError as error:
        if error.clips is None or error.clips.is_empty():
            raise
        reason = f"{len(error.problems)} problems in the evaluation data, the first: {error.problems[0]}"
        return error.clips, year, [Problem(str(root), None, reason)]


def _of_other_data(tree: Tree, expected: Expected, data: str | Path) -> Iterator[Problem]:
    """Yield one problem if most scored names are not in the data: the likely cause of all others."""
    asked = {(f"{SCORES}_{end}.csv", name) for end, names in expected.items() for name in names.values()}
    scored = {
        (PurePosixPath(path).name, line.partition(",")[0])
        for path, content in tree.files.items()
        if content is not None and PurePosixPath(path).name.startswith(f"{SCORES}_") and path.endswith(".csv")
        for line in content.decode("utf-8", "replace").splitlines()
        if "," in line
    }
    if scored and 2 * len(scored & asked) < len(scored):
        yield Problem(
            str(data),
            None,
            f"holds {len(asked)} test clips, and only {len(scored & asked)} of the {len(scored)} scored here are among "
            "them: the submission seems to be made for other recordings. Give their folder with --data",
        )


def _systems(tree: Tree) -> dict[str, list[str]]:
    """Return {folder: names of its files} of every folder that holds score files or a meta file."""
    folders: dict[str, list[str]] = defaultdict(list)
    for path in sorted(tree.files):
        folder, _, name = path.rpartition("/")
        folders[folder].append(name)
    return {
        folder: names
        for folder, names in folders.items()
        if any(name.endswith(META) or name.startswith((f"{SCORES}_", f"{DECISIONS}_")) for name in names)
    }


def _label_problems(tree: Tree, labels: Mapping[str, str]) -> Iterator[Problem]:
    """Yield problems with the names and the number of the systems' folders."""
    counts = Counter(label.casefold() for label in labels.values())
    for folder, label in labels.items():
        if not LABEL.fullmatch(label):
            yield Problem(tree.where(folder), None, f"found a system labelled {label!r}; allowed is {LABEL_FORM}")
        if counts[label.casefold()] > 1:
            yield Problem(tree.where(folder), None, f"found the label {label!r} more than once; allowed is once")
    if len(labels) > MAX_SYSTEMS:
        listed = ", ".join(sorted(labels.values()))
        yield Problem(tree.where(""), None, f"found {len(labels)} systems ({listed}); allowed are {MAX_SYSTEMS}")
    teams = sorted({team(label) for label in labels.values()})
    if len(teams) > 1 and all(map(LABEL.fullmatch, labels.values())):
        yield Problem(tree.where(""), None, f"found labels of {', '.join(teams)}; allowed is one team")


def _check_system(
    tree: Tree, folder: str, names: list[str], label: str, expected: Expected, verdict: Verdict, alone: bool
) -> None:
    """Check one system's scores and its meta file."""
    inside = {name: f"{folder}/{name}" if folder else name for name in names}
    scored = {name: (tree.where(path), tree.files[path]) for name, path in inside.items()}
    problems, warnings = check_scores(scored, tree.where(folder), expected, verdict.year)
    verdict.problems += problems
    verdict.warnings += warnings
    metas = [name for name in names if name.endswith(META)]
    for name in metas:
        where, content = scored[name]
        if name != f"{label}{META}":
            reason = f"found a meta file of another label than its folder's; allowed is {label}{META}"
            verdict.problems.append(Problem(where, None, reason))
        if content is not None:
            problems, warnings = check_meta(content, where, label)
            verdict.problems += problems
            verdict.warnings += warnings
    if not metas:
        alike = [name for name in names if ".meta" in name.lower() or name.lower().endswith((".yaml", ".yml"))]
        beside = f", but {alike[0]}" if alike else ""
        reason = f"there is no {label}{META}{beside}; the name must be just so, 'asdcore package' writes one"
        (verdict.warnings if alone else verdict.problems).append(Problem(tree.where(folder), None, reason))


def _package_warnings(submission: Path, tree: Tree) -> Iterator[Problem]:
    """Yield what a package lacks that the evaluator does not need."""
    if not any(path.endswith(REPORT) for path in tree.files):
        yield Problem(
            tree.where(""), None, f"there is no <Name>_<Institute>_task2{REPORT}, which the challenge asks for"
        )
    if submission.is_dir() and not tree.problems:
        packed = pack(submission)
        for archive in sorted(submission.glob("*.zip")):
            if archive.read_bytes() != packed:
                reason = "is not what this folder holds now; 'asdcore package', given again, makes it anew"
                yield Problem(tree.where(archive.name), None, reason)
