"""What holds of every loss, without reference values: finite, bounded, refused where nothing could be learnt.

A new loss is tested here as soon as ``by_name`` names it: every parameter of its own has a default.
"""

from __future__ import annotations

import math

import pytest
import torch

from asdcore_plugins.trained.losses.by_name import LOSSES, OF_BRANCHES, build_loss

DIM = 40
"""Room for the default parameters of every loss, and the size of no other axis of a weight."""


def build(name, classes=4, **parameters):
    return build_loss(name, classes, DIM, **({"branch_dims": [20, 20]} if name in OF_BRANCHES else {}), **parameters)


def a_centre(loss):
    """Return one vector of the first weight whose axis is as long as an embedding; any vector if there is none."""
    weights = [weight.detach() for weight in loss.golden().values() if DIM in weight.shape]
    return weights[0].movedim(weights[0].shape.index(DIM), -1).reshape(-1, DIM)[0] if weights else torch.ones(DIM)


def losses_of_labels(name):
    """Return the loss of one sample labelled as the first class, as the second, and as half of each."""
    torch.manual_seed(2)
    loss, x = build(name).eval(), torch.randn(1, DIM)  # in evaluation nothing is drawn
    labels = [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0]
    return [float(loss(x, torch.tensor([label])).detach()) for label in labels]


@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_gradient_stay_finite_for_zeros_opposites_and_exact_hits(name):
    torch.manual_seed(1)
    loss = build(name).train()
    centre = a_centre(loss)
    x = torch.stack([torch.zeros(DIM), centre, -centre, 1e20 * centre]).requires_grad_()
    total = loss(x, torch.eye(4))
    total.backward()
    assert total.isfinite()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_soft_label_costs_no_more_than_the_worse_of_the_hard_ones(name):
    first, second, between = losses_of_labels(name)
    assert between <= max(first, second)


@pytest.mark.parametrize("name", ["adacos", "adaproj", "featex", "sub_cluster_adacos", "subspace"])
def test_without_a_margin_a_soft_label_costs_the_mean_of_the_hard_ones(name):
    first, second, between = losses_of_labels(name)
    assert between == pytest.approx((first + second) / 2, rel=1e-5)


@pytest.mark.parametrize("name", ["adacos", "adaproj"])
@pytest.mark.parametrize("classes", [1, 2])
def test_too_few_classes_are_refused(name, classes):
    with pytest.raises(ValueError, match=f"at least 3 classes and there (is|are) {classes}.*sub_cluster_adacos"):
        build(name, classes)


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
    with pytest.raises(ValueError, match="no loss 'triplet'; allowed are .*adacos, "):
        build_loss("triplet", 4, 8)
    with pytest.raises(ValueError, match="'adacos' has no parameter 'sub_clusters'; allowed are classes, dim"):
        build_loss("adacos", 4, 8, sub_clusters=2)
    with pytest.raises(ValueError, match="at least two branches"):
        build_loss("subspace", 4, 8, branch_dims=[8])
    with pytest.raises(ValueError, match=r"takes \(batch, 40\) and \(batch, 4\)"):
        build("adacos")(torch.zeros(3, DIM), torch.zeros(3, 5))
    with pytest.raises(ValueError, match="weights are missing: W"):
        build("adacos").load_golden({})
    with pytest.raises(ValueError, match=r"W has shape \(40, 5\); this one takes \(40, 4\)"):
        build("adacos").load_golden({"head.W": torch.zeros(DIM, 5)})


def test_held_centres_get_no_gradient():
    loss = build("subspace")
    loss(torch.ones(4, DIM), torch.eye(4)).backward()
    assert [weight.grad is None for weight in loss.golden().values()] == [True, False, False]


def test_supervised_contrastive_is_that_of_pytorch_metric_learning():
    x = torch.tensor([[1.0, 2.0], [2.0, 1.0], [-1.0, 3.0], [0.0, -1.0], [3.0, 1.0]], dtype=torch.float64)
    labels = torch.eye(3, dtype=torch.float64)[[0, 1, 0, 1, 1]]
    # SupConLoss(temperature) of pytorch-metric-learning 2.9.0
    for temperature, expected in ((0.1, 3.2653855765434825), (0.5, 1.322919969564096)):
        loss = build_loss("supervised_contrastive", 3, 2, temperature=temperature)
        assert float(loss(x, labels)) == pytest.approx(expected, rel=1e-12)


def test_a_sample_that_is_alone_in_its_class_is_told_apart_and_has_no_term_of_its_own():
    x = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    loss = build_loss("supervised_contrastive", 2, 2, temperature=1.0)
    near, far = math.exp(math.sqrt(0.5)), 1.0
    # The first two are a pair; the third is beside the second, and square to the first.
    expected = (-math.log(near / (near + far)) - math.log(near / (near + near))) / 2
    assert float(loss(x, torch.eye(2, dtype=torch.float64)[[0, 0, 1]])) == pytest.approx(expected, rel=1e-12)
    assert float(loss(x, torch.eye(3, 2, dtype=torch.float64))) == pytest.approx(0.0, abs=1e-12)


def test_of_soft_labels_a_pair_counts_by_what_they_share():
    torch.manual_seed(4)
    x, soft = torch.randn(5, DIM).double(), torch.softmax(torch.randn(5, 4), dim=1).double()
    loss = build("supervised_contrastive")
    z = torch.nn.functional.normalize(x, dim=1)
    terms = []
    for i in range(5):
        others = [j for j in range(5) if j != i]
        total = torch.logsumexp(torch.stack([z[i] @ z[j] / 0.1 for j in others]), dim=0)
        weights = torch.stack([soft[i] @ soft[j] for j in others])
        surprise = torch.stack([total - z[i] @ z[j] / 0.1 for j in others])
        terms.append((weights * surprise).sum() / weights.sum())
    assert float(loss(x, soft)) == pytest.approx(float(torch.stack(terms).mean()), rel=1e-12)


def test_classes_may_be_learnt_in_the_same_stage():
    both = build("supervised_contrastive", classification=2.0, scale=10.0, margin=0.3)
    x, labels = torch.randn(6, DIM), torch.eye(4)[[0, 1, 2, 3, 0, 1]]
    alone, arcface = build("supervised_contrastive"), build("arcface", scale=10.0, margin=0.3)
    arcface.load_golden(both.golden())
    assert torch.allclose(both(x, labels), alone(x, labels) + 2.0 * arcface(x, labels))
    both(x, labels).backward()
    assert both.golden()["W"].grad.abs().sum() > 0
    assert not alone.golden()
    with pytest.raises(ValueError, match="temperature is 0 and classification 0.0; allowed"):
        build("supervised_contrastive", temperature=0)
