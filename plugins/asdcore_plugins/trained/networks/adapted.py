"""A frozen pre-trained transformer with adapters, whose tokens become one embedding: what BEATs and EAT share here.

wave -> front end -> tokens (frozen) -> blocks with LoRA -> pooling -> linear map. Only adapters, pooling and linear map
are trained, so they alone are the state of a training; the checkpoint stays a file of its own.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from asdcore import DataError
from asdcore_plugins.stats.parameters import between, choice, whole
from asdcore_plugins.trained.named_weights import load_named, load_same
from asdcore_plugins.trained.networks.attentive_pooling import AttentivePooling
from asdcore_plugins.trained.networks.lora import add_lora

OF_TOKENS = "pooling.", "projection_net.0."
OF_HEAD = "head.", "projection_net.1."
"""How the parts after the blocks are called here, and by ASDKit if there is a pooling with weights."""


class AdaptedTransformer(nn.Module, ABC):
    """A frozen transformer with adapters, a pooling of its tokens, and a linear map to the embedding.

    Parameters
    ----------
    base : torch.nn.Module
        The transformer with its weights. Its linear maps get adapters in place.
    width : int
        Values of a token.
    targets, rank, alpha
        As in :func:`~asdcore_plugins.trained.networks.lora.add_lora`.
    dim : int
        Values of the embedding.
    pooling : str
        "statistics", "mean" of all patches, or "cls".

    Attributes
    ----------
    dim, branch_dims : int, tuple of int
        Values of the embedding; it has one part.
    adapted : list of str
        The linear maps that have an adapter.
    generator : torch.Generator or None
        Draws what is skipped in training; None: nothing is skipped.
    """

    poolings: Sequence[str]

    def __init__(
        self,
        base: nn.Module,
        *,
        width: int,
        targets: Sequence[str],
        rank: int,
        alpha: float,
        dim: int,
        pooling: str,
    ) -> None:
        super().__init__()
        whole("rank", rank)
        between("alpha", alpha, 0, math.inf)
        whole("dim", dim)
        choice("pooling", pooling, self.poolings)
        self.base, self._pooled = base, pooling
        self.adapted = add_lora(base, targets, rank, alpha)
        self.pooling = AttentivePooling(width) if pooling == "statistics" else None
        self.head = nn.Linear(width, dim)
        self.dim, self.branch_dims = dim, (dim,)
        self.generator: torch.Generator | None = None
        if any(weight.is_meta for weight in base.parameters()):
            self.to("meta")  # a network without a checkpoint: it has sizes alone

    @abstractmethod
    def front_end(self, wave: Tensor) -> Tensor:
        """(batch, n_samples) -> the spectrogram that the network takes (batch, frames, bands), on the same device."""

    @abstractmethod
    def first_tokens(self, spectrogram: Tensor) -> Tensor:
        """(batch, frames, bands) -> what enters the first block (batch, tokens, width)."""

    @abstractmethod
    def hidden(self, x: Tensor) -> list[Tensor]:
        """Return what leaves each block.

        Parameters
        ----------
        x : (batch, tokens, width) tensor
            What :meth:`first_tokens` returned.

        Returns
        -------
        list of (batch, tokens, width) tensor
        """

    @abstractmethod
    def golden_name(self, name: str) -> str:
        """Return the name that a parameter of the blocks has in the checkpoint."""

    def forward(self, wave: Tensor) -> Tensor:
        """Return the embeddings of waves.

        Parameters
        ----------
        wave : (batch, n_samples) tensor
            Sound at 16 kHz, in [-1, 1].

        Returns
        -------
        (batch, dim) tensor
            Not normalized.
        """
        if self.head.weight.is_meta:
            raise DataError(
                "this network has no weights: give the encoder its checkpoint, checkpoint = 'PATH or ID'; "
                "'asdcore registry list' shows ids"
            )
        with torch.no_grad():
            x = self.first_tokens(self.front_end(wave))
        # Under autocast blocks give half precision, in which a variance over tokens would be rounded away.
        tokens = self.hidden(x)[-1].to(self.head.weight.dtype)
        embedding: Tensor = self.head(self._one(tokens))
        return embedding

    def trained_state(self) -> dict[str, Tensor]:
        """Return what a training changes, by name: adapters, pooling and linear map, not the checkpoint."""
        own = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        return {name: value for name, value in own.items() if not name.startswith("base.") or ".lora_" in name}

    def load_trained_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over what :meth:`trained_state` returned. Raises ValueError if a name is missing or another one."""
        load_same(self.trained_state(), state)

    def golden(self) -> dict[str, Tensor]:
        """Return the trained weights by the names that peft and ASDKit give them."""
        names = {}
        head, tokens = OF_HEAD, OF_TOKENS
        for name, value in self.trained_state().items():
            if name.startswith("base."):
                names[self.golden_name(name.removeprefix("base."))] = value
            elif name.startswith(tokens[0]) and not name.endswith("num_batches_tracked"):
                names[name.replace(*tokens, 1)] = value
            elif name.startswith(head[0]):
                names[name.replace(head[0], head[1] if self.pooling else "projection_net.", 1)] = value
        return names

    def load_golden(self, weights: Mapping[str, Any]) -> AdaptedTransformer:
        """Take over weights by the names of peft and ASDKit; parts that are not named at all stay as they are.

        Parameters
        ----------
        weights : mapping of str to array
            ``encoder.layers.0.self_attn.q_proj.lora_A.weight``, with or without peft's prefix and ``.default``.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If no weight is one of this network's, one of a part that is named is missing, or a shape differs.
        """
        given = {plain(name): value for name, value in weights.items()}
        parts: dict[str, dict[str, Tensor]] = {}
        for name, value in self.golden().items():
            parts.setdefault("head" if name.startswith("projection_net.") else "adapters", {})[plain(name)] = value
        named = [part for part in parts.values() if part.keys() & given.keys()]
        if not named:
            raise ValueError(f"no weight is one of this network's, such as {next(iter(parts['adapters']))}")
        for part in named:
            load_named(part, given)
        return self

    def _one(self, tokens: Tensor) -> Tensor:
        if self.pooling is not None:
            pooled: Tensor = self.pooling(self.patches(tokens))
            return pooled
        return tokens[:, 0] if self._pooled == "cls" else self.patches(tokens).mean(dim=1)

    def patches(self, tokens: Tensor) -> Tensor:
        """Return the tokens that are patches."""
        return tokens


def plain(name: str) -> str:
    """Return a name without what peft and the Hub put before and into it."""
    return name.removeprefix("base_model.model.").removeprefix("model.").replace(".default.weight", ".weight")
