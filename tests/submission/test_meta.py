"""asdcore.submission.meta: what is known stands there, the rest is marked, and the marks are found."""

from __future__ import annotations

import json
from types import SimpleNamespace

import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from asdcore.errors import StoreError
from asdcore.portfolio import parse_portfolio
from asdcore.submission.meta import check_meta, development_results, meta_text

LABEL = "Zhang_XJTLU_task2_1"
PORTFOLIO = {
    "name": "three",
    "branches": {
        "near_knn": {"encoder": {"name": "logmel", "pooling": "mean"}, "scorer": "knn"},
        "far_gauss": {
            "view": "far",
            "encoder": {"name": "beats", "checkpoint": "/mnt/me/BEATs.pt", "layer": 9, "pooling": "mean_std"},
            "scorer": "mahalanobis",
            "normalizer": "ecdf",
        },
        "unused": {"view": "w1", "encoder": "eat", "scorer": "gmm"},
    },
    "systems": {
        "fused": {
            "weights": {"near_knn": 0.5, "far_gauss": 0.5, "unused": 0.0},
            "transform": "log1p",
            "guards": [{"name": "tail", "support": "far_gauss"}],
        },
        "single": {"weights": {"near_knn": 1.0}},
    },
}


def run(year=2026, folder=None, **changes):
    about = {"year": year, "portfolio": parse_portfolio({**PORTFOLIO, **changes}).model_dump(mode="json")}
    return SimpleNamespace(about=about, folder=folder, clips=pl.DataFrame({"sample_rate": [16000, 44100, 16000]}))


def read(text):
    return yaml.safe_load(text)


def paths(tree, top=""):
    """Every field of a tree, by its path, lists of one looked into."""
    found = {}
    for key, value in tree.items():
        value = value[0] if isinstance(value, list) else value
        found |= paths(value, f"{top}{key}.") if isinstance(value, dict) else {f"{top}{key}": value}
    return found


def test_what_a_run_knows_is_filled_in():
    said = read(meta_text(LABEL, run(), "fused", complexity={"total_parameters": 90_000_000, "macs": 49_304_000_000}))
    description = said["system"]["description"]
    assert said["submission"]["label"] == LABEL
    assert said["submission"]["authors"][0]["lastname"] == "Zhang"
    assert description["input_sampling_rate"] == "16kHz, 44.1kHz"
    assert description["front_end"] == "near, far"
    assert description["acoustic_features"] == "logmel"
    assert description["embeddings"] == "beats (BEATs.pt, layer 9)"
    assert description["machine_learning_method"] == "knn, mahalanobis"
    assert description["aggregation_method"] == "mean, mean_std"
    assert description["domain_generalization_method"] == "median_iqr, ecdf"
    assert description["ensemble_method_subsystem_count"] == 2
    assert description["decision_making"] == "average of log1p scores, tail guard"
    assert description["external_data_usage"] == "pre-trained model"
    assert said["system"]["complexity"] == {"total_parameters": 90_000_000, "MACS": 49_304_000_000}
    assert said["system"]["external_datasets"] == [{"name": "BEATs.pt", "url": None}]


def test_scores_that_no_transform_changes_are_called_normalized():
    changed = run(systems={"both": {"weights": dict.fromkeys(PORTFOLIO["branches"], 1.0)}})
    assert read(meta_text(LABEL, changed, "both"))["system"]["description"]["decision_making"] == (
        "average of normalized scores"
    )


def test_where_a_checkpoint_lies_is_not_told():
    assert "/mnt/me" not in meta_text(LABEL, run(), "fused")


def test_a_checkpoint_of_the_registry_is_named_with_its_source(tmp_path, monkeypatch):
    from asdcore.submission import meta

    entry = SimpleNamespace(title="BEATs iter3+ (AS2M)", source="https://example.org/beats")
    monkeypatch.setattr(meta, "open_registry", lambda: SimpleNamespace(resources={"beats-x": entry}))
    encoder = {"name": "beats", "checkpoint": "beats-x"}
    changed = run(
        branches={"near_knn": {"encoder": encoder, "scorer": "knn"}}, systems={"single": PORTFOLIO["systems"]["single"]}
    )
    text = meta_text(LABEL, changed, "single")
    assert read(text)["system"]["external_datasets"] == [{"name": entry.title, "url": entry.source}]
    assert read(text)["system"]["description"]["acoustic_features"] is None
    assert "acoustic_features: !!null  # fill in:" in text


