"""asdcore.submission.score_files: the files of one system against the test clips."""

from __future__ import annotations

import random
import re

import pytest

from asdcore.submission.score_files import check_scores

CLIPS = [f"section_00_{i:04d}.wav" for i in range(6)]
VALUES = [0.1, 0.9, 0.2, 0.8, 0.3, 0.7]
DECISIONS = [0, 1, 0, 1, 0, 1]
MACHINES = ("3DPrinter", "fan")
EXPECTED = {f"{machine}_section_00_test": {f"{machine}/test/{clip}": clip for clip in CLIPS} for machine in MACHINES}
SCORES_OF_FAN, DECISIONS_OF_FAN = "anomaly_score_fan_section_00_test.csv", "decision_result_fan_section_00_test.csv"


def lines(values, clips=CLIPS):
    return "".join(f"{clip},{value}\n" for clip, value in zip(clips, values, strict=True))


@pytest.fixture
def files():
    """A correct system, by file name."""
    return {
        f"{kind}_{end}.csv": lines(values)
        for end in EXPECTED
        for kind, values in (("anomaly_score", VALUES), ("decision_result", DECISIONS))
    }


def check(files, expected=EXPECTED, year=2024):
    contents = {
        name: (f"S/{name}", text if isinstance(text, bytes | None) else text.encode()) for name, text in files.items()
    }
    problems, warnings = check_scores(contents, "S", expected, year)
    return [str(one) for one in problems], [str(one) for one in warnings]


def spoil(files, name, old, new):
    assert files[name].count(old) == 1
    files[name] = files[name].replace(old, new)


def test_a_correct_system_has_no_fault(files):
    assert check(files) == ([], [])


def test_the_order_of_lines_and_their_ends_do_not_count(files):
    for i, name in enumerate(files):
        shuffled = files[name].splitlines()
        random.Random(i).shuffle(shuffled)
        files[name] = ("\r\n" if i % 2 else "\n").join(shuffled) + "\n" * (i > 1)
    assert check(files) == ([], [])


# What the evaluators pass in silence (with a right score or a wrong one) or crash on: each is a problem of its line.
FAULTS = {
    "wrong name in the same order": (CLIPS[3], "section_00_0003x.wav", [4], r"found the name 'section_00_0003x.wav'"),
    "a folder before the name": (CLIPS[3], f"test/{CLIPS[3]}", [4], "allowed is 'section_00_0003.wav'"),
    "a name in other case": (CLIPS[3], CLIPS[3].upper(), [4], "allowed is 'section_00_0003.wav'"),
    "a name without .wav": (CLIPS[3], CLIPS[3][:-4], [4], "allowed are the names of the section's 6 test clips"),
    "an extra column": (f"{CLIPS[3]},0.8", f"{CLIPS[3]},0.8,1", [4], "found 3 columns"),
    "a space before the name": (CLIPS[3], f" {CLIPS[3]}", [4], "spaces around"),
    "a name in place of another": (CLIPS[3], CLIPS[2], [4], f"found '{CLIPS[2]}' again, first in S/.*, line 3"),
    "a byte-order mark": (CLIPS[0], f"\ufeff{CLIPS[0]}", [1], "byte-order mark"),
    "a header": (CLIPS[0], f"name,score\n{CLIPS[0]}", [1, 1], "no header line|found the name 'name'"),
    "a doubled line": (f"{CLIPS[0]},0.1", f"{CLIPS[0]},0.1\n{CLIPS[0]},0.1", [2], "again, first in"),
    "a blank last line": (f"{CLIPS[5]},0.7\n", f"{CLIPS[5]},0.7\n\n", [7], "blank line"),
    "NaN": (",0.2", ",nan", [3], "found 'nan' as the score; allowed is a finite number"),
    "an infinity": (",0.2", ",inf", [3], "found 'inf' as the score; allowed is a finite number"),
    "quotes": (f"{CLIPS[3]},0.8", f'"{CLIPS[3]}",0.8', [4], "found the name '\"section"),
    "a tab for the comma": (f"{CLIPS[3]},", f"{CLIPS[3]}\t", [4, 4], "found 1 columns|found the name"),
}


