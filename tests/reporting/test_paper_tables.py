"""Tables for a paper hold the evaluation's numbers, in the challenge's layout."""

from __future__ import annotations

import csv

import pytest

import asdcore
from asdcore.errors import EvaluationError
from asdcore.evidence.evaluations.evaluate import Evaluation, SystemResult
from asdcore.evidence.metrics import harmonic_mean
from asdcore.reporting.paper_tables import latex_of, table, write_csv, write_latex
from asdcore.reporting.reported_runs import open_subjects, places
from asdcore.reporting.statistics import compute_statistics


@pytest.fixture(scope="module")
def subjects(make_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("paper")
    data = make_dataset(folder / "data", ("3D_Printer", "fan"))
    run = asdcore.run("logmel-knn", data, folder / "run", task="dcase2026", store=folder / "store")
    return open_subjects([run], None, None, lambda _: None)


def read(path):
    return list(csv.reader(path.read_text(encoding="utf-8").splitlines()))


def test_a_row_for_each_system_with_every_cell(subjects, tmp_path):
    write_csv(tmp_path, subjects, compute_statistics(subjects), places(subjects))
    header, row = read(tmp_path / "systems.csv")
    ((name, result),) = subjects[0].evaluation.systems.items()
    found = dict(zip(header, row, strict=True))
    assert found["system"] == name
    assert float(found["official score"]) == pytest.approx(100 * result.official_score, abs=0.006)
    assert float(found["low"]) <= float(found["official score"]) <= float(found["high"])
    for cell in result.cells:
        for key, called in (("auc_source", "AUC source"), ("auc_target", "AUC target"), ("pauc", "pAUC")):
            assert float(found[f"{cell['machine']} {called}"]) == pytest.approx(100 * cell[key], abs=0.006)


def test_the_challenges_table_has_a_row_for_each_measure_and_both_means(subjects, tmp_path):
    write_csv(tmp_path, subjects, compute_statistics(subjects), places(subjects))
    header, *rows = read(tmp_path / "paper.csv")
    assert header == ["system", "measure", "h-mean", "a-mean", "3D_Printer", "fan"]
    assert [row[1] for row in rows] == ["AUC source", "AUC target", "pAUC", "official score"]
    ((_, result),) = subjects[0].evaluation.systems.items()
    values = [cell["auc_target"] for cell in result.cells]
    assert rows[1][2:4] == [f"{100 * harmonic_mean(values):.2f}", f"{50 * sum(values):.2f}"]
    assert rows[1][4:] == [f"{100 * value:.2f}" for value in values]
    assert rows[3][2] == f"{100 * result.official_score:.2f}"


def test_latex_is_the_same_table_escaped(subjects, tmp_path):
    write_latex(tmp_path, subjects)
    text = (tmp_path / "paper.tex").read_text()
    header, body = table(subjects, places(subjects))
    assert r"3D\_Printer" in text
    assert [line.split(" & ")[1:] for line in text.splitlines() if " & " in line] == [
        [*row[1:-1], f"{row[-1]} \\\\"] for row in [[cell.replace("_", r"\_") for cell in header], *body]
    ]
    assert "textbf" not in text  # The best of one system says nothing.
    assert text.rstrip().endswith(r"\end{tabular}")


def result_of(values):
    cells = [{"machine": "fan", "section": f"0{i}", "auc": auc, "pauc": 0.5} for i, auc in enumerate(values)]
    return SystemResult(sum(values) / len(values), cells, [])


def of_2021(section, value):
    values = dict.fromkeys(("auc_source", "auc_target", "pauc_source", "pauc_target"), value)
    return {"machine": "fan", "section": section, **values}


def test_the_best_is_bold_and_a_machine_with_sections_has_one_column():
    text = latex_of(
        [(str, Evaluation(2020, {"a": result_of([0.9, 0.5]), "b": result_of([0.6, 0.6])}))], "official score"
    )
    assert r"\begin{tabular}{llrrr}" in text
    assert r"a & AUC & \textbf{64.29} & \textbf{70.00} & \textbf{70.00} \\" in text
    assert r"b & AUC & 60.00 & 60.00 & 60.00 \\" in text
    harmonic = Evaluation(2021, {"a": SystemResult(0.6, [of_2021("00", 0.9), of_2021("01", 0.5)], [])})
    assert r"a & AUC source & 64.29 & 70.00 & 64.29 \\" in latex_of([(str, harmonic)], "official score")


def test_without_labels_there_is_no_table(subjects, tmp_path):
    blind = [type(one)(one.name, one.run, True, one.year, None, None, None, ()) for one in subjects]
    with pytest.raises(EvaluationError, match="--truth"):
        write_latex(tmp_path, blind)
    assert list(tmp_path.iterdir()) == []
