"""The table in plugins/README.md says what the code says, of every component that comes with asdcore."""

from __future__ import annotations

import pytest

from asdcore.contract.interfaces import KINDS
from asdcore.contract.plugins import installed
from benchmarks import plugins_table


def test_the_table_is_the_one_that_the_code_makes():
    text = plugins_table.PAGE.read_text()
    assert text == plugins_table.page(text), "run 'make plugins'"


def test_every_bundled_component_has_a_row_of_its_kind():
    rows = {heading: " ".join(row[0] for row in rows) for heading, rows in plugins_table.sections()}
    for kind in KINDS:
        for name, component in installed().components(kind).items():
            assert not component.plugin.startswith("asdcore_plugins.") or f"`{name}`" in rows[f"{kind.capitalize()}s"]


def test_every_row_says_what_its_thing_does():
    assert all(row[1] for _, rows in plugins_table.sections() for row in rows)


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ('Kong et al., "PANNs", TASLP 28\n(2020), with Cnn10 and Cnn6 of 2048.', "Kong et al. 2020"),
        ("Gong, Chung and Glass, Interspeech 2021, arXiv 2104.01778.", "Gong, Chung and Glass 2021, arXiv 2104.01778"),
        ("After Cluster-Exit Detection (Interspeech 2026).", "Interspeech 2026"),
        ("(Fisher 1932; with weights, Good 1955; Lipták 1958)", "Fisher 1932, Good 1955"),
        ("The official baseline of DCASE 2023-2026.", ""),
    ],
)
def test_sources_are_authors_and_year_or_venue_and_year(docstring, expected):
    assert plugins_table.sources(docstring) == expected


def test_parameters_read_as_a_portfolio_writes_them():
    def factory(checkpoint, layers=("a", "b"), strict=True, window=None, **others):
        """Never called."""

    expected = '`checkpoint` (needed), `layers = ["a", "b"]`, `strict = true`, `window`'
    assert plugins_table.parameters(factory) == expected


def test_a_pipe_in_a_formula_does_not_end_its_cell():
    assert plugins_table.first_line("log(1 + |z|) of ``z``.\n\nMore.") == r"log(1 + \|z\|) of `z`."
