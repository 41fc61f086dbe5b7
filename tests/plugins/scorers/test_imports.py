"""What a scorer imports is what it needs: nobody waits for torch or scikit-learn for a nearest neighbour."""

from __future__ import annotations

import pytest

LIGHT = ["knn", "beam", "temporal", "patchcore", "mahalanobis", "smote_knn", "memmixup", "ldn", "lof", "kde", "varmin"]


@pytest.mark.parametrize("name", LIGHT)
def test_a_scorer_of_distances_or_gaussians_imports_neither_torch_nor_scikit_learn(imported_by, name):
    imported = imported_by(f"import asdcore; asdcore.load_scorer({name!r})")
    assert not imported & {"torch", "sklearn", "transformers", "pandas"}
