"""Hollow checkpoints: the names and shapes that the published files have, and no values.

A tensor of one lies on torch's meta device, so that a network of a billion weights costs nothing. The few tensors whose
values an encoder checks have theirs. The bundled encoders read such a file like any other, on the device "meta".

Where names and shapes come from: for the transformers, from what the authors' code makes (lists in
tests/golden/encoders); for the convolutional networks and the models of the transformers library, from the networks
here, to which tests hold the authors' lists or the library its own files.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asdcore.errors import ResourceError
from asdcore.resources.entries import Resource

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "encoders"

CLASSES = 527
"""Of AudioSet, which the classifiers in the files tell apart."""

KEYS = {
    "audiomae-finetuned": "audiomae/keys_finetuned",
    "audiomae-pretrained": "audiomae/keys",
    "dasheng-0.6b": "dasheng/keys_06B",
    "dasheng-1.2b": "dasheng/keys_12B",
    "dasheng-base": "dasheng/keys",
    "eat-base-epoch10-pretrain": "eat/keys",
    "eat-base-finetuned-as2m": "eat/keys_hf_finetune",
    "eat-base-pretrain": "eat/keys",
    "eat-large-finetuned-as2m": "eat/keys_hf_large_pretrain",
    "eat-large-pretrain": "eat/keys_hf_large_pretrain",
    "passt-s-kd": "passt/keys",
    "passt-s-swa": "passt/keys",
    "sslam-pretrain": "eat/keys",
}
"""The lists by entry. By public report SSLAM has the 89,972,736 numbers of EAT base."""

SIZED = {
    "ced-base": ("ced/keys", "base"),
    "ced-mini": ("ced/keys", "mini"),
    "ced-small": ("ced/keys", "small"),
    "ced-tiny": ("ced/keys", "tiny"),
    "echo-small": ("echo/keys", "small"),
    "echo-tiny": ("echo/keys", "tiny"),
    "fisher-mini": ("fisher/keys", "mini"),
    "fisher-small": ("fisher/keys", "small"),
    "fisher-tiny": ("fisher/keys", "tiny"),
}
"""The list and the size by entry, where one list has several sizes."""

BY_NAME = ("beats", "efficientat")
"""Encoders whose entries tell by their name what network they are of."""

PANNS: dict[str, dict[str, int]] = {
    "panns-cnn6": {"dim": 512, "n_blocks": 4, "n_convs": 1, "kernel": 5},
    "panns-cnn10": {"dim": 512, "n_blocks": 4, "n_convs": 2, "kernel": 3},
    "panns-cnn14": {"dim": 2048, "n_blocks": 6, "n_convs": 2, "kernel": 3},
    "panns-cnn14-16k": {"dim": 2048, "n_blocks": 6, "n_convs": 2, "kernel": 3},
    "panns-mobilenetv1": {"dim": 1024},
}
"""Kong et al., IEEE/ACM TASLP 28 (2020), table I."""


OPENBEATS_LARGE = {
    "encoder_embed_dim": 1024,
    "encoder_layers": 24,
    "encoder_attention_heads": 16,
    "encoder_ffn_embed_dim": 4096,
}


def _whisper(dim: int, layers: int) -> dict[str, int]:
    """A size of Whisper: heads of 64 numbers, and four times as wide within. The decoder must fit, no more."""
    heads = {"encoder_attention_heads": dim // 64, "decoder_attention_heads": dim // 64}
    return {"d_model": dim, "encoder_layers": layers, "encoder_ffn_dim": 4 * dim, **heads}


CLAP = "ClapAudioModelWithProjection"
LIBRARY: dict[str, tuple[str, dict[str, Any]]] = {
    "ast-audioset": ("ASTModel", {}),
    "clap-htsat-fused": (CLAP, {"enable_fusion": True}),
    "clap-htsat-unfused": (CLAP, {}),
    "clap-larger-music": (CLAP, {"patch_embeds_hidden_size": 128, "hidden_size": 1024, "depths": [2, 2, 12, 2]}),
    "data2vec-audio-base-960h": ("Data2VecAudioModel", {}),
    "hubert-base": ("HubertModel", {}),
    "wavlm-base-plus": ("WavLMModel", {}),
    "whisper-base": ("WhisperModel", _whisper(512, 6)),
    "whisper-small": ("WhisperModel", _whisper(768, 12)),
    "whisper-tiny": ("WhisperModel", _whisper(384, 4)),
}
"""Classes of the transformers library, and where their configuration is not the default one.

