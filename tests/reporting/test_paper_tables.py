"""Tables for a paper hold the evaluation's numbers, in the challenge's layout."""

from __future__ import annotations

import csv

import pytest

import asdcore
from asdcore.errors import EvaluationError
from asdcore.evidence.metrics import harmonic_mean
from asdcore.reporting.paper_tables import table, write_csv, write_latex
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


def test_latex_is_the_same_table_escaped_with_the_best_in_bold(subjects, tmp_path):
    called = places(subjects)
    write_latex(tmp_path, subjects, called)
    text = (tmp_path / "paper.tex").read_text()
    assert r"3D\_Printer" in text
    assert text.count(r" \\") == 1 + len(table(subjects, called)[1])
    assert text.count("\\textbf{") == sum(bool(one) for row in table(subjects, called)[1] for one in row[2:])
    assert text.rstrip().endswith(r"\end{tabular}")


def test_without_labels_there_is_no_table(subjects, tmp_path):
    blind = [type(one)(one.name, one.run, True, one.year, None, None, None, ()) for one in subjects]
    with pytest.raises(EvaluationError, match="--truth"):
        write_latex(tmp_path, blind, places(blind))
    assert list(tmp_path.iterdir()) == []
