"""The table of encoders: measures them, writes the facts into the registry, and plugins/ENCODERS.md from those.

Run it with ``make encoders``; it takes a minute, and no weights. A hollow checkpoint
(:mod:`benchmarks.hollow_checkpoints`) stands for each of the registry. Its encoder reads it like any other and encodes
10 s with it: the front end is computed, of the network only the shapes. A model that is a graph in one file is run
where that file is here; elsewhere its entry keeps the facts it has.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.fx.experimental._config as symbolic
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

import asdcore
from asdcore.contract.gain import gain_of
from asdcore.contract.plugins import Component, Plugins, installed
from asdcore.errors import PluginError, ResourceError
from asdcore.preflight.multiply_accumulates import unfused
from asdcore.resources.entries import Facts, Resource, entry_text, load_entry
from asdcore.store.disk.atomic import write_text
from benchmarks import hollow_checkpoints

ROOT = Path(__file__).parents[1]
REGISTRY, TABLE = ROOT / "registry", ROOT / "plugins" / "ENCODERS.md"

SECONDS = 10

UNMEASURED = ("panns-cnn14-decision-level-max",)
"""Checkpoints of which too little is known; their notes say why."""

FIXED = {
    "audiomae": "tables.pos_embed",
    "eat": "tables.pos_embed",
    "echo": "tables.pos_embed",
    "fisher": "tables.pos_embed",
    "whisper": "embed_positions.weight",
}
"""By encoder, the table of sines and cosines that lies among its weights: nobody learned it."""

ANY_RATE = ("echo", "fisher")
"""Encoders that hear any sample rate as it is; the facts in the registry are those at 16 kHz."""

PUBLISHED = ("gwrp", "gem", "rdp", "rdp_gem")
"""Poolings that have parameters."""

CHECKS = {"none": "none", "md5": "MD5", "sha256": "SHA-256"}
"""By what files are checked, the weakest first."""


def main() -> None:
    """Measure what can be measured; write the registry and the table."""
    for path in sorted(REGISTRY.glob("*.toml")):
        entry = load_entry(path)
        if entry.kind == "dataset" or entry.id in UNMEASURED:
            continue
        try:
            facts = measure(entry)
        except (ResourceError, PluginError) as error:
            if entry.facts is None:
                raise SystemExit(str(error)) from error
            print(f"{entry.id}: kept as it is. {error}")
            continue
        write_text(path, entry_text(entry.model_copy(update={"facts": facts})))
        print(f"{entry.id}: {'as it was' if facts == entry.facts else 'changed'}")
    write_text(TABLE, table())


def measure(entry: Resource) -> Facts:
    """Measure a checkpoint; raises ResourceError or PluginError where that takes a file or library that is not here."""
    if entry.plugin == "onnx":
        return facts(asdcore.load_encoder(entry.plugin, checkpoint=entry.id, **entry.use))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights, config = hollow_checkpoints.checkpoint(entry)
        torch.save(weights, folder / "pytorch_model.bin")
        (folder / "config.json").write_text(json.dumps(config))
        checkpoint = folder if entry.folder else folder / "pytorch_model.bin"
        encoder: Any = asdcore.load_encoder(entry.plugin, checkpoint=checkpoint, device="meta", **entry.use)
    compute = encoder.tokens

    def in_shape(spectrogram: Tensor, layers: Sequence[int | str]) -> dict[int | str, tuple[Tensor | None, ...]]:
        """Zeros, which NumPy can hold, in the shape of what the network gives."""
        found = compute(spectrogram.to("meta"), layers)
        return {layer: tuple(one if one is None else torch.zeros(one.shape) for one in found[layer]) for layer in found}

    encoder.tokens, encoder.device = in_shape, torch.device("cpu")
    return facts(encoder, FIXED.get(entry.plugin))


def facts(encoder: Any, fixed: str | None = None) -> Facts:
    """Let an encoder encode 10 s, and say what it is and what that took; ``fixed`` names weights not learned."""
    channels, n_samples, default = getattr(encoder, "channels", 1), SECONDS * encoder.sample_rate, encoder.layers[-1]
    audio = np.zeros((1, n_samples) if channels == 1 else (1, channels, n_samples), np.float32)
    counter, seen = FlopCounterMode(display=False), Seen()
    # CLAP looks up which clips are to be fused, and where there are no values it must be told: all.
    told = symbolic.patch(meta_nonzero_assume_all_nonzero=True)  # type: ignore[attr-defined]
    with told, unfused(), counter, seen:
        tokens = encoder.encode(audio, [default])[default]
    weights = dict(encoder.model.named_parameters()) if hasattr(encoder, "model") else {}
    _, time, band, dim = tokens.patches.shape
    return Facts(
        sample_rate=encoder.sample_rate,
        tokens=(time, band),
        special=0 if tokens.special is None else tokens.special.shape[1],
        dim=dim,
        layers=tuple(encoder.layers),
        parameters=sum(one.numel() for name, one in weights.items() if id(one) in seen.ids and name != fixed) or None,
        macs=counter.get_total_flops() // 2 or None,
    )


class Seen(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps the identity of every tensor that an operation of torch reads."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ids: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note the tensors, and go on."""
        self.ids |= {id(one) for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)}
        return func(*args, **(kwargs or {}))