def test_one_branch_is_no_ensemble_and_needs_no_outside_data():
    text = meta_text(LABEL, run(), "single")
    system = read(text)["system"]
    for field in ("ensemble_method_subsystem_count", "decision_making", "embeddings", "external_data_usage"):
        assert system["description"][field] is None
        assert f"{field}: !!null\n" in text
    assert system["external_datasets"] is None


def test_every_field_is_filled_in_or_marked_and_each_mark_is_found():
    text = meta_text(LABEL, run(), "fused")
    problems, (warning,) = check_meta(text.encode(), "m.yaml", LABEL)
    assert problems == []
    marked = [line.split(":")[0].strip("- ") for line in text.splitlines()[2:] if "# fill in:" in line]
    assert [part.split(" ")[0] for part in warning.reason.split(": ")[1].split(", ")] == marked
    assert {"name", "email", "total_parameters", "MACS", "url", "development_dataset"} <= set(marked)
    open_fields = {path.rpartition(".")[2] for path, value in paths(read(text)).items() if value is None}
    assert open_fields == set(marked)


def test_what_a_person_filled_in_or_took_the_mark_off_is_done():
    lines = meta_text(LABEL, run(), "fused").splitlines()
    done = [
        line.split("  #")[0] if i % 2 else line.replace("!!null", "x") if "# fill in:" in line else line
        for i, line in enumerate(lines)
    ]
    assert check_meta("\n".join(done).encode(), "m.yaml", LABEL) == ([], [])


@pytest.mark.parametrize(
    ("year", "gone"),
    [
        (2026, set()),
        (2024, {"MACS"}),
        (2020, {"MACS", "domain_adaptation_method", "domain_generalization_method", "attribute_usage"}),
    ],
)
def test_fields_come_in_with_their_year(year, gone):
    def fields(year):
        return {path.rpartition(".")[2] for path in paths(read(meta_text(LABEL, run(year), "fused")))}

    assert fields(2026) - fields(year) == gone


@settings(deadline=None)
@given(
    st.text(min_size=1, max_size=20).filter(str.isprintable) | st.sampled_from(["3DPrinter", "1e5", "null", "- a: b #"])
)
def test_any_name_comes_back_from_the_file(name):
    results = {name: {"auc_source": 68.1}}
    said = read(meta_text(LABEL, run(), "fused", results=results))
    assert said["results"]["development_dataset"] == results


# --- development results ---


def evaluated(tmp_path, cells, year):
    content = {"year": year, "systems": {"fused": {"official_score": 0.5, "cells": cells}}}
    (tmp_path / "evaluation.json").write_text(json.dumps(content))
    return run(year, folder=tmp_path)


def cell(machine, section, **measures):
    return {"machine": machine, "section": section, **measures}


def test_results_since_2022_are_harmonic_means_over_sections_in_percent(tmp_path):
    cells = [
        cell("fan", "00", auc_source=0.5, auc_target=0.6, pauc=0.55, auc_pooled=0.1),
        cell("fan", "01", auc_source=1.0, auc_target=0.6, pauc=0.55, auc_pooled=0.1),
        cell("3DPrinter", "00", auc_source=0.123456789, auc_target=1.0, pauc=0.5, auc_pooled=0.1),
    ]
    assert development_results(evaluated(tmp_path, cells, 2024), "fused", 2024) == {
        "fan": {"auc_source": 66.6667, "auc_target": 60.0, "pauc": 55.0},
        "3DPrinter": {"auc_source": 12.3457, "auc_target": 100.0, "pauc": 50.0},
    }


def test_results_of_2021_have_a_pauc_for_each_domain(tmp_path):
    measures = {"auc_source": 0.6, "auc_target": 0.7, "pauc_source": 0.5, "pauc_target": 0.8}
    found = development_results(evaluated(tmp_path, [cell("fan", "00", **measures)], 2021), "fused", 2021)
    assert found == {"fan": {name: 100 * value for name, value in measures.items()}}


