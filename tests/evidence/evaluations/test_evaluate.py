"""Official scores of files: the official evaluator's golden case, and every way in which files go wrong."""

from __future__ import annotations

import csv
import json
import shutil
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from asdcore.errors import EvaluationError
from asdcore.evidence.evaluations.evaluate import (
    evaluate_scores,
    evaluate_systems,
    evaluate_table,
    read_scores,
    read_truth,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "official_2024"
GOLDEN_SYSTEMS = {"plausible": "teamA/plausible", "tied": "teamA/tied", "baselinestyle": "teamB/baselinestyle"}
OFFICIAL_SCORES = {
    "plausible": 0.6382443026313628,
    "tied": 2.3314683517128212e-15,
    "baselinestyle": 0.6054596726200918,
}
MEASURES = ("auc", "pauc", "precision", "recall", "f1")


def near(value):
    """Return what equals ``value`` to 1e-12, also where it is an epsilon-clamped mean of 1e-15."""
    return pytest.approx(value, rel=1e-12, abs=1e-24)


# --- the official evaluator's own output ---


@pytest.fixture(scope="module")
def golden():
    return evaluate_scores(GOLDEN / "teams", GOLDEN, 2024)


def official_result(name):
    """Read an official result file: {machine: (section row, {mean: row})}, {overall mean: row}, official score."""
    machines, overall, score, machine = {}, {}, None, None
    with (GOLDEN / "teams_result" / f"{name}_result.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            numbers = [float(field) for field in row[1:] if field and field[0].isdigit()]
            if len(row) == 1:
                machine = row[0]
            elif row and row[0] == "00":
                machines[machine] = (numbers, {})
            elif row and row[0].endswith("over all machine types, sections, and domains"):
                overall[row[0].split(" mean")[0]] = numbers
            elif row and row[0].endswith(" mean"):
                machines[machine][1][row[0].removesuffix(" mean")] = numbers
            elif row and row[0] == "official score":
                (score,) = numbers
    return machines, overall, score


@pytest.mark.parametrize("name", GOLDEN_SYSTEMS)
def test_every_cell_is_the_official_one(golden, name):
    machines, _, _ = official_result(name)
    result = golden.systems[GOLDEN_SYSTEMS[name]]
    columns = ["auc_pooled", "auc_source", "auc_target", "pauc"]
    columns += [f"{measure}_{domain}" for measure in MEASURES[2:] for domain in ("source", "target")]
    assert len(machines) == 7
    assert [row["machine"] for row in result.cells] == list(machines)
    for row in result.cells:
        assert [row[column] for column in columns] == near(machines[row["machine"]][0])


@pytest.mark.parametrize("name", GOLDEN_SYSTEMS)
def test_every_mean_row_is_the_official_one(golden, name):
    machines, overall, _ = official_result(name)
    expected = {(machine, kind): row for machine, (_, means) in machines.items() for kind, row in means.items()}
    expected |= {(None, kind): row for kind, row in overall.items()}
    assert len(expected) == 8 * 4
    means = golden.systems[GOLDEN_SYSTEMS[name]].means
    assert [(row["machine"], row["mean"]) for row in means] == list(expected)
    for row in means:
        assert [row[measure] for measure in MEASURES] == near(expected[row["machine"], row["mean"]])


@pytest.mark.parametrize("name", GOLDEN_SYSTEMS)
def test_the_official_score_is_the_official_one(golden, name):
    assert golden.systems[GOLDEN_SYSTEMS[name]].official_score == near(OFFICIAL_SCORES[name])
    assert official_result(name)[2] == OFFICIAL_SCORES[name]


def test_one_folder_is_one_system_named_like_it():
    evaluation = evaluate_scores(GOLDEN / "teams" / "teamA" / "plausible", GOLDEN, 2024)
    assert list(evaluation.systems) == ["plausible"]
    assert evaluation.systems["plausible"].official_score == near(OFFICIAL_SCORES["plausible"])


def test_the_json_keeps_its_contract(golden):
    printed = json.loads(json.dumps(golden.as_json(), allow_nan=False))
    assert list(printed) == ["year", "systems"]
    assert printed["year"] == 2024
    assert sorted(printed["systems"]) == sorted(GOLDEN_SYSTEMS.values())
    system = printed["systems"]["teamA/plausible"]
    assert list(system)[:3] == ["official_score", "ci95", "cells"]
    assert system["ci95"] is None
    assert list(system["cells"][0])[:5] == ["machine", "section", "auc_source", "auc_target", "pauc"]
    assert [system["cells"][0][f"{name}_ci95"] for name in ("auc_source", "auc_target", "pauc")] == [None] * 3


def test_intervals_stand_beside_what_they_are_of():
    result = evaluate_scores(GOLDEN / "teams" / "teamA", GOLDEN, 2024, replicates=200)
    printed = json.loads(json.dumps(result.as_json(), allow_nan=False))
    without = evaluate_scores(GOLDEN / "teams" / "teamA", GOLDEN, 2024).as_json()
    for name, system in printed["systems"].items():
        assert system["ci95"] == result.uncertainty.official[name]["bca"].as_json()
        assert system["ci95"][0] <= system["official_score"] <= system["ci95"][1]
        assert system["ci95_machines"] == result.uncertainty.machines[name].as_json()
        for cell, sure, bare in zip(
            system["cells"], result.uncertainty.cells[name], without["systems"][name]["cells"], strict=True
        ):
            assert (cell["machine"], cell["section"]) == (sure["machine"], sure["section"])
            for measure in ("auc_source", "auc_target", "pauc"):
                assert cell.pop(f"{measure}_ci95") == [sure[measure].low, sure[measure].high]
                assert bare.pop(f"{measure}_ci95") is None
            assert cell == bare


def test_evaluation_is_fast():
    start = time.process_time()
    evaluate_scores(GOLDEN / "teams" / "teamA" / "plausible", GOLDEN, 2024)
    assert time.process_time() - start < 1  # about 0.03 s: a guard against a slip into quadratic time


# --- a small case to spoil ---

CLIPS = [f"section_00_{i:04d}.wav" for i in range(8)]
LABELS = [0, 1, 0, 1, 0, 1, 0, 1]
DOMAINS = [0, 0, 1, 1, 0, 0, 1, 1]
SCORES = [0.1, 0.9, 0.2, 0.4, 0.3, 0.25, 0.35, 0.8]
ALIASES = [
    f"section_00_{'target' if domain else 'source'}_test_{'anomaly' if label else 'normal'}_{i:04d}_vel_{i}"
    for i, (label, domain) in enumerate(zip(LABELS, DOMAINS, strict=True))
]
MACHINES = ("fan", "3DPrinter")


def write(path, rows, end="\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(",".join(map(str, row)) + end for row in rows).encode())
    return path


def lines(*columns):
    return list(zip(*columns, strict=True))


@pytest.fixture
def case(tmp_path):
    """A folder with ``truth`` (evaluator style, with aliases) and ``scores`` of one system for two machines."""
    for machine in MACHINES:
        name = f"ground_truth_{machine}_section_00_test.csv"
        write(tmp_path / "truth" / "ground_truth_data" / name, lines(CLIPS, LABELS))
        write(tmp_path / "truth" / "ground_truth_domain" / name, lines(CLIPS, DOMAINS))
        write(tmp_path / "truth" / "ground_truth_attributes" / name, lines(CLIPS, ALIASES))
        write(tmp_path / "scores" / f"anomaly_score_{machine}_section_00_test.csv", lines(CLIPS, SCORES))
        write(tmp_path / "scores" / f"decision_result_{machine}_section_00_test.csv", lines(CLIPS, LABELS))
    return tmp_path


def evaluate(case, year=2024):
    return evaluate_scores(case / "scores", case / "truth", year)


def score_file(case, kind="anomaly_score", machine="fan"):
    return case / "scores" / f"{kind}_{machine}_section_00_test.csv"


def spoil(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_bytes(text.replace(old, new).encode())


def test_the_case_is_sound(case):
    row = evaluate(case).systems["scores"].cells[1]
    assert row["machine"] == "fan"
    assert row["auc_source"] == pytest.approx(7 / 8)
    assert row["auc_target"] == pytest.approx(7 / 8)
    assert row["auc_same_domain_source"] == pytest.approx(3 / 4)
    assert (row["precision_source"], row["recall_target"], row["f1_source"]) == (1, 1, 1)


def test_rows_are_matched_by_name_not_by_place(case):
    before = evaluate(case)
    order = np.random.default_rng(0).permutation(8)
    write(score_file(case), [lines(CLIPS, SCORES)[i] for i in order])
    write(score_file(case, "decision_result"), [lines(CLIPS, LABELS)[i] for i in order[::-1]])
    assert evaluate(case) == before
    names = [*CLIPS[1:], CLIPS[0]]
    write(score_file(case), lines(names, SCORES))
    assert evaluate(case).systems["scores"].official_score != before.systems["scores"].official_score


def test_crlf_line_ends_and_a_missing_last_line_end_are_fine(case):
    before = evaluate(case)
    write(score_file(case), lines(CLIPS, SCORES), end="\r\n")
    path = score_file(case, "decision_result")
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert evaluate(case) == before


def test_labelled_names_are_mapped_through_the_aliases(case):
    before = evaluate(case)
    for machine in MACHINES:
        for kind, values in (("anomaly_score", SCORES), ("decision_result", LABELS)):
            score_file(case, kind, machine).unlink()
            name = f"{kind}_DCASE2024T2{machine}_section_00_test_seed42_id(0_)_MAHALA_Eval.csv"
            write(case / "scores" / name, lines([f"{alias}.wav" for alias in ALIASES], values))
    assert evaluate(case) == before
    shutil.rmtree(case / "truth" / "ground_truth_attributes")
    with pytest.raises(
        EvaluationError, match=r"fan section 00: 8 missing: section_00_0000.wav.*8 not in the ground truth"
    ):
        evaluate(case)


@pytest.mark.parametrize("value", ["1", "-3", "+0.5", "1.", ".5", "1e-05", "-4.7E+2", "1e+16"])
def test_numbers_as_programs_print_them(case, value):
    spoil(score_file(case), ",0.1\n", f",{value}\n")
    assert read_scores(case / "scores")["scores"]["fan", "00"].scores[CLIPS[0]] == float(value)


BAD_SCORES = {
    "a header": ((CLIPS[0], f"file,score\n{CLIPS[0]}"), r"line 1: found 'score' as the score; .* no header line"),
    "NaN": ((",0.1\n", ",nan\n"), r"line 1: found 'nan' as the score; allowed is a finite number"),
    "inf": ((",0.9\n", ",inf\n"), r"line 2: found 'inf' as the score; allowed is a finite number"),
    "-Infinity": ((",0.9\n", ",-Infinity\n"), r"line 2: found '-Infinity' as the score"),
    "a number too large": ((",0.9\n", ",1e999\n"), r"line 2: found '1e999' as the score; allowed is a finite number"),
    "no number": ((",0.9\n", ",high\n"), r"line 2: found 'high' as the score"),
    "no value": ((",0.9\n", ",\n"), r"line 2: found '' as the score"),
    "Python's underscores": ((",0.9\n", ",1_0\n"), r"line 2: found '1_0' as the score"),
    "a blank line": ((",0.9\n", ",0.9\n\n"), r"line 3: found a blank line"),
    "a blank last line": ((",0.8\n", ",0.8\n\n"), r"line 9: found a blank line"),
    "a third column": ((",0.9\n", ",0.9,1\n"), r"line 2: found 3 columns .*0\.9,1.*; allowed are two, <clip>,<score>"),
    "one column": ((",0.9\n", "\n"), r"line 2: found 1 columns .* allowed are two"),
    "a name twice": (
        (CLIPS[3], CLIPS[2]),
        r"line 4: found 'section_00_0002.wav' again, first in .*line 3; allowed is once",
    ),
    "an added row": ((",0.8\n", f",0.8\n{CLIPS[0]},0.1\n"), r"line 9: found 'section_00_0000.wav' again"),
    "a space before a name": (
        (CLIPS[3], f" {CLIPS[3]}"),
        r"line 4: found ' section_00_0003.wav,0\.4'; .*spaces around",
    ),
    "a space before a score": ((",0.4", ", 0.4"), r"line 4: .* spaces around a name or a value are not allowed"),
    "a byte-order mark": (
        (CLIPS[0], f"\ufeff{CLIPS[0]}"),
        r"line 1: found a byte-order mark; allowed is UTF-8 without",
    ),
}


@pytest.mark.parametrize(("change", "message"), BAD_SCORES.values(), ids=BAD_SCORES)
def test_a_malformed_score_file_names_file_and_line(case, change, message):
    spoil(score_file(case), *change)
    with pytest.raises(EvaluationError, match=r"anomaly_score_fan_section_00_test\.csv, " + message):
        evaluate(case)


@pytest.mark.parametrize("value", ["2", "0.7", "1.0", "-1", "True", ""])
def test_decisions_are_zero_or_one(case, value):
    path = score_file(case, "decision_result")
    spoil(path, f"{CLIPS[5]},1", f"{CLIPS[5]},{value}")
    message = rf"decision_result_fan.*csv, line 6: found '{value}' as the decision; allowed is 0 or 1"
    with pytest.raises(EvaluationError, match=message):
        evaluate(case)


def test_text_must_be_utf_8(case):
    score_file(case).write_bytes(b"section_00_0000.wav,1\ns\xe9ction.wav,2\n")
    with pytest.raises(EvaluationError, match=r"csv, line 2: found the byte 0xe9; allowed is UTF-8 text"):
        evaluate(case)


def test_an_empty_score_file_is_refused(case):
    score_file(case).write_bytes(b"")
    score_file(case, "decision_result").write_bytes(b"")
    with pytest.raises(EvaluationError, match="line 1: found a blank line"):
        evaluate(case)


def test_names_that_do_not_fit_are_listed_for_all_machines_at_once(case):
    write(score_file(case), lines([f"test/{clip}" for clip in CLIPS], SCORES))
    score_file(case, "decision_result").unlink()
    write(score_file(case, machine="3DPrinter"), lines(CLIPS[1:], SCORES[1:]))
    score_file(case, "decision_result", "3DPrinter").unlink()
    with pytest.raises(EvaluationError) as caught:
        evaluate(case)
    first = (
        "section_00_0000.wav, section_00_0001.wav, section_00_0002.wav, section_00_0003.wav, section_00_0004.wav, ..."
    )
    assert str(caught.value).splitlines() == [
        "The scores do not fit the ground truth.",
        "  - scores: 3DPrinter section 00: 1 missing: section_00_0000.wav",
        f"  - scores: fan section 00: 8 missing: {first}; 8 not in the ground truth: "
        + first.replace("section", "test/section"),
    ]


def test_a_name_and_its_alias_are_one_clip(case):
    spoil(score_file(case), CLIPS[1], f"{ALIASES[0]}.wav")
    spoil(score_file(case, "decision_result"), CLIPS[1], f"{ALIASES[0]}.wav")
    with pytest.raises(EvaluationError, match=r"1 missing: section_00_0001.wav; 1 more than once: section_00_0000.wav"):
        evaluate(case)


def test_a_clips_own_name_goes_before_an_alias(case):
    before = evaluate(case)
    aliases = case / "truth" / "ground_truth_attributes" / "ground_truth_fan_section_00_test.csv"
    write(aliases, lines(CLIPS, [*CLIPS[1:], CLIPS[0]]))
    assert evaluate(case) == before


def test_a_decision_row_may_not_be_missing(case):
    write(score_file(case, "decision_result"), lines(CLIPS[:-1], LABELS[:-1]))
    with pytest.raises(
        EvaluationError, match=r"decision_result_fan.*: other clips than in the score file. 1 missing: .*7\.wav"
    ):
        evaluate(case)
    write(score_file(case, "decision_result"), lines([*CLIPS, "x.wav"], [*LABELS, 0]))
    with pytest.raises(EvaluationError, match=r"1 without a score: x\.wav"):
        evaluate(case)


def test_a_score_file_may_not_be_missing(case):
    score_file(case).unlink()
    with pytest.raises(EvaluationError, match="scores: fan section 00 has no anomaly_score file"):
        evaluate(case)
    score_file(case, "decision_result").unlink()
    with pytest.raises(EvaluationError, match="scores: there is no score file for fan section 00"):
        evaluate(case)


def test_a_decision_file_may_not_be_missing_where_others_are_there(case):
    score_file(case, "decision_result").unlink()
    with pytest.raises(EvaluationError, match="scores: fan section 00 has no decision_result file"):
        evaluate(case)
    score_file(case, "decision_result", "3DPrinter").unlink()
    assert "f1_source" not in evaluate(case).systems["scores"].cells[0]


def test_an_unknown_machine_is_refused(case):
    for kind, values in (("anomaly_score", SCORES), ("decision_result", LABELS)):
        write(score_file(case, kind, "Fan"), lines(CLIPS, values))
    message = "scores: Fan section 00 is not in the ground truth, which has 3DPrinter section 00, fan section 00"
    with pytest.raises(EvaluationError, match=message):
        evaluate(case)


def test_every_system_is_checked_before_any_is_evaluated(case):
    for system in ("a", "b/c"):
        shutil.copytree(case / "scores", case / "teams" / system)
    for system in ("a", "b/c"):
        write(case / "teams" / system / "anomaly_score_fan_section_00_test.csv", lines(CLIPS[1:], SCORES[1:]))
        write(case / "teams" / system / "decision_result_fan_section_00_test.csv", lines(CLIPS[1:], LABELS[1:]))
    with pytest.raises(EvaluationError, match=r"(?s)a: fan section 00: 1 missing.*b/c: fan section 00: 1 missing"):
        evaluate_scores(case / "teams", case / "truth", 2024)


# --- which files are which system ---


def test_systems_are_named_by_their_folders(case):
    for system in ("team/one", "team/two/deep"):
        shutil.copytree(case / "scores", case / "scores" / system, ignore=shutil.ignore_patterns("team"))
    assert sorted(read_scores(case / "scores")) == ["scores", "team/one", "team/two/deep"]
    assert len(evaluate(case).systems) == 3


def test_a_system_behind_a_link_is_evaluated_too(case, tmp_path_factory):
    other = tmp_path_factory.mktemp("elsewhere") / "scores"
    shutil.copytree(case / "scores", other)
    (case / "scores" / "second").symlink_to(other)
    assert sorted(read_scores(case / "scores")) == ["scores", "second"]


def test_two_folders_of_one_name_are_refused(case):
    shutil.copytree(case / "scores", case / "scores" / "scores")
    with pytest.raises(EvaluationError, match="are both system 'scores'"):
        read_scores(case / "scores")


def test_two_seeds_of_one_machine_are_refused(case):
    name = "anomaly_score_DCASE2024T2fan_section_00_test_seed{}_id(0_)_Eval.csv"
    for seed in (1, 2):
        write(case / "seeds" / name.format(seed), lines(CLIPS, SCORES))
    with pytest.raises(EvaluationError, match=r"seed2_.*line 1: found 'section_00_0000.wav' again, first in .*seed1_"):
        read_scores(case / "seeds")


@pytest.mark.parametrize(
    "name", ["anomaly_score_fan.csv", "anomaly_score_fan_section_0_test.csv", "decision_result_fan_00.csv"]
)
def test_a_name_without_machine_and_section_is_refused(case, name):
    write(case / "scores" / name, lines(CLIPS, SCORES))
    with pytest.raises(
        EvaluationError, match=rf"{name}: the name lacks machine and section. Allowed are <kind>_<machine>"
    ):
        read_scores(case / "scores")


def test_no_score_files_at_all(case):
    with pytest.raises(EvaluationError, match=r"holds no score files. Allowed are"):
        read_scores(case / "truth")
    with pytest.raises(EvaluationError, match=r"There is no folder .*nowhere"):
        read_scores(case / "nowhere")


# --- ground truth in its several forms ---


def test_the_columns_of_the_truth(case):
    truth = read_truth(case / "truth")
    assert truth.columns == ["machine", "section", "clip", "label", "domain", "alias"]
    assert truth.filter(machine="fan").rows() == [
        ("fan", "00", clip, label, ("source", "target")[domain], f"{alias}.wav")
        for clip, label, domain, alias in lines(CLIPS, LABELS, DOMAINS, ALIASES)
    ]
    assert truth["machine"].unique().sort().to_list() == ["3DPrinter", "fan"]


def test_attributes_are_optional_and_may_have_a_third_column(case):
    attributes = case / "truth" / "ground_truth_attributes"
    (attributes / "ground_truth_fan_section_00_test.csv").unlink()
    hidden = [alias.replace("test_", "noAttribute_") for alias in ALIASES]
    write(
        attributes / "ground_truth_3DPrinter_section_00_test.csv", lines(CLIPS, hidden, [f"{a}.wav" for a in ALIASES])
    )
    truth = read_truth(case / "truth")
    assert truth.filter(machine="fan")["alias"].null_count() == 8
    assert truth.filter(machine="3DPrinter")["alias"].to_list() == [f"{name}.wav" for name in hidden]


def test_a_byte_order_mark_and_blank_lines_in_the_truth_are_passed_over(case):
    before = read_truth(case / "truth")
    path = case / "truth" / "ground_truth_data" / "ground_truth_fan_section_00_test.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    assert read_truth(case / "truth").equals(before)


BAD_TRUTH = {
    "label": ("data", (f"{CLIPS[1]},1", f"{CLIPS[1]},2"), r"_data/.*csv, line 2: found '2' as the label; allowed is 0"),
    "domain": (
        "domain",
        (f"{CLIPS[1]},0", f"{CLIPS[1]},source"),
        r"_domain/.*csv, line 2: found 'source' as the domain",
    ),
    "columns": ("data", (f"{CLIPS[1]},1", CLIPS[1]), r"_data/.*csv, line 2: found 1 columns"),
    "twice": ("data", (CLIPS[1], CLIPS[0]), r"_data/.*csv, line 2: found 'section_00_0000.wav' again"),
    "names": (
        "domain",
        (CLIPS[1], "x.wav"),
        r"_domain/.*: other clips than in .*1 missing: section_00_0001.wav; 1 not in",
    ),
    "attributes": ("attributes", (f"{CLIPS[1]},", f"{CLIPS[1]},a,b,"), r"_attributes/.*csv, line 2: found 4 columns"),
}


@pytest.mark.parametrize(("folder", "change", "message"), BAD_TRUTH.values(), ids=BAD_TRUTH)
def test_malformed_truth_names_file_and_line(case, folder, change, message):
    spoil(case / "truth" / f"ground_truth_{folder}" / "ground_truth_fan_section_00_test.csv", *change)
    with pytest.raises(EvaluationError, match=message):
        read_truth(case / "truth")


def test_a_folder_that_is_no_truth(case):
    with pytest.raises(EvaluationError, match=r"holds no ground truth. Give a folder that holds ground_truth_data/"):
        read_truth(case / "scores")
    with pytest.raises(EvaluationError, match=r"nowhere does not exist. Give a folder"):
        read_truth(case / "nowhere")
    shutil.rmtree(case / "truth" / "ground_truth_domain")
    with pytest.raises(
        EvaluationError, match=r"ground_truth_domain/ground_truth_3DPrinter_section_00_test.csv is missing"
    ):
        read_truth(case / "truth")
    write(case / "truth" / "ground_truth_data" / "ground_truth_2DPrinter.csv", [])
    with pytest.raises(EvaluationError, match="the name lacks machine and section"):
        read_truth(case / "truth")


def test_2021_has_a_file_for_each_domain(tmp_path):
    rng = np.random.default_rng(3)
    expected = {}
    for domain in ("source", "target"):
        clips = [f"section_03_{domain}_test_{i:04d}.wav" for i in range(40)]
        labels, scores = np.arange(40) % 2, np.round(rng.normal(size=40), 1)
        name = f"fan_section_03_{domain}_test.csv"
        write(tmp_path / "truth" / "ground_truth_data" / f"ground_truth_{name}", lines(clips, labels))
        write(tmp_path / "scores" / f"anomaly_score_{name}", lines(clips, scores))
        expected[f"auc_{domain}"] = roc_auc_score(labels, scores)
        expected[f"pauc_{domain}"] = roc_auc_score(labels, scores, max_fpr=0.1)
    (printed,) = evaluate_scores(tmp_path / "scores", tmp_path / "truth", 2021).as_json()["systems"].values()
    (row,) = printed["cells"]
    assert list(row)[:6] == ["machine", "section", "auc_source", "auc_target", "pauc_source", "pauc_target"]
    assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert printed["official_score"] == pytest.approx(4 / sum(1 / value for value in expected.values()), rel=1e-12)
    arithmetic = printed["means"][0]
    assert arithmetic["pauc"] == pytest.approx((expected["pauc_source"] + expected["pauc_target"]) / 2, rel=1e-12)


def test_2020_has_a_list_and_no_domains(tmp_path):
    rng = np.random.default_rng(4)
    rows, paucs, aucs = [], {}, {}
    for machine, ids in (("fan", ("01", "03")), ("ToyCar", ("05",))):
        rows.append((machine,))
        for nn in ids:
            labels, scores = np.arange(30) % 2, np.round(rng.normal(size=30), 1)
            clips = [f"id_{nn}_{i:08d}.wav" for i in range(30)]
            labelled = [f"{('normal', 'anomaly')[label]}_id_{nn}_{i:08d}.wav" for i, label in enumerate(labels)]
            rows += lines(clips, labelled, labels)
            write(tmp_path / "scores" / f"anomaly_score_{machine}_id_{nn}.csv", lines(clips, scores))
            write(tmp_path / "scores" / f"decision_result_{machine}_id_{nn}.csv", lines(clips, labels))
            aucs[machine, nn] = roc_auc_score(labels, scores)
            paucs[machine, nn] = roc_auc_score(labels, scores, max_fpr=0.1)
    truth = write(tmp_path / "eval_data_list.csv", rows)
    assert read_truth(truth)["domain"].null_count() == 90
    evaluation = evaluate_scores(tmp_path / "scores", truth, 2020)
    (printed,) = evaluation.as_json()["systems"].values()
    assert [list(row)[:4] for row in printed["cells"]] == [["machine", "section", "auc", "pauc"]] * 3
    assert {(row["machine"], row["section"]): row["auc"] for row in printed["cells"]} == pytest.approx(aucs, abs=1e-12)
    assert printed["cells"][0]["f1"] == 1
    fan = [aucs["fan", "01"], aucs["fan", "03"], paucs["fan", "01"], paucs["fan", "03"]]
    car = [aucs["ToyCar", "05"], paucs["ToyCar", "05"]]
    assert printed["official_score"] == pytest.approx((np.mean(fan) + np.mean(car)) / 2, rel=1e-12)
    kinds = [(row["machine"], row["mean"]) for row in printed["means"]]
    assert kinds == [(machine, kind) for machine in ("ToyCar", "fan", None) for kind in ("arithmetic", "harmonic")]
    with pytest.raises(EvaluationError, match=r"System scores, ToyCar section 05: The domain of some clips is None"):
        evaluate_scores(tmp_path / "scores", truth, 2021)


def test_a_list_of_later_years_spells_label_and_domain(case):
    robot = "section_00_source_normal_0035_weight15_BckgF.wav"  # a published name that lacks "_test_"
    rows = [("fan",), *lines(CLIPS, [f"{alias}.wav" for alias in ALIASES]), ("3DPrinter",), (CLIPS[0], robot)]
    truth = read_truth(write(case / "eval_data_list_2024.csv", rows))
    assert truth.filter(machine="fan").equals(read_truth(case / "truth").filter(machine="fan"))
    assert truth.filter(machine="3DPrinter").rows() == [("3DPrinter", "00", CLIPS[0], 0, "source", robot)]


BAD_LISTS = {
    "no machine": (
        [(CLIPS[0], ALIASES[0])],
        r"line 1: found 'section_00_0000.wav,.*'; allowed are a machine's name alone",
    ),
    "no labelled name": ([("fan",), (CLIPS[0],)], r"line 2: found 'section_00_0000.wav'; allowed"),
    "no label": ([("fan",), (CLIPS[0], CLIPS[1])], r"line 2: found 'section_00_0000.wav' and 'section_00_0001.wav'"),
    "no section": ([("fan",), ("a.wav", ALIASES[0])], r"line 2: found 'a.wav' and"),
    "four columns": ([("fan",), (CLIPS[0], ALIASES[0], 0, 0)], r"line 2: found .*; allowed are a machine's name"),
    "a contradiction": (
        [("fan",), (CLIPS[0], ALIASES[0], 1)],
        r"line 2: found '1' after .* allowed is 0, as the name says",
    ),
    "twice": ([("fan",), (CLIPS[0], ALIASES[0]), (CLIPS[0], ALIASES[1])], r"section_00_0000.wav of fan .* twice"),
    "nothing": ([("fan",)], r"lists no clips"),
}


@pytest.mark.parametrize(("rows", "message"), BAD_LISTS.values(), ids=BAD_LISTS)
def test_a_malformed_list_names_file_and_line(tmp_path, rows, message):
    path = write(tmp_path / "eval_data_list_2024.csv", rows)
    with pytest.raises(EvaluationError, match=r"eval_data_list_2024\.csv.*" + message):
        read_truth(path)


def test_an_unknown_year_is_refused_before_a_file_is_opened(tmp_path):
    with pytest.raises(EvaluationError, match="No official rules are known for the year 1999"):
        evaluate_scores(tmp_path / "nowhere", tmp_path / "nowhere", 1999)


# --- tables ---


@pytest.fixture
def run_tables():
    """The tables of a run: two systems, 8 test clips and 3 train clips of one machine, and its ground truth."""
    test = [f"fan/test/{clip}" for clip in CLIPS]
    train = [f"fan/train/{i}.wav" for i in range(3)]
    clips = pl.DataFrame({"clip": test + train, "split": ["test"] * 8 + ["train"] * 3}).with_columns(
        machine=pl.lit("fan"), section=pl.lit("00"), domain=pl.lit(None, dtype=pl.String)
    )
    one = pl.DataFrame({"clip": test + train, "role": ["test"] * 8 + ["oof"] * 3, "score": SCORES + [9.0] * 3})
    systems = pl.concat(
        [one.with_columns(system=pl.lit("A")), one.with_columns(system=pl.lit("B"), score=-pl.col("score"))]
    ).with_columns(base=pl.col("score"), penalty=pl.lit(0.0))
    decisions = systems.filter(role="test").select(
        "clip", "system", "score", threshold=pl.lit(0.3), decision=(pl.col("score") > 0.3).cast(pl.Int8)
    )
    truth = pl.DataFrame(
        {"clip": test, "label": LABELS, "domain": [("source", "target")[domain] for domain in DOMAINS]},
        schema_overrides={"label": pl.Int8},
    )
    return {"systems": systems, "decisions": decisions, "clips": clips, "truth": truth}


def test_a_run_is_evaluated_on_its_test_rows(run_tables):
    evaluation = evaluate_systems(**run_tables, year=2024)
    (row,) = evaluation.systems["A"].cells
    assert row["auc_source"] == pytest.approx(7 / 8)
    assert row["auc_target"] == pytest.approx(7 / 8)
    assert row["recall_source"] == pytest.approx(1 / 2)
    assert row["recall_target"] == pytest.approx(1)
    assert evaluation.systems["B"].cells[0]["auc_source"] == pytest.approx(1 / 8)
    assert evaluation.systems["B"].cells[0]["f1_source"] == 0


def test_a_run_may_have_no_decisions(run_tables):
    evaluation = evaluate_systems(**run_tables | {"decisions": None}, year=2024)
    with_decisions = evaluate_systems(**run_tables, year=2024)
    assert "recall_source" not in evaluation.systems["A"].cells[0]
    assert evaluation.systems["A"].official_score == with_decisions.systems["A"].official_score


def test_a_run_may_have_no_domains_under_the_rules_of_2020(run_tables):
    truth = run_tables["truth"].with_columns(domain=pl.lit(None, dtype=pl.String))
    (row,) = evaluate_systems(**run_tables | {"truth": truth}, year=2020).systems["A"].cells
    assert row["auc"] == pytest.approx(roc_auc_score(LABELS, SCORES))
    assert row["recall"] == pytest.approx(3 / 4)


def without_first(frame, **where):
    first = frame.filter(**where).row(0)
    return pl.DataFrame([row for row in frame.rows() if row != first], schema=frame.schema, orient="row")


def test_truth_must_cover_exactly_the_test_clips(run_tables):
    truth = without_first(run_tables["truth"])
    with pytest.raises(EvaluationError, match=r"The ground truth: 1 missing: fan/test/section_00_0000.wav"):
        evaluate_systems(**run_tables | {"truth": truth}, year=2024)
    extra = pl.DataFrame({"clip": ["fan/train/0.wav"], "label": [0], "domain": ["source"]}, schema=truth.schema)
    with pytest.raises(EvaluationError, match=r"1 no test clip of this run: fan/train/0.wav"):
        evaluate_systems(**run_tables | {"truth": pl.concat([run_tables["truth"], extra])}, year=2024)
    doubled = pl.concat([run_tables["truth"], run_tables["truth"][:1]])
    with pytest.raises(EvaluationError, match=r"The ground truth: 1 more than once: fan/test/section_00_0000.wav"):
        evaluate_systems(**run_tables | {"truth": doubled}, year=2024)


def test_every_system_must_cover_exactly_the_test_clips(run_tables):
    systems = without_first(run_tables["systems"], role="test", system="B")
    with pytest.raises(EvaluationError, match=r"System B: 1 missing: fan/test/section_00_0000.wav$"):
        evaluate_systems(**run_tables | {"systems": systems}, year=2024)
    only_oof = run_tables["systems"].filter((pl.col("system") == "A") | (pl.col("role") == "oof"))
    with pytest.raises(EvaluationError, match=r"System B: 8 missing"):
        evaluate_systems(**run_tables | {"systems": only_oof}, year=2024)


def test_every_score_needs_a_decision_where_there_are_decisions(run_tables):
    decisions = without_first(run_tables["decisions"], system="A")
    with pytest.raises(EvaluationError, match=r"The decisions of system A: 1 missing: fan/test/section_00_0000.wav"):
        evaluate_systems(**run_tables | {"decisions": decisions}, year=2024)


@pytest.fixture
def table():
    frame = pl.DataFrame({"clip": CLIPS, "score": SCORES, "label": LABELS, "domain": DOMAINS})
    frame = frame.with_columns(domain=pl.col("domain").replace_strict({0: "source", 1: "target"}))
    parts = [frame.with_columns(system=pl.lit(s), machine=pl.lit(m), section=pl.lit("00")) for s in "AB" for m in "mn"]
    return pl.concat(parts)


def test_the_order_of_rows_does_not_matter(table):
    assert evaluate_table(table.sample(fraction=1, shuffle=True, seed=0), 2024) == evaluate_table(table, 2024)


def test_a_table_is_checked(table):
    with pytest.raises(EvaluationError, match=r"missing columns \['domain', 'label'\]"):
        evaluate_table(table.drop("label", "domain"), 2024)
    with pytest.raises(EvaluationError, match=r"missing columns \[\], 0 rows"):
        evaluate_table(table.clear(), 2024)
    with pytest.raises(EvaluationError, match="Two rows have the same system, machine, section, clip"):
        evaluate_table(pl.concat([table, table[:1]]), 2024)
    with pytest.raises(EvaluationError, match=r"A row lacks one of .*score"):
        evaluate_table(table.with_columns(score=pl.when(pl.col("score") > 0.2).then("score")), 2024)
    with pytest.raises(EvaluationError, match="system A has scores of 15 clips, of 16"):
        evaluate_table(table[1:], 2024)
    with pytest.raises(EvaluationError, match="system A has decisions on 12 clips, of 16"):
        evaluate_table(table.with_columns(decision=pl.when(pl.col("score") > 0.2).then(1)), 2024)
    with pytest.raises(EvaluationError, match=r"^System A, m section 00: 1 of 8 scores are not finite"):
        evaluate_table(table.with_columns(score=pl.when(pl.col("score") > 0.1).then("score").otherwise(np.nan)), 2024)


def test_a_cell_that_cannot_exist_names_system_machine_and_section(table):
    only_source = table.filter((pl.col("machine") == "m") | (pl.col("domain") == "source"))
    message = (
        r"^System A, n section 00: Among 4 clips there are no normal clips of domain target \(needed by auc_target\)"
    )
    with pytest.raises(EvaluationError, match=message):
        evaluate_table(only_source, 2024)
    no_target_anomalies = table.filter((pl.col("label") == 0) | (pl.col("domain") == "source"))
    printed = json.dumps(evaluate_table(no_target_anomalies, 2024).as_json(), allow_nan=False)
    assert '"auc_same_domain_target": null' in printed
