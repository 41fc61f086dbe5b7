"""What a portfolio gets of a pooling by its name alone: the parameters published for the encoder.

Wilkinghoff, Yadav, Tan, "Temporal pooling strategies for training-free anomalous sound detection with self-supervised
audio embeddings" (arXiv 2603.04605), Tables I and III.
"""

from __future__ import annotations

import pytest

from asdcore.compute.recipes import pooling_recipe
from asdcore.contract.plugins import installed
from asdcore.data.features.pooling import POOLINGS
from asdcore.portfolio import parse_portfolio


def parameters(encoder, pooling):
    branch = {"encoder": {"name": encoder, "checkpoint": "any", "pooling": pooling}, "scorer": "knn"}
    plan = parse_portfolio({"name": "p", "branches": {"b": branch}, "systems": {"S": {"weights": {"b": 1}}}})
    return pooling_recipe(plan.branches["b"].encoder, installed().component("encoder", encoder))["parameters"]


@pytest.mark.parametrize(
    ("encoder", "r", "p", "gamma"), [("beats", 0.4, 10, 16), ("dasheng", 0.6, 6, 20), ("eat", 0.9, 3, 1)]
)
def test_each_encoder_is_pooled_as_published(encoder, r, p, gamma):
    assert parameters(encoder, "gwrp")["r"] == r
    assert parameters(encoder, "gem")["p"] == p
    assert parameters(encoder, "rdp")["gamma"] == gamma
    assert parameters(encoder, "rdp_gem") == {**parameters(encoder, "rdp"), "p": 3}


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_patches_of_eat_alone_are_cleaned_up_before_any_pooling(pooling):
    assert parameters("eat", pooling)["clean_up"] == (pooling != "cls")
    assert not parameters("beats", pooling)["clean_up"]
    assert not parameters("eat", {"name": pooling, "clean_up": False})["clean_up"]
