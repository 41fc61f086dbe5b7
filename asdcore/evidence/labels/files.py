"""Reads score files and ground truth files. With ``evaluate``, the only code that may open ground truth.

Score files are what a team submits, so their lines are read strictly (:mod:`asdcore.evidence.labels.score_lines`).
Ground truth is published by others and read leniently in form: a byte-order mark and blank lines are skipped.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import polars as pl

from asdcore.basics.paths import files_below, finite
from asdcore.errors import EvaluationError
from asdcore.evidence.labels.score_lines import BOM, DECISION, SCORE, Column, Problem, V, once, read_rows, utf8

Section = tuple[str, str]
"""(machine, section); machine IDs of 2020 are its sections."""

TRUTH_COLUMNS = {
    "machine": pl.String,
    "section": pl.String,
    "clip": pl.String,
    "label": pl.Int8,
    "domain": pl.String,
    "alias": pl.String,
}

Line = tuple[str, list[str]]
"""A line of the ground truth: its file and number, for messages, and its fields."""

TruthRow = tuple[str, str, str, int, str | None, str | None]
T = TypeVar("T", int, str)

_SCORE_FILE = re.compile(
    r"(?P<kind>anomaly_score|decision_result)_(?:"
    r"(?:DCASE\d{4}T2)?(?P<machine>.+?)_section_(?P<section>\d\d)_(?:source_|target_)?test(?:_seed\d+.*)?"
    r"|(?P<machine_2020>.+?)_id_(?P<id>\d\d))\.csv"
)
_RESULTS = re.compile(r"(anomaly_score|decision_result)_.*\.csv")
_SCORE_FILES = (
    "<kind>_<machine>_section_<nn>_test.csv, <kind>_<machine>_section_<nn>_{source,target}_test.csv (2021), "
    "<kind>_<machine>_id_<nn>.csv (2020) and <kind>_DCASE<yyyy>T2<machine>_section_<nn>_test_seed<seed><tag>_Eval.csv "
    "(baseline), where <kind> is anomaly_score or decision_result"
)
_TRUTH_FILE = re.compile(
    r"ground_truth_(?P<machine>.+?)_section_(?P<section>\d\d)_((?P<domain>source|target)_)?test\.csv"
)
_ANONYMOUS = re.compile(r"(?:section|id)_(\d\d)_.+")
_LABELLED = re.compile(  # "test_" is absent from the published names of RoboticArm, 2024
    r"section_\d\d_(?P<domain>source|target)_(?:test_)?(?P<label>normal|anomaly)_.+"
    r"|(?P<label_2020>normal|anomaly)_id_\d\d_.+"
)
_BINARY = {"0": 0, "1": 1}
_DOMAINS = {"0": "source", "1": "target"}


@dataclass(frozen=True)
class Submitted:
    """One system's results for one (machine, section): {clip: score}, and {clip: 0 or 1} if it has decisions."""

    scores: dict[str, float]
    decisions: dict[str, int] | None


