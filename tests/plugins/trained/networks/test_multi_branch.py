"""What holds of the multi-branch CNN without reference values: lengths, shapes, and the plain layers it stands for."""

from __future__ import annotations

import pytest
import torch

from asdcore_plugins.trained.networks.by_name import build_network
from asdcore_plugins.trained.networks.norm import Norm

SMALL = {"fft": False, "stft": [128], "width": 16}
SAMPLES = 64 * 45 + 10
"""46 frames of a window of 128; an odd number of frames with 64 more."""


@pytest.fixture
def small():
    torch.manual_seed(1)
    return build_network("multi_branch", n_samples=SAMPLES, f_min=0.0, **SMALL)


def test_the_message_of_short_clips_gives_the_seconds():
    with pytest.raises(ValueError, match=r"clips of 4.00 s are too short for the branch fft, which needs 4.38 s"):
        build_network("multi_branch", n_samples=64000)
    with pytest.raises(ValueError, match=r"branch stft 4096, which needs 4.48 s"):
        build_network("multi_branch", n_samples=71000, stft=[1024, 4096])
    least = build_network("multi_branch", n_samples=70014, width=16).eval()
    assert least(torch.zeros(1, 70014)).shape == (1, 32)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"width": 20}, "width is 20; allowed are multiples of 8"),
        ({"fft": False, "stft": []}, "give at least one branch"),
        ({"stft": [1024, 1024]}, "each window once"),
        ({"stft": [64]}, "a window of 64 samples has 32 bins between 200 and 8000 Hz, and the network needs 36"),
        ({"stft": [1023]}, "even window lengths"),
        ({"depth": 3}, "has no parameter 'depth'; allowed are n_samples, sample_rate, fft, stft"),
    ],
)
def test_what_is_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        build_network("multi_branch", n_samples=96000, **parameters)


def test_waves_of_another_length_are_refused(small):
    with pytest.raises(ValueError, match=rf"\(batch, {SAMPLES}\)"):
        small(torch.zeros(2, SAMPLES + 1))


@pytest.mark.parametrize("extra", [0, 64])
def test_the_training_pass_is_that_of_plain_layers(extra):
    torch.manual_seed(2)
    network = build_network("multi_branch", n_samples=SAMPLES + extra, f_min=0.0, **SMALL).double().train()
    wave = torch.randn(5, SAMPLES + extra, dtype=torch.float64)
    z = network(wave)
    z.square().sum().backward()
    gradients = {name: weight.grad.clone() for name, weight in network.named_parameters()}
    statistics = {name: values.clone() for name, values in network.named_buffers()}
    plain = build_network("multi_branch", n_samples=SAMPLES + extra, f_min=0.0, **SMALL).double().train()
    plain.load_trained_state(network.state_dict())
    for module in plain.modules():
        module.training = module.training and isinstance(module, Norm)  # the stem in its plain form
        if isinstance(module, Norm):
            module.running_mean.zero_(), module.running_var.fill_(1.0)
            module.forward = lambda x, own=module: torch.nn.functional.batch_norm(
                x, own.running_mean, own.running_var, training=True
            )
    right = plain(wave)
    right.square().sum().backward()
    assert torch.allclose(z, right, atol=1e-10)
    for name, weight in plain.named_parameters():
        assert torch.allclose(gradients[name], weight.grad, rtol=1e-8, atol=1e-10), name
    for name, values in plain.named_buffers():
        assert torch.allclose(statistics[name], values, atol=1e-12), name


def test_statistics_of_large_means_stay_exact():
    norm = Norm(16).train()
    x = (1000.0 + torch.randn(8, 16, 64, 64, generator=torch.Generator().manual_seed(3))).requires_grad_()
    right = torch.nn.functional.batch_norm(x.detach().double(), None, None, training=True)
    assert torch.allclose(norm(x).double(), right, atol=2e-4)  # float32 holds 1000 to 6e-5


def test_a_single_clip_of_a_single_place_has_no_variance():
    with pytest.raises(ValueError, match="at least two clips"):
        Norm(4).train()(torch.zeros(1, 4, 1, 1, requires_grad=True))


def test_an_augmentation_changes_the_magnitudes_of_every_branch(small):
    seen = []
    small.eval()(torch.randn(2, SAMPLES), change=lambda x: seen.append(tuple(x.shape)) or x * 0.0)
    assert seen == [(2, 65, 46)]


def test_the_trained_state_restores_to_the_same_bits(small):
    wave = torch.randn(3, SAMPLES)
    small.train()(wave)
    torch.manual_seed(9)
    other = build_network("multi_branch", n_samples=SAMPLES, f_min=0.0, **SMALL)
    other.load_trained_state(small.trained_state())
    assert torch.equal(other.eval()(wave), small.eval()(wave))
    with pytest.raises(ValueError, match="of another network"):
        other.load_trained_state({"weight": torch.zeros(1)})
