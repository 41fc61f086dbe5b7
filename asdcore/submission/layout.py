"""Name the parts of a submission as the challenge asks: labels of systems, score files, clips.

    <Name>_<Institute>.zip
        task2/<Name>_<Institute>_task2.technical_report.pdf
        task2/<label>/<label>.meta.yaml                                 <label> is <Name>_<Institute>_task2_<1-4>
        task2/<label>/anomaly_score_<machine>_section_<nn>_test.csv     and decision_result_...
            2021: ..._section_<nn>_source_test.csv and ..._target_test.csv
            2020: ..._id_<nn>.csv, and no decisions

Sources: the challenge's pages, the official evaluators of 2020 to 2024, and submissions that were published.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import PurePosixPath

import polars as pl

from asdcore.errors import DataError

MAX_SYSTEMS = 4
SCORES, DECISIONS = "anomaly_score", "decision_result"
META, REPORT = ".meta.yaml", ".technical_report.pdf"
TASK = "task2"

_TEAM = r"[A-Za-z0-9-]+(?:_(?!task\d)[A-Za-z0-9-]+)+"
TEAM = re.compile(_TEAM)
LABEL = re.compile(rf"({_TEAM})_{TASK}_[1-{MAX_SYSTEMS}]")
LABEL_FORM = f"<Name>_<Institute>_{TASK}_<1-{MAX_SYSTEMS}>"

_DOMAIN_OF_TEST = re.compile(r"(?:^|[/_])(source|target)_test[/_]")
_LABELLED = re.compile(r"(?:^|_)(?:normal|anomaly)_")

Expected = dict[str, dict[str, str]]
"""{end of a file's name, such as "fan_section_00_test": {clip: its name in that file}}."""


def kinds(year: int) -> tuple[str, ...]:
    """Return the prefixes of a year's file names."""
    return (SCORES,) if year == 2020 else (SCORES, DECISIONS)


def labels(given: str, count: int) -> list[str]:
    """Return the labels of ``count`` systems: ``<Name>_<Institute>`` is numbered, full labels are taken as they are."""
    asked = given.split(",")
    if len(asked) == 1 and TEAM.fullmatch(given) and not LABEL.fullmatch(given):
        return [f"{given}_{TASK}_{number}" for number in range(1, count + 1)]
    if not all(map(LABEL.fullmatch, asked)) or len({team(label) for label in asked}) > 1:
        raise DataError(
            f"The label is {given!r}. Give --label <Name>_<Institute>, such as Zhang_XJTLU, in letters, digits and "
            f"hyphens; or full labels {LABEL_FORM} of one team, with commas between them."
        )
    if len(asked) != count or len(set(asked)) < count:
        raise DataError(
            f"{len(set(asked))} labels ({given}) were given for {count} systems. Give one label for each, or "
            f"--label {team(asked[0])} to have them numbered."
        )
    return asked


def team(label: str) -> str:
    """Return the ``<Name>_<Institute>`` of a label."""
    match = LABEL.fullmatch(label)
    return match[1] if match else label


def expected_files(clips: pl.DataFrame, year: int) -> Expected:
    """Return which test clips each score file of a year names, and how.

    clips : a clip index. A clip's name is that of its file, with .wav in place of .flac, as the challenge
    publishes it. Raises DataError if two clips would have one name in one file.
    """
    files: Expected = defaultdict(dict)
    taken: dict[tuple[str, str], str] = {}
    test = clips.filter(pl.col("split") == "test").sort("machine", "section", "clip")
    for clip, machine, section in test.select("clip", "machine", "section").rows():
        # Recordings of one's own may share a name in different folders.
        end, name = _file_end(clip, machine, section, year), clip_name(clip, machine) if year else clip
        other = taken.setdefault((end, name), clip)
        if other != clip:
            raise DataError(f"{other} and {clip} would both be {name} in {SCORES}_{end}.csv. Rename one of them.")
        files[end][clip] = name
    return dict(files)


def clip_name(clip: str, machine: str) -> str:
    """Return a test clip's name as score files spell it, from its path: no folder, .wav for .flac."""
    path = PurePosixPath(clip)
    # A clip that lies loose in the root has its machine and split before its name.
    name = path.name if len(path.parts) > 1 else path.name.removeprefix(f"{machine}_test_")
    return PurePosixPath(name).with_suffix(".wav").name if path.suffix.lower() == ".flac" else name


def spells_label(name: str) -> bool:
    """Whether a clip's name says normal or anomaly, as in development data."""
    return _LABELLED.search(name) is not None


def is_development(expected: Expected) -> bool:
    """Whether a test clip's name says normal or anomaly: a challenge never gives such names to evaluation data."""
    return any(spells_label(name) for names in expected.values() for name in names.values())


def _file_end(clip: str, machine: str, section: str, year: int) -> str:
    """Return what follows ``anomaly_score_`` in the name of the file that a clip is scored in."""
    if year == 2020:
        return f"{machine}_id_{section}"
    if year != 2021:
        return f"{machine}_section_{section}_test"
    domain = _DOMAIN_OF_TEST.search(clip)
    if domain is None:
        raise DataError(
            f"{clip}: neither its name nor its folder holds source_test or target_test. The score files of 2021 are "
            "separate by domain. Restore the names that the clips were published with."
        )
    return f"{machine}_section_{section}_{domain[1]}_test"
