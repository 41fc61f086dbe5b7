"""The packages that a detector needs are those that its code imports, and no others; numba never counts for asdcore."""

from __future__ import annotations

import pytest

import asdcore
from asdcore.contract.plugins import installed
from asdcore.contract.source_code.imports import imported_at_run_time
from asdcore.contract.source_code.modules import module_file
from asdcore.frozen.pinning import score_packages as searched
from asdcore.frozen.pinning.packages import PACKAGE, SAME_BITS, packages_of, tops_of
from asdcore.frozen.pinning.score_packages import ENTRANCES, score_packages
from asdcore.portfolio import parse_portfolio


def needed_by(encoder="logmel", scorer="knn", **parameters):
    branch = {"encoder": {"name": encoder, **parameters}, "scorer": scorer}
    return set(
        score_packages(
            parse_portfolio({"name": "p", "branches": {"b": branch}, "systems": {"s": {"weights": {"b": 1.0}}}}),
            installed(),
        )
    )


def test_a_log_mel_nearest_neighbour_needs_no_networks_no_cluster_no_readers_and_no_screen():
    needed = needed_by()
    assert {"numpy", "scipy", "polars", "pyarrow", "soxr", "soundfile", "pydantic-core"} <= needed
    others = {
        "torch",
        "transformers",
        "scikit-learn",
        "onnx",
        "onnxruntime",
        "dask",
        "asammdf",
        "h5py",
        "rich",
        "typer",
    }
    assert needed.isdisjoint(others)


def test_a_component_counts_with_what_it_imports_inside_functions_and_what_these_packages_need():
    assert {"torch", "sympy"} <= needed_by("efficientat")
    assert {"transformers", "tokenizers", "torch"} <= needed_by("wavlm")
    assert {"scikit-learn", "joblib"} <= needed_by(scorer="ocsvm")
    assert {"onnx", "onnxruntime"} <= needed_by("onnx")


def test_a_module_that_a_parameter_names_counts():
    assert "hypothesis" in needed_by("hear", hear_module="hypothesis.strategies")


def test_the_entrances_exist_and_every_public_name_leads_to_its_module():
    assert all(module_file(name) for name in ENTRANCES)
    places = set(searched._places({"asdcore.distances", "asdcore.errors", "numpy.linalg"}))
    assert places == {"asdcore.data.features.distances", "asdcore.errors", "numpy.linalg"}


def test_imports_for_a_type_checker_alone_do_not_count(tmp_path):
    file = tmp_path / "plugin.py"
    file.write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a\nelse:\n    import b\n"
        "def f():\n    try:\n        import c.d\n    except ImportError:\n        import e\n"
    )
    assert imported_at_run_time(file) == {"typing", "typing.TYPE_CHECKING", "b", "c.d", "e"}


@pytest.mark.parametrize("package", sorted(SAME_BITS))
def test_a_package_for_the_same_bits_counts_for_plugins_of_others_alone(tmp_path, package):
    assert tops_of(PACKAGE / "store" / "cache.py", [package, "numpy.linalg"]) == {"numpy"}
    assert tops_of(tmp_path / "plugin.py", [package, "numpy.linalg"]) == {package, "numpy"}
    assert package not in packages_of(PACKAGE.rglob("*.py"), [])
    for portfolio in ("logmel-knn", "default"):
        assert package not in score_packages(asdcore.load_portfolio(portfolio), installed())
