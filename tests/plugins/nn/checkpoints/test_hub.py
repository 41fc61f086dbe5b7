"""Snapshots of transformers models: what is opened, what is refused, and what leaves each block."""

from __future__ import annotations

import json
import os
import threading

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from asdcore import DataError
from asdcore_plugins.nn.checkpoints import hub


class Chain(nn.Module):
    """Three blocks and a head: what transformers models look like from outside."""

    def __init__(self, width=4):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(3))
        self.head = nn.Linear(width, 2)
        self.calls = []

    def forward(self, x):
        for block in self.layers:
            x = block(x)
        return self.head(x)


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "chain"}))
    save_file(Chain().state_dict(), tmp_path / "model.safetensors")
    return tmp_path


def weights(folder):
    return hub.read(folder / "model.safetensors")


def test_a_folder_and_the_file_of_weights_in_it_are_the_same_snapshot(folder):
    (folder / "preprocessor_config.json").write_text('{"do_normalize": false}')
    found = hub.snapshot(folder, "other", "chain")
    assert found == hub.snapshot(str(folder / "model.safetensors"), "chain")
    assert (found.config, found.preprocessor) == ({"model_type": "chain"}, {"do_normalize": False})


def test_safetensors_are_preferred_and_torch_files_do_too(folder):
    torch.save(weights(folder), folder / "pytorch_model.bin")
    assert hub.snapshot(folder, "chain").weights.name == "model.safetensors"
    (folder / "model.safetensors").unlink()
    found = hub.snapshot(folder, "chain")
    assert found.weights.name == "pytorch_model.bin"
    assert set(hub.build(Chain, found).state_dict()) == set(Chain().state_dict())


def test_what_is_not_here_is_not_downloaded(tmp_path):
    with pytest.raises(
        DataError, match="microsoft/wavlm-base may be a model on the Hugging Face Hub, but it is not a file"
    ):
        hub.snapshot("microsoft/wavlm-base", "wavlm")
    with pytest.raises(DataError, match="nothing/here is not a file or folder here.*asdcore registry fetch ID"):
        hub.snapshot(tmp_path / "nothing" / "here", "wavlm")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_an_incomplete_folder_is_refused(folder, name):
    (folder / name).unlink()
    with pytest.raises(DataError, match=rf"holds n.*{name.replace('.', '[.]')}.*asdcore registry fetch ID"):
        hub.snapshot(folder, "chain")


@pytest.mark.parametrize(("text", "found"), [("{", "is not JSON"), ("[1]", "holds a list, not an object")])
def test_a_configuration_that_is_none_is_refused(folder, text, found):
    (folder / "config.json").write_text(text)
    with pytest.raises(DataError, match=found):
        hub.snapshot(folder, "chain")


def test_the_configuration_of_another_model_is_refused(folder):
    with pytest.raises(DataError, match="describes a model 'chain'; needed is clap or clap_audio_model"):
        hub.snapshot(folder, "clap", "clap_audio_model")


def test_a_configuration_that_the_library_refuses_is_named(folder):
    (folder / "config.json").write_text('{"model_type": "hubert", "conv_dim": [8, 8], "conv_kernel": [3]}')
    with pytest.raises(DataError, match=r"config[.]json describes no model that the installed transformers"):
        hub.configure("HubertConfig", hub.snapshot(folder, "hubert"))


def test_a_checkpoint_does_not_choose_what_a_model_returns(folder):
    (folder / "config.json").write_text('{"model_type": "hubert", "return_dict": false, "output_hidden_states": true}')
    config = hub.configure("HubertConfig", hub.snapshot(folder, "hubert"))
    assert config.return_dict
    assert not config.output_hidden_states


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_a_checkpoint_does_not_name_code_on_the_hub(key, folder):
    inner = {key: "someone/kernels", "depths": [1, 1]}
    (folder / "config.json").write_text(
        json.dumps({"model_type": "clap", key: "someone/kernels", "audio_config": inner})
    )
    config = hub.configure("ClapConfig", hub.snapshot(folder, "clap"))
    assert list(config.audio_config.depths) == [1, 1]
    assert [one._attn_implementation for one in (config, config.audio_config)] == [None, None]