def table() -> str:
    """Return plugins/ENCODERS.md: from the registry, and what has no weights is asked here."""
    every = sorted(map(load_entry, REGISTRY.glob("*.toml")), key=lambda entry: (entry.plugin, entry.id))
    entries = [entry for entry in every if entry.kind == "checkpoint"]
    years = sorted({year for entry in entries for year in entry.allowed})
    remarks = list(dict.fromkeys(remark for entry in entries if (remark := _licence(entry)[1])))
    head = "checkpoint", "encoder", "licence", "rate", "tokens", "dim", "layers", "parameters", "MACs", *years, "hash"
    rows = [_row(entry, entry.facts, years, remarks) for entry in entries if entry.facts]
    return PAGE.format(
        head=" | ".join(head),
        rule="|".join(["---"] * len(head)),
        poolings=" | ".join(PUBLISHED),
        pooling_rule="|".join(["---"] * (2 + len(PUBLISHED))),
        rows="\n".join(f"| {' | '.join(row)} |" for row in rows),
        remarks="\n".join(f"  {i}. {remark}" for i, remark in enumerate(remarks, start=1)),
        unmeasured="\n".join(f"* `{entry.id}`: {entry.notes}" for entry in entries if not entry.facts),
        weightless="\n".join(_weightless(one.name) for one in _bundled() if not Plugins.needed(one)),
        pooling="\n".join(_pooling(one) for one in _bundled() if hasattr(one.factory, "pooling_defaults")),
    )


def _bundled() -> list[Component]:
    """Return the encoders that come with asdcore."""
    return [one for one in installed().components("encoder").values() if one.distribution == "asdcore"]


def _weightless(name: str) -> str:
    """Return the row of an encoder that is in no registry, since it needs no checkpoint."""
    encoder = asdcore.load_encoder(name)
    found = facts(encoder)
    reads = "no weights" if getattr(encoder, "channels", 1) == 1 else "no weights; two channels"
    row = name, reads, f"{_rate(found)}, or as told", f"{_tokens(found)}, or as told", str(found.dim), gain_of(encoder)
    return f"| {' | '.join(row)} |"


def _pooling(encoder: Component) -> str:
    """Return the row of an encoder for which pooling parameters are published."""
    published: dict[str, dict[str, float | bool]] = getattr(encoder.factory, "pooling_defaults", {})
    cleaned = ", ".join(sorted(name for name, values in published.items() if values.get("clean_up")))
    numbers = [
        ", ".join(f"{key} = {value:g}" for key, value in published.get(name, {}).items() if key != "clean_up")
        for name in PUBLISHED
    ]
    return f"| {encoder.name} | {' | '.join(numbers)} | {cleaned or '-'} |"


def _row(entry: Resource, found: Facts, years: Sequence[str], remarks: Sequence[str]) -> list[str]:
    """Return the cells of one checkpoint."""
    licence, remark = _licence(entry)
    checks = {file.check for file in entry.files}
    return [
        f"`{entry.id}`",
        entry.plugin,
        f"{licence} ({remarks.index(remark) + 1})" if remark else licence,
        f"{_rate(found)}, or any" if entry.plugin in ANY_RATE else _rate(found),
        _tokens(found),
        str(found.dim),
        _layers(found.layers),
        "-" if found.parameters is None else f"{found.parameters / 1e6:.2f} M",
        "-" if found.macs is None else f"{found.macs / 1e9:.2f} G",
        *(entry.allowed.get(year, "unknown") for year in years),
        next(word for check, word in CHECKS.items() if check in checks),
    ]


def _licence(entry: Resource) -> tuple[str, str]:
    """Return an entry's licence, and the remark that stands behind it in brackets."""
    licence, _, remark = entry.licence.partition(" (")
    return licence, remark.removesuffix(")")


def _rate(found: Facts) -> str:
    return f"{found.sample_rate / 1000:g} kHz"


def _tokens(found: Facts) -> str:
    special = f" + {found.special}" if found.special else ""
    return f"{found.tokens[0]} x {found.tokens[1]}{special}"