def test_results_of_2020_are_averages_over_machine_ids(tmp_path):
    cells = [cell("fan", "00", auc=0.5, pauc=0.5), cell("fan", "02", auc=1.0, pauc=0.6)]
    found = development_results(evaluated(tmp_path, cells, 2020), "fused", 2020)
    assert found == {"fan": {"averaged_auc": 75.0, "averaged_pauc": 55.0}}


def test_results_that_are_not_there_are_asked_for(tmp_path):
    with pytest.raises(StoreError, match=r"No results of .* by the rules of 2024: there is no .*evaluation\.json\."):
        development_results(run(folder=tmp_path), "fused", 2024)
    other = evaluated(tmp_path, [cell("fan", "00", auc=0.5, pauc=0.5)], 2020)
    for system, year in (("plain", 2020), ("fused", 2024)):
        with pytest.raises(StoreError, match=f"json holds none.*asdcore evaluate {tmp_path} --year {year}"):
            development_results(other, system, year)
    (tmp_path / "evaluation.json").write_text("[1")
    with pytest.raises(StoreError, match=r"evaluation\.json cannot be read \("):
        development_results(other, "fused", 2020)


# --- what is wrong with a meta file ---


def test_a_label_that_is_not_the_folders_is_a_problem_at_its_line():
    text = meta_text(LABEL, run(), "fused")
    (problem,), _ = check_meta(text.encode(), "m.yaml", "Zhang_XJTLU_task2_2")
    line = text.splitlines().index(f"  label: {LABEL}") + 1
    assert str(problem).startswith(
        f"m.yaml, line {line}: found '{LABEL}' as the label; allowed is 'Zhang_XJTLU_task2_2'"
    )


@pytest.mark.parametrize(
    "text", ["", "[]", "5", "submission: Zhang", "submission: {label: [x]}", "submission: {label: }"]
)
def test_a_file_without_a_label_is_a_problem(text):
    (problem,), _ = check_meta(text.encode(), "m.yaml", LABEL)
    assert "as the label; allowed is" in problem.reason


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a: 1\nb: [1\n", 3),
        (b"a: 1\n\tb: 2\n", 2),
        (b"a: 1\na: b: c\n", 2),
        (b"a: 1\n--- \nb: 2\n", 2),
        (b"a: \x00\n", None),
        (b"a: \xff\n", 1),
        (b"[" * 1000, None),
    ],
    ids=["cut short", "tab", "colon", "two documents", "zero byte", "no UTF-8", "too deep"],
)
def test_what_is_no_yaml_is_a_problem(content, line):
    (problem,), warnings = check_meta(content, "m.yaml", LABEL)
    assert (problem.line, warnings) == (line, [])


def test_yaml_that_would_run_code_or_fill_the_memory_does_neither(tmp_path):
    code = f"submission: {{label: !!python/object/apply:os.mkdir ['{tmp_path}/made']}}"
    assert len(check_meta(code.encode(), "m.yaml", LABEL)[0]) == 1
    assert list(tmp_path.iterdir()) == []
    bomb = ["l0: &l0 [x]", *(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, 12))]
    merge = ["m0: &m0 {a: 1}", *(f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 10)}]}}" for i in range(1, 9))]
    for lines, label in ((bomb, "*l11"), (merge, "*m8")):
        (problem,), _ = check_meta("\n".join([*lines, f"submission: {{label: {label}}}"]).encode(), "m.yaml", LABEL)
        assert "found no text as the label" in problem.reason
    (problem,), _ = check_meta(b"a: 1\n" * 10**5, "m.yaml", LABEL)
    assert "holds 500000 bytes; allowed are" in problem.reason


def test_missing_fields_and_a_long_abbreviation_are_warnings():
    text = f"submission:\n  label: {LABEL}\n  abbreviation: ABCDEFGHIJK\n  authors: []\nsystem:\n  description: {{}}\n"
    problems, warnings = check_meta(text.encode(), "m.yaml", LABEL)
    assert problems == []
    assert [one.reason for one in warnings] == [
        "missing fields: submission.name, system.complexity",
        "the abbreviation has 11 characters; the challenge allows 10",
    ]
