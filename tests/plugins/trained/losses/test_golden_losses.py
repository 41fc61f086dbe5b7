"""Losses and their gradients are those of the reference values, in float64 and in float32."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from asdcore_plugins.trained.losses.by_name import build_loss

TYPES = {"float64": torch.float64, "float32": torch.float32}
FLOOR = {"float64": (1e-6, 1e-6), "float32": (1e-6, 1e-5)}
"""Of values, and of gradients relative to their largest: the expectations are float32."""


def built(case, name, classes, dtype, **parameters):
    """A loss with the golden weights of so many classes."""
    weights = case.weights(f"C{classes}/")
    dim = case.input[f"C{classes}/x"].shape[1]
    loss = build_loss(name, classes, dim, **{"trainable": True} | parameters).load_golden(weights)
    return loss.to(dtype) if dtype == torch.float64 else loss


def batch(case, classes, labels, dtype):
    x = torch.tensor(case.input[f"C{classes}/x"], dtype=dtype, requires_grad=True)
    hard = torch.eye(classes, dtype=dtype)[torch.as_tensor(case.input[f"C{classes}/label_index"])]
    return x, hard if labels == "hard" else torch.tensor(case.input[f"C{classes}/y_mix"], dtype=dtype)


def figure(case, where, what, floor):
    """The limit of one value: five times what float32 costs the reference, at least the floor."""
    entry = (case.tolerance or {}).get(where, {})
    return max(5.0 * (entry.get(what) or 0.0), floor)


def check(case, where, loss, x, y, precision):
    """Logits, losses and gradients of a case against its file."""
    value, gradient = FLOOR[precision]
    logits = loss.logits(x, y) if hasattr(loss, "logits") else loss.log_probabilities(x, y)
    samples = loss.per_sample(x, y)
    total = loss(x, y)
    total.backward()
    close(case, f"{where}/logprob_or_logits", logits, figure(case, where, "logits_f32_vs_f64", value))
    close(case, f"{where}/loss_per_sample", samples, figure(case, where, "logits_f32_vs_f64", value))
    close(case, f"{where}/loss", total, figure(case, where, "loss_f32_vs_f64", value))
    for name, tensor in (("x", x), ("W", loss.W)):
        limit = figure(case, where, f"grad_{name}_f32_vs_f64", 0.0)
        most = max(case.tolerance[where][f"grad_{name}_max"], 1e-3) if case.tolerance.get(where) else 1.0
        close(case, f"{where}/grad_{name}", tensor.grad, max(limit, gradient * most))


def close(case, key, tensor, limit):
    expected, got = case.expected.picked(key, tensor.detach().numpy())
    assert np.abs(expected - got).max() <= limit, key


@pytest.mark.parametrize("precision", TYPES)
@pytest.mark.parametrize("labels", ["hard", "mix"])
@pytest.mark.parametrize("classes", [5, 187])
@pytest.mark.parametrize(
    ("name", "folder", "cases"),
    [
        ("adacos", "adacos", {"fixed": {}}),
        ("sub_cluster_adacos", "scac", {"fixed_scale": {}}),
        ("arcface", "arcface", {"right_plain": {"monotone": False}, "right_fallback": {}}),
        ("adaproj", "adaproj", {"fixed_scale": {}}),
    ],
)
def test_loss_and_gradients(golden, name, folder, cases, classes, labels, precision):
    case = golden("2_losses", folder)
    for end, parameters in cases.items():
        x, y = batch(case, classes, labels, TYPES[precision])
        check(
            case,
            f"C{classes}/{labels}/{end}",
            built(case, name, classes, TYPES[precision], **parameters),
            x,
            y,
            precision,
        )


@pytest.mark.parametrize(
    ("name", "folder", "end"), [("sub_cluster_adacos", "scac", "fixed_scale"), ("arcface", "arcface", "right_plain")]
)
@pytest.mark.parametrize("classes", [1, 2])
def test_one_class_and_two(golden, name, folder, end, classes):
    case = golden("2_losses", folder)
    parameters = {"monotone": False} if name == "arcface" else {}
    for labels in ("hard", "mix"):
        x, y = batch(case, classes, labels, torch.float64)
        check(
            case, f"C{classes}/{labels}/{end}", built(case, name, classes, torch.float64, **parameters), x, y, "float64"
        )


@pytest.mark.parametrize("scale", [64, 150, 400])
def test_a_large_scale_gives_no_nan(golden, scale):
    case = golden("2_losses", "scac")
    x, y = batch(case, 5, "mix", torch.float64)
    check(
        case,
        f"C5/mix/scale{scale}",
        built(case, "sub_cluster_adacos", 5, torch.float64, scale=float(scale)),
        x,
        y,
        "float64",
    )


def followed(loss, x, y, steps):
    """Scale and loss of several forwards in training, with the same batch."""
    loss.train()
    return [(float(loss(x, y).detach()), float(loss.scale.value)) for _ in range(steps)]


@pytest.mark.parametrize("labels", ["hard", "mix"])
@pytest.mark.parametrize("classes", [5, 187])
def test_the_scale_of_adacos_follows(golden, classes, labels):
    case = golden("2_losses", "adacos")
    steps = [step["paper_weighted_median_lower"] for step in case.dynamic()[f"C{classes}/{labels}"]["steps"]]
    x, y = batch(case, classes, labels, torch.float64)
    for (loss, scale), right in zip(
        followed(built(case, "adacos", classes, torch.float64, dynamic=True), x, y, len(steps)), steps, strict=True
    ):
        assert scale == pytest.approx(right["s"], abs=1e-9)
        assert loss == pytest.approx(right["loss"], abs=1e-6)


def test_a_batch_in_which_every_sample_is_mixed_keeps_adacos_finite(golden):
    case = golden("2_losses", "adacos")
    x, _ = batch(case, 5, "hard", torch.float64)
    y = torch.tensor(case.input["C5/y_all_mixed"], dtype=torch.float64)
    [(_, scale)] = followed(built(case, "adacos", 5, torch.float64, dynamic=True), x, y, 1)
    right = case.dynamic()["C5/all_mixed_step1"]["paper_weighted_median_lower"]["s"]
    assert scale == pytest.approx(right, abs=1e-6)  # soft labels of the file are float32


@pytest.mark.parametrize("labels", ["hard", "mix"])
@pytest.mark.parametrize("classes", [5, 187])
def test_the_scale_of_adaproj_follows(golden, classes, labels):
    case = golden("2_losses", "adaproj")
    steps = case.dynamic()[f"C{classes}/{labels}"]["steps"]
    x, y = batch(case, classes, labels, torch.float64)
    for (loss, scale), right in zip(
        followed(built(case, "adaproj", classes, torch.float64, dynamic=True), x, y, len(steps)), steps, strict=True
    ):
        assert (scale, loss) == pytest.approx((right["peer_s"], right["peer_loss"]), rel=1e-6)


@pytest.mark.parametrize("rule", ["closest", "mean", "sum", "sum_times_count"])
def test_the_scale_of_sub_cluster_adacos_follows(golden, rule):
    case = golden("2_losses", "scac")
    called = {"closest": "closest"}.get(rule, f"interleave_{rule}")
    for where in ("C5/hard", "C5/mix", "C187/mix", "tight_C3_K2/hard"):
        if where.startswith("tight"):
            x = torch.tensor(case.input["tight/x"], dtype=torch.float64)
            y = torch.eye(3, dtype=torch.float64)[torch.as_tensor(case.input["tight/label_index"])]
            loss = (
                build_loss("sub_cluster_adacos", 3, 16, sub_clusters=2, dynamic=rule)
                .load_golden(case.weights("tight/"))
                .double()
            )
        else:
            classes, labels = int(where[1:].split("/")[0]), where.split("/")[1]
            x, y = batch(case, classes, labels, torch.float64)
            loss = built(case, "sub_cluster_adacos", classes, torch.float64, dynamic=rule)
        steps = [step[called]["s"] for step in case.dynamic()[where]["steps"]]
        assert [scale for _, scale in followed(loss, x, y, len(steps))] == pytest.approx(steps, abs=2e-6), where


@pytest.mark.parametrize("precision", TYPES)
def test_adaproj_of_both_bases(golden, precision):
    case = golden("2_losses", "adaproj")
    x, _ = batch(case, 5, "hard", TYPES[precision])
    for basis, key in (("sum", "cos_sum_form"), ("qr", "cos_orthonormal_basis")):
        close(case, f"C5/{key}", built(case, "adaproj", 5, TYPES[precision], basis=basis).cosines(x), 2e-6)


@pytest.mark.parametrize("precision", TYPES)
@pytest.mark.parametrize("classes", [1, 2, 5, 187])
@pytest.mark.parametrize("folder", ["subspace", "featex"])
def test_losses_of_several_heads(golden, folder, classes, precision):
    case, dtype = golden("2_losses", folder), TYPES[precision]
    for labels in ("hard", "mix"):
        x, y = batch(case, classes, labels, dtype)
        dims = [case.config["branch_dim"]] * case.config["branches"]
        loss = built(case, folder, classes, dtype, branch_dims=dims, trainable=False)
        draws = {}
        if folder == "featex":
            perm, apply = (
                torch.as_tensor(case.input[f"C{classes}/{key}"]) for key in ("perm_of_branch_1_and_up", "apply")
            )
            draws = {"draws": {"perm": perm, "apply": apply}}
        parts = loss.parts(x, y, **draws)
        sum(parts.values()).backward()
        where = f"C{classes}/{labels}"
        names = {
            "main": "main_main",
            "exchanged": "main_featex",
            "branch_0": "main_subspace_0",
            "branch_1": "main_subspace_1",
        }
        for name, part in parts.items():
            close(case, f"{where}/loss/{names[name]}", part, 5e-7 if precision == "float64" else 1e-6)
        close(case, f"{where}/grad_x", x.grad, 1e-6)
        for name, weight in loss.golden().items():
            assert (weight.grad is None) == (f"{name}" in case.tolerance[where]["parameters_without_gradient"]), name
            if weight.grad is not None:
                close(case, f"{where}/grad/{name}", weight.grad, 1e-5 * max(1.0, float(weight.grad.abs().max())))


@pytest.mark.parametrize("labels", ["hard", "mix"])
def test_exchanged_branches_and_their_labels(golden, labels):
    case = golden("2_losses", "featex")
    x, y = batch(case, 5, labels, torch.float64)
    draws = {
        "perm": torch.as_tensor(case.input["C5/perm_of_branch_1_and_up"]),
        "apply": torch.as_tensor(case.input["C5/apply"]),
    }
    values, marked = built(case, "featex", 5, torch.float64, branch_dims=[16, 16]).exchange(x, y, draws)
    close(case, f"C5/{labels}/exchanged_embedding", values, 0.0)
    close(case, f"C5/{labels}/exchanged_label", marked, 1e-7)
