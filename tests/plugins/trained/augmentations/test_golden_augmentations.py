"""Augmentations with given draws do what the reference values say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from asdcore_plugins.trained.augmentations.by_name import build_augmentation


def tensors(case):
    return {name: torch.as_tensor(values) for name, values in case.input.items()}


def test_mixup(golden):
    case = golden("3_augment", "mixup")
    given = tensors(case)
    wave, labels = build_augmentation("mixup")(given["wave"], given["onehot"], given)
    assert np.abs(wave.numpy() - case.expected["wave"]).max() <= case.tolerance["max_abs"]
    assert np.abs(labels.numpy() - case.expected["onehot"]).max() <= case.tolerance["max_abs"]
    same = given["apply"] == 0
    assert torch.equal(wave[same], given["wave"][same])


def test_specaug_of_a_spectrogram(golden):
    case = golden("3_augment", "specaug")
    given = tensors(case)
    spec = build_augmentation("specaug", stage="magnitude").change(given["spec"], given)
    assert np.array_equal(spec.numpy(), case.expected["spec"])


def test_specaug_of_a_waveform(golden):
    case = golden("3_augment", "specaug")
    given = tensors(case)
    draws = {name.removeprefix("wave_"): given[name] for name in given if name.startswith("wave_")}
    draws |= {name: given[name] for name in ("time_apply", "freq_apply")}
    wave = build_augmentation("specaug").change(given["wave"], draws)
    assert np.abs(wave.numpy() - case.expected["wave"]).max() <= case.tolerance["wave_max_abs"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("axis", ["time", "frequency"])
@pytest.mark.parametrize("partner", ["perm", "reversed"])
def test_statex(golden, axis, partner, dtype):
    case = golden("3_augment", "statex")
    given = tensors(case)
    perm = given["perm"] if partner == "perm" else torch.arange(len(given["perm"])).flip(0)
    statex = build_augmentation("statex", axis=axis)
    draws = {"perm": perm, "apply": given["apply"]}
    spec, label = statex(given["spec"].to(dtype), given["onehot"].to(dtype), draws)
    right = case.expected[f"over_{axis}/{partner}/spec"]
    assert np.abs(spec.numpy() - right).max() <= max(case.tolerance["max_abs"], 1e-6 * np.abs(right).max())
    assert np.array_equal(label.float().numpy(), case.expected[f"over_{axis}/{partner}/label"])
