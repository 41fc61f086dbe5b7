"""What a scorer imports is what it needs: nobody waits for torch or scikit-learn for a nearest neighbour."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIGHT = ["knn", "beam", "temporal", "patchcore", "mahalanobis", "smote_knn", "memmixup", "ldn", "lof", "kde", "varmin"]


@pytest.mark.parametrize("name", LIGHT)
def test_a_scorer_of_distances_or_gaussians_imports_neither_torch_nor_scikit_learn(name):
    code = (
        f"import sys, asdcore; asdcore.load_scorer({name!r}); "
        "print(*sorted({'torch', 'sklearn', 'transformers', 'pandas'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "\n"