def read_scores(folder: Path) -> dict[str, dict[Section, Submitted]]:
    """Read every ``anomaly_score_*.csv`` and ``decision_result_*.csv`` under ``folder``.

    Files directly in ``folder`` are the system named like the folder; files below it are the system named by their
    folder's path relative to it. Returns {system: {(machine, section): Submitted}}. Raises an EvaluationError that
    lists every unreadable line: its file, its content and what is allowed.
    """
    if not folder.is_dir():
        raise EvaluationError(f"There is no folder {folder}. Give the folder that holds anomaly_score_*.csv files.")
    paths: dict[str, dict[Section, dict[str, list[Path]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    folders: dict[str, Path] = {}
    for path in (path for path in files_below(folder) if _RESULTS.fullmatch(path.name)):
        system = path.parent.relative_to(folder).as_posix() if path.parent != folder else folder.resolve().name
        if folders.setdefault(system, path.parent) != path.parent:
            raise EvaluationError(
                f"{folders[system]} and {path.parent} are both system {system!r}. Rename one of them."
            )
        match = _SCORE_FILE.fullmatch(path.name)
        if not match:
            raise EvaluationError(f"{path}: the name lacks machine and section. Allowed are {_SCORE_FILES}.")
        section = (match["machine"] or match["machine_2020"], match["section"] or match["id"])
        paths[system][section][match["kind"]].append(path)
    if not paths:
        raise EvaluationError(f"{folder} holds no score files. Allowed are {_SCORE_FILES}.")
    _check_complete(paths)
    problems: list[Problem] = []
    read = {
        system: {section: _submitted(files, problems) for section, files in rows.items()}
        for system, rows in paths.items()
    }
    if problems:
        raise EvaluationError("\n  - ".join(["The scores cannot be read.", *map(str, problems)]))
    return read


def read_truth(folder_or_file: Path) -> pl.DataFrame:
    """Read an evaluator-style folder, or an ``eval_data_list*.csv``, as rows (machine, section, clip, ...).

    Columns: machine, section, clip (the name as in the truth), label (0 or 1), domain ("source", "target", null for
    2020) and alias (the clip's name with its label spelled out, or null). A folder holds ``ground_truth_data/``, for
    2022-2026 ``ground_truth_domain/`` too, and perhaps ``ground_truth_attributes/``, which has the aliases. Raises
    EvaluationError naming file and line.

    The list of 2022 that came with the baseline is wrong about ToyCar and ToyTrain: use that year's evaluator folder.
    """
    if folder_or_file.is_file():
        rows = _read_list(folder_or_file)
    else:
        files = sorted((folder_or_file / "ground_truth_data").glob("*.csv"))
        if not files:
            trouble = "holds no ground truth" if folder_or_file.exists() else "does not exist"
            raise EvaluationError(
                f"{folder_or_file} {trouble}. Give a folder that holds ground_truth_data/ (with files "
                "ground_truth_<machine>_section_<nn>_test.csv) and ground_truth_domain/, or an eval_data_list*.csv."
            )
        rows = [row for file in files for row in _read_truth_file(file)]
    truth = pl.DataFrame(rows, schema=TRUTH_COLUMNS, orient="row")
    twice = truth.filter(truth.select("machine", "section", "clip").is_duplicated())
    if len(twice):
        machine, section, clip = twice.row(0)[:3]
        raise EvaluationError(f"{folder_or_file}: {clip} of {machine} section {section} is in the ground truth twice.")
    return truth.sort("machine", "section", "clip")


def differences(
    given: Collection[str], wanted: Collection[str], unwanted: str = "not in the ground truth"
) -> list[str]:
    """List the names that ``given`` lacks and those it has too many: the count and the first five of each."""
    clauses = []
    for word, names in (("missing", set(wanted) - set(given)), (unwanted, set(given) - set(wanted))):
        if names:
            clauses.append(f"{len(names)} {word}: {', '.join(sorted(names)[:5])}{', ...' if len(names) > 5 else ''}")
    return clauses


def _check_complete(paths: Mapping[str, Mapping[Section, Mapping[str, list[Path]]]]) -> None:
    """Raise if a section has decisions without scores, or a system has decisions for some of its sections only."""
    problems = []
    for system, sections in paths.items():
        kinds = sorted({kind for files in sections.values() for kind in files} | {"anomaly_score"})
        for (machine, section), files in sections.items():
            missing = [kind for kind in kinds if kind not in files]
            problems += [f"{system}: {machine} section {section} has no {kind} file" for kind in missing]
    if problems:
        raise EvaluationError(
            "\n  - ".join(["Every machine and section needs a score file, and all or none a decision file.", *problems])
        )


def _submitted(files: Mapping[str, list[Path]], problems: list[Problem]) -> Submitted:
    """Read the files of one (machine, section), and add their faults to ``problems``."""
    before = len(problems)
    scores = _values(files["anomaly_score"], SCORE, problems)
    if "decision_result" not in files:
        return Submitted(scores, None)
    decisions = _values(files["decision_result"], DECISION, problems)
    if len(problems) == before and (different := differences(decisions, scores, "without a score")):
        where = ", ".join(map(str, files["decision_result"]))
        problems.append(Problem(where, None, f"other clips than in the score file. {'; '.join(different)}"))
    return Submitted(scores, decisions)


def _values(paths: Iterable[Path], column: Column[V], problems: list[Problem]) -> dict[str, V]:
    """Read {clip: value} from files that may name each clip once."""
    rows = []
    for path in paths:
        read, faults = read_rows(_content(path), str(path), column)
        rows += read
        problems += faults
    first, twice = once(rows)
    problems += twice
    return {clip: row.value for clip, row in first.items() if row.value is not None}


def _pairs(rows: Iterable[Line], what: str, parse: Callable[[str], T | None], allowed: str) -> dict[str, T]:
    """Read {clip: value} from lines of two columns, each clip once."""
    values: dict[str, T] = {}
    places: dict[str, str] = {}
    for where, fields in rows:
        if len(fields) != 2:
            raise EvaluationError(
                f"{where}: found {len(fields)} columns ({','.join(fields)!r}); allowed are two, <clip>,<{what}>."
            )
        clip, text = fields
        if clip in places:
            raise EvaluationError(f"{where}: found {clip!r} again, first in {places[clip]}; allowed is once.")
        value = parse(text)
        if value is None:
            raise EvaluationError(f"{where}: found {text!r} as the {what}; allowed is {allowed}.")
        values[clip], places[clip] = value, where
    return values


def _lenient_rows(path: Path) -> Iterator[Line]:
    """Yield (file and line, fields) of a ground-truth file."""
    for number, line in enumerate(_text(path).removeprefix(BOM).splitlines(), start=1):
        if line.strip():
            yield f"{path}, line {number}", [field.strip() for field in line.split(",")]


def _text(path: Path) -> str:
    text = utf8(_content(path), str(path))
    if isinstance(text, Problem):
        raise EvaluationError(str(text))
    return text


def _content(path: Path) -> bytes:
    try:
        return finite(path).read_bytes()
    except OSError as error:
        raise EvaluationError(f"Cannot read {path}: {error.strerror}. A CSV file is needed.") from error


def _read_truth_file(path: Path) -> list[TruthRow]:
    """Read one machine and section: its file in ground_truth_data, and the files named like it beside that folder."""
    match = _TRUTH_FILE.fullmatch(path.name)
    if not match:
        raise EvaluationError(
            f"{path}: the name lacks machine and section. Allowed are ground_truth_<machine>_section_<nn>_test.csv "
            "(2022-2026) and ground_truth_<machine>_section_<nn>_{source,target}_test.csv (2021)."
        )
    labels = _pairs(_lenient_rows(path), "label", _BINARY.get, "0 (normal) or 1 (anomaly)")
    domains = dict.fromkeys(labels, match["domain"]) if match["domain"] else _read_domains(path, labels)
    aliases = _read_aliases(path.parents[1] / "ground_truth_attributes" / path.name)
    return [
        (match["machine"], match["section"], clip, label, domains[clip], aliases.get(clip))
        for clip, label in labels.items()
    ]


def _read_domains(path: Path, labels: Collection[str]) -> dict[str, str]:
    beside = path.parents[1] / "ground_truth_domain" / path.name
    if not beside.is_file():
        raise EvaluationError(f"{beside} is missing. It names the domain of every clip in {path}.")
    domains = _pairs(_lenient_rows(beside), "domain", _DOMAINS.get, "0 (source) or 1 (target)")
    different = differences(domains, labels, f"not in {path}")
    if different:
        raise EvaluationError(f"{beside}: other clips than in {path}. {'; '.join(different)}.")
    return domains


def _read_aliases(path: Path) -> dict[str, str]:
    """Read {clip: labelled name}; a third column, the name with hidden attributes, names no file and is skipped."""
    aliases = {}
    for where, fields in _lenient_rows(path) if path.is_file() else ():
        if len(fields) not in (2, 3):
            raise EvaluationError(
                f"{where}: found {len(fields)} columns; allowed are <clip>,<labelled name>[,<name with attributes>]."
            )
        aliases[fields[0]] = _wav(fields[1])
    return aliases


def _read_list(path: Path) -> list[TruthRow]:
    """Read blocks: a machine's name alone on a line, then lines of an anonymous and a labelled name."""
    machine, rows = "", []
    for where, fields in _lenient_rows(path):
        if len(fields) == 1 and not fields[0].endswith(".wav"):
            machine = fields[0]
        elif machine and len(fields) in (2, 3):
            rows.append(_list_row(where, machine, *fields))
        else:
            raise EvaluationError(
                f"{where}: found {','.join(fields)!r}; allowed are a machine's name alone, and below it "
                "<anonymous name>,<labelled name>[,<0 or 1>]."
            )
    if not rows:
        raise EvaluationError(f"{path} lists no clips.")
    return rows


def _list_row(where: str, machine: str, clip: str, labelled: str, flag: str | None = None) -> TruthRow:
    anonymous, name = _ANONYMOUS.fullmatch(clip), _LABELLED.fullmatch(labelled)
    if not anonymous or not name:
        raise EvaluationError(
            f"{where}: found {clip!r} and {labelled!r}; allowed are section_<nn>_... (2020: id_<nn>_...), and "
            "section_<nn>_<domain>_test_<label>_... (2020: <label>_id_<nn>_...)."
        )
    label = int("anomaly" in (name["label"], name["label_2020"]))
    if flag not in (None, str(label)):
        raise EvaluationError(f"{where}: found {flag!r} after {labelled!r}; allowed is {label}, as the name says.")
    return machine, anonymous[1], clip, label, name["domain"], _wav(labelled)


def _wav(name: str) -> str:
    return name if name.endswith(".wav") else f"{name}.wav"