@pytest.mark.parametrize(("old", "new", "where", "said"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_line_is_named(files, old, new, where, said):
    spoil(files, SCORES_OF_FAN, old, new)
    problems, _ = check(files)
    of_lines = [one for one in problems if ", line " in one]
    assert [int(one.split(", line ")[1].split(":")[0]) for one in of_lines] == where
    assert all(one.startswith(f"S/{SCORES_OF_FAN}") for one in problems)
    assert all(re.search(said, one) for one in of_lines)


@pytest.mark.parametrize("value", ["2", "0.7", "0.0", "-1", "true", ""])
def test_a_decision_is_0_or_1(files, value):
    spoil(files, DECISIONS_OF_FAN, f"{CLIPS[5]},1", f"{CLIPS[5]},{value}")
    assert check(files)[0] == [
        f"S/{DECISIONS_OF_FAN}, line 6: found {value!r} as the decision; allowed is 0 or 1 (and no header line)."
    ]


@pytest.mark.parametrize("name", [SCORES_OF_FAN, DECISIONS_OF_FAN])
def test_a_missing_line_is_named_by_its_clip(files, name):
    files[name] = "".join(line for line in files[name].splitlines(keepends=True) if CLIPS[2] not in line)
    assert check(files)[0] == [f"S/{name}: of 6 test clips, 1 missing: {CLIPS[2]}."]


@pytest.mark.parametrize("name", [SCORES_OF_FAN, DECISIONS_OF_FAN])
def test_a_missing_file_is_named(files, name):
    del files[name]
    assert check(files)[0] == [f"S: there is no {name}; without it the evaluator passes the whole system over."]


def test_a_missing_machine_and_what_it_may_be_misspelt_as(files):
    for kind in ("anomaly_score", "decision_result"):
        files[f"{kind}_Fan_section_00_test.csv"] = files.pop(f"{kind}_fan_section_00_test.csv")
    problems, warnings = check(files)
    assert problems[0].startswith(f"S: there is no {SCORES_OF_FAN}, but anomaly_score_Fan_section_00_test.csv;")
    assert len(problems) == len(warnings) == 2


def test_files_of_other_machines_are_passed_over_as_the_evaluator_does(files):
    files["anomaly_score_pump_section_00_test.csv"] = "nonsense"
    problems, (warning,) = check(files)
    assert problems == []
    assert warning.startswith("S/anomaly_score_pump_section_00_test.csv: is not read")


def test_every_fault_of_every_file_is_found_at_once(files):
    spoil(files, SCORES_OF_FAN, ",0.2", ",nan")
    spoil(files, SCORES_OF_FAN, ",0.7", ",high")
    spoil(files, DECISIONS_OF_FAN, f"{CLIPS[5]},1", f"{CLIPS[5]},2")
    del files["decision_result_3DPrinter_section_00_test.csv"]
    files["anomaly_score_3DPrinter_section_00_test.csv"] = ""
    assert [one.split(":")[0] for one in check(files)[0]] == [
        "S/anomaly_score_3DPrinter_section_00_test.csv, line 1",
        f"S/{SCORES_OF_FAN}, line 3",
        f"S/{SCORES_OF_FAN}, line 6",
        f"S/{DECISIONS_OF_FAN}, line 6",
        "S",
    ]


# --- the names that the official baseline gives its files ---


def fallback(name, year=2024, seed=13711):
    kind, rest = name.split("_fan_")
    return f"{kind}_DCASE{year}T2fan_{rest.removesuffix('.csv')}_seed{seed}_id(0_)_Eval.csv"


def test_the_baselines_names_serve_where_both_official_ones_are_missing(files):
    for name in (SCORES_OF_FAN, DECISIONS_OF_FAN):
        files[fallback(name)] = files.pop(name)
    problems, (warning,) = check(files)
    assert problems == []
    assert "the baseline's name; it is read since there is no anomaly_score_fan_section_00_test.csv" in warning
    spoil(files, fallback(SCORES_OF_FAN), ",0.2", ",nan")
    assert len(check(files)[0]) == 1


@pytest.mark.parametrize("changed", [{"seed": 42}, {"year": 2023}])
def test_the_evaluator_does_not_look_for_other_seeds_and_years(files, changed):
    for name in (SCORES_OF_FAN, DECISIONS_OF_FAN):
        files[fallback(name, **changed)] = files.pop(name)
    problems, warnings = check(files)
    assert (len(problems), len(warnings)) == (2, 2)


def test_before_2023_nobody_looks_for_the_baselines_names(files):
    for name in (SCORES_OF_FAN, DECISIONS_OF_FAN):
        files[fallback(name, year=2022)] = files.pop(name)
    assert len(check(files, year=2022)[0]) == 2


@pytest.mark.parametrize("also", [{SCORES_OF_FAN}, {DECISIONS_OF_FAN}, {SCORES_OF_FAN, DECISIONS_OF_FAN}])
def test_both_names_at_once_leave_open_which_is_meant(files, also):
    for name in (SCORES_OF_FAN, DECISIONS_OF_FAN):
        files[fallback(name)] = files[name]
        if name not in also:
            del files[name]
    assert any("allowed is one of the two names" in one for one in check(files)[0])


# --- years with other files ---


def test_2021_is_apart_by_domain():
    clips = {domain: [f"section_03_{domain}_test_{i:04d}.wav" for i in range(2)] for domain in ("source", "target")}
    expected = {
        f"fan_section_03_{domain}_test": dict(zip(names, names, strict=True)) for domain, names in clips.items()
    }
    files = {
        f"{kind}_{end}.csv": lines(values, names)
        for end, names in expected.items()
        for kind, values in (("anomaly_score", [0, 1]), ("decision_result", [0, 1]))
    }
    assert check(files, expected, 2021) == ([], [])
    source, target = (f"anomaly_score_fan_section_03_{domain}_test.csv" for domain in ("source", "target"))
    files[source], files[target] = files[target], files[source]
    assert len(check(files, expected, 2021)[0]) == 6


def test_2020_asks_for_no_decisions():
    clips = [f"id_01_{i:08d}.wav" for i in range(3)]
    expected = {"fan_id_01": dict(zip(clips, clips, strict=True))}
    files = {"anomaly_score_fan_id_01.csv": lines([1, 2, 3], clips)}
    assert check(files, expected, 2020) == ([], [])
    files["decision_result_fan_id_01.csv"] = lines([0, 2, 1], clips)
    problems, (warning,) = check(files, expected, 2020)
    assert problems == []
    assert "decision_result_fan_id_01.csv: is not read" in warning


# --- what is allowed, but looks like a mistake ---


def test_constant_scores_are_a_warning(files):
    files[SCORES_OF_FAN] = lines(["0.5", ".5", "5e-1", "0.50", "0.5", "0.5"])
    assert check(files) == ([], [f"S/{SCORES_OF_FAN}: all 6 scores are 0.5: an AUC of 0.5."])


def test_scores_that_are_lower_where_clips_are_flagged_look_inverted(files):
    files[SCORES_OF_FAN] = lines([-value for value in VALUES])
    problems, (warning,) = check(files)
    assert problems == []
    assert (
        "clips flagged as anomalous score lower than the others (in 100% of pairs): are the scores inverted" in warning
    )


@pytest.mark.parametrize("decisions", [[0] * 6, [1] * 6])
def test_decisions_all_alike_say_nothing_of_the_orientation(files, decisions):
    files[SCORES_OF_FAN] = lines([-value for value in VALUES])
    files[DECISIONS_OF_FAN] = lines(decisions)
    assert check(files) == ([], [])


def test_a_file_that_was_refused_before_is_not_called_missing(files):
    files[SCORES_OF_FAN] = None
    assert check(files) == ([], [])