With these the published files get their size: Whisper's to the byte; those of AST, WavLM, HuBERT, CLAP and larger CLAP
but for their headers. data2vec gets its published 93,164,288 parameters. The fused CLAP was not compared with a file:
that is the configuration with which the library's own script converts it.
"""


def checkpoint(entry: Resource) -> tuple[Any, Any]:
    """Return what the file of weights of a checkpoint holds, and what its config.json says (None without one).

    Raises ResourceError for an entry whose names and shapes nobody gave.
    """
    if entry.plugin not in BY_NAME and entry.id not in {*KEYS, *SIZED, *PANNS, *LIBRARY}:
        raise ResourceError(
            f"{entry.id} is an entry of a network that nobody described. Say in benchmarks/hollow_checkpoints.py what "
            "names and shapes its file has, or add it to UNMEASURED in benchmarks/encoders.py and say in its notes why."
        )
    if entry.id in LIBRARY:
        return _library(*LIBRARY[entry.id])
    made = {
        "beats": _beats,
        "dasheng": _dasheng,
        "efficientat": _efficientat,
        "eat": _eat,
        "echo": _echo,
        "fisher": _fisher,
        "panns": _panns,
    }
    return made.get(entry.plugin, _listed)(entry), None


def sized(name: str, size: str) -> dict[str, list[int]]:
    """Return the names and shapes of one size; a list spells out one, and says of the others what differs."""
    sizes = _list(name)
    keys: Any = sizes[size]["keys"]
    if not isinstance(keys, str):
        return dict(keys)
    full = sizes[keys.split()[1]]["keys"]
    other = {int(theirs): int(ours) for theirs, ours in re.findall(r"(\d+) -> (\d+)", keys)}
    return {key: [other.get(length, length) for length in shape] for key, shape in full.items()}


def _listed(entry: Resource) -> dict[str, Any]:
    """What the authors' list names, and nothing else."""
    shapes = sized(*SIZED[entry.id]) if entry.id in SIZED else _list(KEYS[entry.id])["keys"]
    return {"model": _empty(shapes)}


def _beats(entry: Resource) -> dict[str, Any]:
    """BEATs: the position bias has values, because the encoder checks that all blocks share it.

    OpenBEATs base is the same network. Of the large one no list was seen: it is as wide as its authors say, and as deep
    as a large transformer is; that makes the 311,377,232 numbers that their code has.
    """
    if entry.id == "openbeats-large":
        return _beats_of(_list("beats/keys")["cfg"] | OPENBEATS_LARGE)
    published = _list("beats/keys_finetuned" if "finetuned" in entry.id else "beats/keys")
    shapes: dict[str, list[int]] = published["keys"]
    bias = {name: torch.zeros(shape) for name, shape in shapes.items() if "relative_attention_bias" in name}
    return {"cfg": published["cfg"], "model": _empty(shapes) | bias}


def _beats_of(cfg: dict[str, Any]) -> dict[str, Any]:
    """BEATs of any size, by the network here."""
    from asdcore_plugins.nn.beats import Beats
    from asdcore_plugins.nn.beats_checkpoint import NAMES
    from asdcore_plugins.nn.checkpoints.weights import translated

    with torch.device("meta"):
        state = {translated(name, NAMES): tensor for name, tensor in Beats(cfg).state_dict().items()}
    bias = {name: torch.zeros(one.shape) for name, one in state.items() if "relative_attention_bias" in name}
    return {"cfg": cfg, "model": state | bias}


