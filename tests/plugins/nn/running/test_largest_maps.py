"""How long a clip a network may be given follows from what is in its memory at once: live tensors are counted."""

from __future__ import annotations

import weakref

import pytest
import torch
import transformers
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from asdcore_plugins.encoders import speech
from asdcore_plugins.nn import panns
from asdcore_plugins.nn.dymn import DyMN
from asdcore_plugins.nn.mobilenet import MobileNetV3, largest_maps
from asdcore_plugins.nn.running.memory import ON_CPU, seconds_that_fit

CPU = torch.device("cpu")


class Live(TorchDispatchMode):
    """Counts the bytes that operations made and that something still holds; ``most`` is the most of them."""

    def __init__(self):
        super().__init__()
        self.now, self.most, self.holders = 0, 0, {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        given = {tensor.untyped_storage()._cdata for tensor in tree_leaves((args, kwargs)) if torch.is_tensor(tensor)}
        for tensor in filter(torch.is_tensor, tree_leaves(made)):
            storage = tensor.untyped_storage()
            if storage._cdata in self.holders or storage._cdata not in given:  # else it is a view of a weight
                self._hold(tensor, storage._cdata, storage.nbytes())
        return made

    def _hold(self, tensor, place, n_bytes):
        if place not in self.holders:
            self.holders[place] = 0
            self.now += n_bytes
            self.most = max(self.most, self.now)
        self.holders[place] += 1
        weakref.finalize(tensor, self._let_go, place, n_bytes)

    def _let_go(self, place, n_bytes):
        self.holders[place] -= 1
        if not self.holders[place]:
            del self.holders[place]
            self.now -= n_bytes


def most(module, *shape):
    """The bytes that one clip takes in a network without values, in which nothing is computed."""
    module.eval()
    with torch.inference_mode(), Live() as live:
        module(torch.empty(1, *shape, device="meta"))
    return live.most


def check(module, seconds, *shape):
    """Of as many seconds as are allowed, a network takes a good part of what is allowed, and not more."""
    taken = most(module, *shape)
    assert 0.25 * ON_CPU < taken < 1.05 * ON_CPU, f"{taken / 1e6:.0f} MB of {seconds:g} s"


@pytest.mark.parametrize("width", [0.4, 1.0, 4.0])
@pytest.mark.parametrize("dynamic", [False, True])
def test_efficientat(width, dynamic):
    seconds = seconds_that_fit(CPU, 4.0 * largest_maps(width) * 128 * 100)
    with torch.device("meta"):
        network = DyMN(width, 10, all_dynamic=True) if dynamic else MobileNetV3(width, 10)
    check(network, seconds, int(100 * seconds), 128)


CNN = {
    "cnn14": {"n_blocks": 6, "n_convs": 2, "kernel": 3},
    "cnn10": {"n_blocks": 4, "n_convs": 2, "kernel": 3},
    "cnn6": {"n_blocks": 4, "n_convs": 1, "kernel": 5},
}


@pytest.mark.parametrize("kind", [*CNN, "mobilenetv1"])
def test_panns(kind):
    with torch.device("meta"):
        network = panns.Cnn(64, 512, 10, **CNN[kind]) if kind in CNN else panns.MobileNetV1(64, 1024, 10)
    seconds = seconds_that_fit(CPU, 4.0 * network.largest_maps * 64 * 100)
    check(network, seconds, int(100 * seconds), 64)


@pytest.mark.parametrize("kind", ["WavLM", "Hubert", "Data2VecAudio"])
def test_speech(kind):
    config = getattr(transformers, f"{kind}Config")()
    seconds = seconds_that_fit(CPU, *speech._bytes(config, 16000, attends_in_full=kind == "WavLM"))
    with torch.device("meta"):
        network = getattr(transformers, f"{kind}Model")(config)
    check(network, seconds, int(16000 * seconds))
