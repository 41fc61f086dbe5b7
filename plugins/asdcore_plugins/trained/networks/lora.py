"""LoRA: low-rank adapters beside the linear maps of a frozen network.

    y = W x + b + (alpha / r) B A x        A (r, in), B (out, r)

W and b stay as they are, A and B are trained. A begins uniform in +-1 / sqrt(in) and B with zeros, so an untrained
adapter changes nothing. Merged, it is a linear map again: W' = W + (alpha / r) B A.

Source: Hu et al., "LoRA: Low-rank adaptation of large language models", ICLR 2022, eq. (3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class LoraLinear(nn.Module):
    """A frozen linear map with an adapter.

    Parameters
    ----------
    base : torch.nn.Linear
        The map; its weights no longer require gradients.
    rank : int
        r, the rows of A.
    alpha : float
        The adapter counts alpha / r times.

    References
    ----------
    Hu et al., "LoRA: Low-rank adaptation of large language models", ICLR 2022, eq. (3).

    Examples
    --------
    >>> adapted = LoraLinear(nn.Linear(8, 4), rank=2, alpha=1)
    >>> adapted.scaling, sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
    (0.5, 24)
    >>> x = torch.ones(1, 8)
    >>> torch.equal(adapted(x), adapted.base(x))  # B is zero as long as nothing was trained
    True
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        where = {"device": base.weight.device, "dtype": base.weight.dtype}
        self.lora_A = nn.Linear(base.in_features, rank, bias=False, **where)
        self.lora_B = nn.Linear(rank, base.out_features, bias=False, **where)
        nn.init.kaiming_uniform_(self.lora_A.weight, a=math.sqrt(5.0))
        nn.init.zeros_(self.lora_B.weight)
        self.scaling = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        mapped: Tensor = self.base(x) + self.lora_B(self.lora_A(x)) * self.scaling
        return mapped

    def merged(self) -> nn.Linear:
        """Return one linear map that does the same."""
        base = self.base
        same = nn.Linear(base.in_features, base.out_features, base.bias is not None, device="meta")
        weight = base.weight.detach() + self.scaling * (self.lora_B.weight @ self.lora_A.weight).detach()
        state = {"weight": weight} | ({} if base.bias is None else {"bias": base.bias.detach().clone()})
        same.load_state_dict(state, assign=True)
        return same.requires_grad_(False)


def add_lora(network: nn.Module, targets: Sequence[str], rank: int, alpha: float) -> list[str]:
    """Put an adapter beside every linear map whose name ends with one of the targets; freeze all else.

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place.
    targets : sequence of str
        Last parts of names, such as "q_proj".
    rank, alpha
        As in :class:`LoraLinear`.

    Returns
    -------
    list of str
        The names of the maps that have one now.

    Raises
    ------
    ValueError
        If a target names no linear map.

    Examples
    --------
    >>> network = nn.ModuleDict({"query": nn.Linear(4, 4), "value": nn.Linear(4, 4)})
    >>> add_lora(network, ["query"], rank=1, alpha=1)
    ['query']
    >>> add_lora(network, ["key"], rank=1, alpha=1)
    Traceback (most recent call last):
    ValueError: targets must be some of value, got ['key']
    """
    linear = {name: module for name, module in network.named_modules() if isinstance(module, nn.Linear)}
    ends = {name.rpartition(".")[2] for name in linear} - {"base", "lora_A", "lora_B"}
    if isinstance(targets, str) or not targets or set(targets) - ends:
        raise ValueError(f"targets must be some of {', '.join(sorted(ends))}, got {targets!r}")
    network.requires_grad_(False)
    chosen = [name for name in linear if name.rpartition(".")[2] in set(targets)]
    for name in chosen:
        parent, _, own = name.rpartition(".")
        setattr(network.get_submodule(parent), own, LoraLinear(linear[name], rank, alpha))
    return chosen


def merge_lora(network: nn.Module) -> None:
    """Replace every adapted map of a network by the one linear map that does the same, in place.

    Examples
    --------
    >>> network = nn.ModuleDict({"query": nn.Linear(4, 4)})
    >>> names = add_lora(network, ["query"], rank=1, alpha=1)
    >>> merge_lora(network)
    >>> network
    ModuleDict(
      (query): Linear(in_features=4, out_features=4, bias=True)
    )
    """
    adapted = {name: module for name, module in network.named_modules() if isinstance(module, LoraLinear)}
    with torch.no_grad():
        for name, module in adapted.items():
            parent, _, own = name.rpartition(".")
            setattr(network.get_submodule(parent), own, module.merged())