def _dasheng(entry: Resource) -> dict[str, Any]:
    """Dasheng: window and filter bank have values, because the encoder compares them with its own."""
    from asdcore_plugins.nn.front_ends.mel import htk_bank
    from asdcore_plugins.nn.front_ends.spectrograms import torch_bank

    front_end = {
        "front_end.0.spectrogram.window": torch.hann_window(512),
        "front_end.0.mel_scale.fb": torch_bank(htk_bank, 16000, 512, 64, 0.0, 8000.0).to_dense().T.float(),
    }
    return {"config": {}, "model": _listed(entry)["model"] | front_end}


def _eat(entry: Resource) -> dict[str, Any]:
    """EAT: the fine-tuned large model, of which there is no list, is the large one with the fine-tuned base one's head.

    That makes 309,409,295 numbers in 1,237,667,364 bytes, as it has by public report.
    """
    found = _listed(entry)
    if entry.id == "eat-large-finetuned-as2m":
        base, tuned = _list("eat/keys")["keys"], _list("eat/keys_hf_finetune")["keys"]
        head = {name: shape for name, shape in tuned.items() if name not in base}
        found["model"] |= _empty({name: [1024 if one == 768 else one for one in head[name]] for name in head})
    return found


def _echo(entry: Resource) -> dict[str, Any]:
    """ECHO: the weights alone, as the Hub has them."""
    weights: dict[str, Any] = _listed(entry)["model"]
    return weights


def _fisher(entry: Resource) -> dict[str, Any]:
    """FISHER: the configuration tells that it is one."""
    return {"cfg": {"model": {"band_width": 100}}, **_listed(entry)}


def _efficientat(entry: Resource) -> dict[str, Tensor]:
    """EfficientAT: the name tells the kind and ten times the width."""
    from asdcore_plugins.nn.dymn import DyMN
    from asdcore_plugins.nn.mobilenet import MobileNetV3

    kind, width = re.findall(r"-(mn|dymn)(\d\d)", entry.id)[0]
    with torch.device("meta"):
        if kind == "dymn":
            return DyMN(int(width) / 10, CLASSES, all_dynamic=True).state_dict()
        return MobileNetV3(int(width) / 10, CLASSES).state_dict()


def _panns(entry: Resource) -> dict[str, Any]:
    """PANNs: Fourier matrices and mel bands have values, because the encoder compares them with its own."""
    from asdcore_plugins.nn import panns
    from asdcore_plugins.nn.front_ends.mel import slaney_bank
    from asdcore_plugins.nn.front_ends.spectrograms import torch_bank

    settings: dict[str, Any] = {"sample_rate": 32000, "window_size": 1024, "fmax": 14000.0, **entry.use}
    size = settings["window_size"]
    phase = torch.outer(torch.arange(size // 2 + 1), torch.arange(size)).double() * (2.0 * math.pi / size)
    window = torch.hann_window(size, dtype=torch.float64)
    bank = torch_bank(slaney_bank, settings["sample_rate"], size, 64, 50.0, settings["fmax"])
    front_end = {
        "spectrogram_extractor.stft.conv_real.weight": (phase.cos() * window)[:, None],
        "spectrogram_extractor.stft.conv_imag.weight": (-phase.sin() * window)[:, None],
        "logmel_extractor.melW": bank.to_dense().T,
    }
    kind: Any = panns.MobileNetV1 if entry.id == "panns-mobilenetv1" else panns.Cnn
    with torch.device("meta"):
        network = kind(64, n_classes=CLASSES, **PANNS[entry.id])
    return {"model": network.state_dict() | front_end}


def _library(name: str, different: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A model of the transformers library, and its configuration."""
    import transformers

    kind = getattr(transformers, name)
    config = kind.config_class(**different)
    with torch.device("meta"):
        return kind(config).state_dict(), config.to_dict()


def _empty(shapes: Mapping[str, Iterable[int]]) -> dict[str, Tensor]:
    """Tensors with a shape and no values."""
    return {name: torch.empty(tuple(shape), device="meta") for name, shape in shapes.items()}


def _list(name: str) -> Any:
    """Return one of the lists, and what else it says."""
    return json.loads((GOLDEN / f"{name}.json").read_text())
