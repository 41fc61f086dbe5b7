"""Check the score files of one system against the test clips of the evaluation data: names, lines, values."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from asdcore.evidence.labels.files import differences
from asdcore.evidence.labels.score_lines import DECISION, SCORE, Column, Problem, Row, V, once, read_rows
from asdcore.evidence.metrics import auc
from asdcore.submission.layout import DECISIONS, SCORES, Expected, kinds

FALLBACK_SINCE = 2023
FALLBACK = "DCASE{year}T2{end}_seed13711_id(0_)_Eval"
"""The official baseline's file names. The evaluators read them if one of the two official files is missing."""

Files = Mapping[str, tuple[str, bytes | None]]
"""{name: (the file's name in messages, its content, or None if it is unreadable)}."""

Findings = tuple[list[Problem], list[Problem]]
"""Problems, and warnings."""


def check_scores(files: Files, folder: str, expected: Expected, year: int) -> Findings:
    """Check one system's files against the expected ones. ``folder`` is the system's folder in messages."""
    problems: list[Problem] = []
    warnings: list[Problem] = []
    read_names: set[str] = set()
    missing: list[str] = []
    for end, clips in expected.items():
        official = {kind: f"{kind}_{end}.csv" for kind in kinds(year)}
        other = FALLBACK.format(year=year, end=end)
        fallback = {kind: f"{kind}_{other}.csv" for kind in kinds(year)} if year >= FALLBACK_SINCE else {}
        read_names |= {*official.values(), *fallback.values()}
        ours, theirs = ([name for name in names.values() if name in files] for names in (official, fallback))
        names = fallback if theirs and not ours and len(theirs) == len(fallback) else official
        if names is fallback:
            reason = f"found {theirs[0]}, the baseline's name; it is read since there is no {official[SCORES]}"
            warnings.append(Problem(folder, None, reason))
        elif theirs and ours:
            reason = f"found {theirs[0]} beside {ours[0]}; allowed is one of the two names, for all kinds of files"
            problems.append(Problem(folder, None, reason))
        missing += [name for name in names.values() if name not in files]
        there = {kind: files[name] for kind, name in names.items() if name in files}
        warnings += _check_section(there, set(clips.values()), problems)
    unread = [name for name in files if name.startswith((f"{SCORES}_", f"{DECISIONS}_")) and name not in read_names]
    problems += [Problem(folder, None, _missing(name, unread)) for name in missing]
    reason = f"is not read: the test clips and the rules of {year} ask for no file of this name"
    warnings += [Problem(files[name][0], None, reason) for name in unread]
    return problems, warnings


def _missing(name: str, unread: list[str]) -> str:
    close = difflib.get_close_matches(name, unread, n=1, cutoff=0.7)
    instead = f", but {close[0]}" if close else ""
    return f"there is no {name}{instead}; without it the evaluator passes the whole system over"


def _check_section(
    there: Mapping[str, tuple[str, bytes | None]], clips: set[str], problems: list[Problem]
) -> list[Problem]:
    """Return the warnings about the files of one machine and section; faults are added to ``problems``."""
    scores = _read(there.get(SCORES), SCORE, clips, problems)
    decisions = _read(there.get(DECISIONS), DECISION, clips, problems)
    return list(_doubts(there[SCORES][0], scores, decisions)) if scores else []


def _read(
    file: tuple[str, bytes | None] | None, column: Column[V], clips: set[str], problems: list[Problem]
) -> dict[str, V] | None:
    """Return {clip: value} of a file without a fault, else None; its faults are added to ``problems``."""
    where, content = file or ("", None)
    if content is None:
        return None
    rows, faults = read_rows(content, where, column)
    first, twice = once(rows)
    faults += [*twice, *_strangers(first, clips)]
    if rows and (lost := differences(first.keys() & clips, clips)):
        faults.append(Problem(where, None, f"of {len(clips)} test clips, {lost[0]}"))
    problems += faults
    return None if faults else {clip: row.value for clip, row in first.items() if row.value is not None}


def _strangers(first: Mapping[str, Row[V]], clips: set[str]) -> Iterator[Problem]:
    """Yield a problem for each line that names no test clip."""
    alike = {clip.casefold(): clip for clip in clips}
    example = min(clips)
    for clip, row in first.items():
        if clip not in clips:
            meant = alike.get(PurePosixPath(clip).name.casefold())
            allowed = (
                f"is {meant!r}" if meant else f"are the names of the section's {len(clips)} test clips, as {example!r}"
            )
            yield Problem(row.file, row.line, f"found the name {clip[:80]!r}; allowed {allowed}")


def _doubts(where: str, scores: Mapping[str, float], decisions: Mapping[str, int] | None) -> Iterator[Problem]:
    """Yield a warning for valid values that look like a mistake."""
    if len(scores) > 1 and len(set(scores.values())) == 1:
        yield Problem(where, None, f"all {len(scores)} scores are {next(iter(scores.values()))!r}: an AUC of 0.5")
    if decisions and len(set(decisions.values())) == 2:
        ordered = sorted(scores)
        above = auc([scores[clip] for clip in ordered], [decisions[clip] for clip in ordered])
        if above < 0.5:
            yield Problem(
                where,
                None,
                f"clips flagged as anomalous score lower than the others (in {1 - above:.0%} of pairs): are the scores "
                "inverted? Larger must be more anomalous",
            )