def _layers(layers: Sequence[int | str]) -> str:
    """Write layers, numbers that follow one another as a range."""
    words = []
    for _, run in groupby(enumerate(layers), lambda item: item[1] - item[0] if isinstance(item[1], int) else item[1]):
        first, *more = [layer for _, layer in run]
        words.append(f"{first}-{more[-1]}" if more else f"{first}")
    return ", ".join(words)


PAGE = """# Encoders

<!-- 'make encoders' writes this page. Change the registry or benchmarks/encoders.py, not this. -->

What a portfolio can listen with: the checkpoints of the [registry](../registry/README.md), and what their encoders
make of 10 s of sound. A portfolio names both:

    encoder = {{ name = "beats", checkpoint = "beats-iter3-plus-as2m", pooling = "mean" }}

| {head} |
|{rule}|
{rows}

* **tokens** are those of the default layer, the last one under *layers*: time x band, + special (class-like) ones.
  Layer 0 is what enters the first block, k what leaves block k.
* **parameters** are the learned weights that a pass to that layer reads. Left out are classifiers and decoders that a
  file holds besides, statistics of batch normalization, and fixed tables of positions (AudioMAE, EAT, ECHO,
  FISHER, Whisper).
  `asdcore complexity` counts what is loaded: a classifier or table too, where the encoder keeps it.
* **MACs** are the multiply-accumulates of that pass: the network's matrix products and convolutions, as torch's
  `FlopCounterMode` sees them. Front ends count as nothing. Whisper hears 30 s, whatever the clip. A graph in one file
  (TFLite, ONNX) is not counted.
* A **rate** "or any" is a parameter, `sample_rate = 25600`: recordings at that rate are heard as they are. What is said
  of tokens and MACs is that at 16 kHz; both grow with the bands.
* The layer **utterance** is the vector that the authors take for a clip: the class tokens of all bands, side by side.
* On a GPU (`asdcore run --device cuda`) as many clips go together as its memory holds, and fewer where that was
  too many. `autocast = "bfloat16"` or `"float16"`, a parameter of every encoder on torch, computes matrix products in
  that precision. It changes results, so the portfolio says it.
* `exact = true`, a parameter of every encoder on torch, computes in float64 and keeps 16 bits of a feature: it comes
  out the same on every processor and on a GPU. [Freeze and infer](../docs/freeze.md) has a section on it.
* A **year** says whether the rules of that challenge allow the checkpoint: unknown where no list of them was read.
* **hash** is what a file is checked by. Without a SHA-256 a file must be
  [added](../registry/README.md#evidence) before it is used.
* **licences** with a number are known:
{remarks}

## Not measured

{unmeasured}

## Newer ones: which are read, and by what

| model | read by | what is known |
|---|---|---|
| FISHER, ECHO | `fisher`, `echo` | networks of their own here, exact against their authors' code |
| CED | `ced_audio` | the same; not the scorer `ced` |
| OpenBEATs | `beats` | exact against its authors' package, files of ESPnet too |
| SSLAM | `eat` | EAT's network, names and front end by its repository and public reports; no file was seen |
| PE-A-Frame, PE-AV | none | a codec's convolutions, then rotary positions (`PeAudioEncoder`): no family here |
| USAD, USAD 2 | none | code of their own on the Hub, which is not run here; no list of their tensors was seen |
| M2D, M2D-CLAP | none | their licence is for evaluation: neither code nor weights were read |

What no encoder reads may come in as vectors that its own code computed, by `asdcore features import`, or as a module
with the HEAR API.

## Without an entry

| encoder | reads | rate | tokens | dim | gain |
|---|---|---|---|---|---|
{weightless}
| discriminative | what a run has trained it to | `sample_rate` | one for a branch or for all | its network's | heard |
| embedding_residual | near less a share of far, by an encoder of one channel | its | its | its | its |
| hear | an installed module with the HEAR API | the module's | the module's | the module's | the module's |
| imported | nothing: its features were [computed elsewhere](../docs/features.md) | | theirs | theirs | theirs |
| onnx | any ONNX or TFLite file that takes a waveform | as told | the file's | the file's | the file's |
| pe_audio | a folder of PE-A or PE-A-Frame as the Hub has it | 48 kHz | one every 40 ms | its network's | heard |

**gain** is what another gain of the recorder does to tokens: nothing, an offset or a factor, or a network hears it in
its own way. `melspec` with `log = true` has an offset, `logmel` with `log = false` a factor. Of the encoders above only
`hubert`, `wavlm` and `data2vec` with `normalize` do not hear it. [Recordings](../docs/recordings.md#gain) says what
follows.

## Pooling

Where a portfolio names a pooling alone, its parameters are those published for the encoder (arXiv 2603.04605, Tables I
and III); for encoders that are not here, those of `asdcore/data/features/pooling.py`.

| encoder | {poolings} | cleaned up first |
|{pooling_rule}|
{pooling}
"""

if __name__ == "__main__":
    main()
