"""What holds of every loss, without reference values: finite, bounded, refused where nothing could be learnt."""

from __future__ import annotations

import math

import pytest
import torch

from asdcore_plugins.trained.losses.by_name import LOSSES, build_loss

BRANCHES = {"branch_dims": [4, 4]}


def build(name, classes=4, **parameters):
    return build_loss(name, classes, 8, **(BRANCHES if name in ("subspace", "featex") else {}) | parameters)


def small(name):
    return {"subspace_dim": 3} if name == "adaproj" else {}


@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_gradient_stay_finite_for_zeros_opposites_and_exact_hits(name):
    torch.manual_seed(1)
    loss = build(name, **small(name)).train()
    centre = next(iter(loss.golden().values())).detach()
    centre = centre[0, 0] if name == "adaproj" else centre[:, 0]
    x = torch.stack([torch.zeros(8), centre, -centre, 1e20 * centre]).requires_grad_()
    total = loss(x, torch.eye(4))
    total.backward()
    assert total.isfinite()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("name", sorted({*LOSSES} - {"featex"}))  # draws of featex differ from call to call
def test_a_soft_label_lies_between_the_hard_ones(name):
    torch.manual_seed(2)
    loss, x = build(name, **small(name)), torch.randn(1, 8)
    first, second, between = (
        float(loss(x, torch.tensor([label])).detach())
        for label in ([1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0])
    )
    if name == "arcface":  # its margin is shared out
        assert between < max(first, second)
    else:
        assert between == pytest.approx((first + second) / 2, rel=1e-5)


@pytest.mark.parametrize("name", ["adacos", "adaproj"])
@pytest.mark.parametrize("classes", [1, 2])
def test_too_few_classes_are_refused(name, classes):
    with pytest.raises(ValueError, match=f"at least 3 classes and there (is|are) {classes}.*sub_cluster_adacos"):
        build(name, classes, **small(name))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("adacos", {"dynamic": True}),
        ("adaproj", {"dynamic": True, "subspace_dim": 3}),
        *(("sub_cluster_adacos", {"dynamic": rule}) for rule in ("closest", "mean", "sum", "sum_times_count")),
    ],
)
def test_a_scale_that_follows_the_training_is_bounded_and_saved(name, parameters):
    torch.manual_seed(3)
    loss = build(name, trainable=True, largest_scale=30.0, **parameters).train()
    vectors = loss.W.detach()
    own = vectors[:, 0] if name == "adaproj" else vectors[:, :: vectors.shape[1] // 4].T
    for _ in range(60):  # every sample lies on a centre of its class: the rule would let the scale grow for ever
        loss(own, torch.eye(4))
        assert 0.0 < float(loss.scale.value) <= 30.0
    other = build(name, trainable=True, largest_scale=30.0, **parameters)
    other.load_state_dict(loss.state_dict())
    assert other.scale.value == loss.scale.value
    before = float(loss.scale.value)
    loss.eval()(own, torch.eye(4))
    loss.train()(own * math.nan, torch.eye(4))
    assert float(loss.scale.value) == before


def test_names_parameters_and_shapes_are_checked():
    with pytest.raises(ValueError, match="no loss 'triplet'; allowed are adacos, adaproj, arcface"):
        build_loss("triplet", 4, 8)
    with pytest.raises(ValueError, match="'adacos' has no parameter 'sub_clusters'; allowed are classes, dim"):
        build_loss("adacos", 4, 8, sub_clusters=2)
    with pytest.raises(ValueError, match="at least two branches"):
        build_loss("subspace", 4, 8, branch_dims=[8])
    with pytest.raises(ValueError, match=r"takes \(batch, 8\) and \(batch, 4\)"):
        build("adacos")(torch.zeros(3, 8), torch.zeros(3, 5))
    with pytest.raises(ValueError, match="weights are missing: W"):
        build("adacos").load_golden({})
    with pytest.raises(ValueError, match=r"W has shape \(8, 5\); this one takes \(8, 4\)"):
        build("adacos").load_golden({"head.W": torch.zeros(8, 5)})


def test_held_centres_get_no_gradient():
    loss = build("subspace")
    loss(torch.ones(4, 8), torch.eye(4)).backward()
    assert [weight.grad is None for weight in loss.golden().values()] == [True, False, False]
