"""Examples in docstrings run, also those of functions that are public in their module and not in ``asdcore``.

``tests/test_examples.py`` runs the examples of the names in ``asdcore.__all__``, which need data and runs. Those here
need neither.
"""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest

import asdcore
import asdcore.testing

ELSEWHERE = {*asdcore.__all__, *asdcore.testing.__all__}
PACKAGE = Path(asdcore.__file__).parent


def examples() -> list[doctest.DocTest]:
    """Return every docstring of the package with an example, apart from those that are run elsewhere."""
    tests = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if ">>> " in path.read_text() and not {"templates", "__main__"} & set(parts):
            module = importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
            tests += doctest.DocTestFinder(exclude_empty=True).find(module, extraglobs={"asdcore": asdcore, "np": np})
    return [test for test in tests if test.examples and test.name.rpartition(".")[2] not in ELSEWHERE]


EXAMPLES = examples()


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.name.removeprefix("asdcore.") for example in EXAMPLES])
def test_the_example_runs(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    complaints: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(
        example, out=complaints.append
    )
    assert not complaints, "".join(complaints)


@pytest.mark.parametrize(
    "module",
    [
        "evidence.false_alarms.false_positives",
        "evidence.f1_ev",
        "evidence.metrics",
        "evidence.roc",
        "evidence.rules",
        "evidence.uncertainty.delong",
        "held_out.promises",
        "fusion.fixed_transforms",
        "fusion.transforms",
    ],
)
def test_every_public_function_of_a_module_of_formulas_has_an_example(module):
    name = f"asdcore.{module}"
    functions = {
        key
        for key, value in vars(importlib.import_module(name)).items()
        if callable(value) and getattr(value, "__module__", "") == name and not key.startswith("_")
        if not isinstance(value, type)
    }
    shown = {example.name.removeprefix(f"{name}.") for example in EXAMPLES}
    assert functions - shown - {"finite", "zeros_and_ones", "check_lengths"} == set()