def test_sizes_that_do_not_go_together_are_refused(folder):
    def make():
        raise ValueError("5 heads\nfor 32 channels")

    with pytest.raises(DataError, match=r"config[.]json describes no model .*ValueError: 5 heads for 32 channels"):
        hub.build(make, hub.snapshot(folder, "chain"))


def test_names_may_have_a_prefix_and_an_older_spelling(folder):
    state = weights(folder)
    old = {f"inner.{name.replace('layers.', 'encoder.layer.')}": value for name, value in state.items()}
    save_file(old | {"classifier.weight": torch.zeros(1)}, folder / "model.safetensors")
    spelling = [(r"^layers\.", "encoder.layer.")]
    model = hub.build(
        Chain, hub.snapshot(folder, "chain"), prefixes=["outer.", "inner."], older=spelling, ignore=["classifier."]
    )
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_half_precision_weights_become_float32(folder):
    save_file({name: value.half() for name, value in weights(folder).items()}, folder / "model.safetensors")
    model = hub.build(Chain, hub.snapshot(folder, "chain"))
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}


def test_every_tensor_that_does_not_fit_is_listed(folder):
    state = weights(folder)
    del state["layers.0.bias"]
    state |= {"layers.1.weight": torch.zeros(4, 5), "layers.3.bias": torch.zeros(4)}
    save_file(state, folder / "model.safetensors")
    with pytest.raises(DataError, match="read as Chain, does not fit") as caught:
        hub.build(Chain, hub.snapshot(folder, "chain"))
    assert "missing (1): layers.0.bias" in str(caught.value)
    assert "unexpected (1): layers.3.bias" in str(caught.value)
    assert "layers.1.weight is (4, 5), not (4, 4)" in str(caught.value)


class Bomb:
    def __reduce__(self):
        return os.system, ("exit 1",)


def test_a_pickle_that_would_run_code_is_refused(folder):
    (folder / "model.safetensors").unlink()
    torch.save({"layers.0.bias": Bomb()}, folder / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"refused: reading it would call \S*system"):
        hub.build(Chain, hub.snapshot(folder, "chain"))


def test_a_file_without_a_dictionary_is_refused(folder):
    (folder / "model.safetensors").unlink()
    torch.save([torch.zeros(1)], folder / "pytorch_model.bin")
    with pytest.raises(DataError, match="holds a list, not a dictionary of tensors"):
        hub.build(Chain, hub.snapshot(folder, "chain"))


def test_layers_are_what_enters_the_first_block_and_leaves_each():
    model, x = Chain(), torch.randn(2, 4)
    seen = hub.watch(model.layers, [0, 1, 2, 3, "final"], lambda: model(x))
    expected = x
    for k in range(4):
        assert torch.equal(seen[k], expected)
        expected = model.layers[k](expected) if k < 3 else model.head(expected)
    assert torch.equal(seen["final"], expected)


@pytest.mark.parametrize(("wanted", "run"), [([0], 0), ([1], 1), ([0, 2], 2), ([3], 3), ([1, "final"], 4)])
def test_nothing_above_the_highest_layer_wanted_is_computed(wanted, run):
    model, ran = Chain(), []
    for part in (*model.layers, model.head):
        part.register_forward_hook(lambda *_: ran.append(1))
    seen = hub.watch(model.layers, wanted, lambda: model(torch.zeros(1, 4)))
    assert (list(seen), len(ran)) == (wanted, run)


def test_no_hook_stays_behind_even_after_an_error():
    model = Chain()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        hub.watch(model.layers, [2], lambda: model(torch.zeros(1, 7)))
    hub.watch(model.layers, [2], lambda: model(torch.zeros(1, 4)))
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


def test_another_thread_in_the_same_model_is_not_seen():
    model, mine, other = Chain(), torch.ones(1, 4), torch.full((1, 4), 7.0)

    def forward():
        thread = threading.Thread(target=model, args=(other,))
        thread.start()
        thread.join()
        return model(mine)

    seen = hub.watch(model.layers, [0, 1], forward)
    assert torch.equal(seen[0], mine)
    assert torch.equal(seen[1], model.layers[0](mine))
