"""Rules for thop and operations for torch that the counters of :mod:`asdcore.preflight.multiply_accumulates` lack."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    Rule = Callable[[Any, Any, Any], None]


def thop_rules() -> Mapping[type, Rule]:
    """Return thop's own rules by type of module."""
    thop()
    from thop.profile import register_hooks

    rules: Mapping[type, Rule] = register_hooks
    return rules


def thop() -> Any:
    """Return the module thop."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses parts of the standard library that are deprecated
        import thop
    return thop


def with_batch(rule: Rule) -> Rule:
    """Return a rule of thop that is right without a batch axis too.

    torch's convolutions, poolings and recurrent layers also take one sample without a batch axis. thop reads sizes by
    position, so it would take the time of (channels, time) for the channels.
    """

    def counted(module: Any, given: Any, output: Any) -> None:
        axes, place = _axes_of_one(module)
        if axes and given and getattr(given[0], "ndim", 0) == axes:
            given = (given[0].unsqueeze(place), *given[1:])
            output = output.unsqueeze(place) if hasattr(output, "unsqueeze") else output
        rule(module, given, output)

    return counted


def _axes_of_one(module: nn.Module) -> tuple[int, int]:
    """Return how many axes one sample without a batch has, and where the batch would be; (0, 0) if it needs one."""
    from torch import nn

    if isinstance(module, nn.RNNBase):
        return 2, 0 if module.batch_first else 1
    if isinstance(module, nn.RNNCellBase):
        return 1, 0
    names = (re.fullmatch(r".*(?:Conv|ConvTranspose|Pool)([123])d", base.__name__) for base in type(module).__mro__)
    return next(((int(name[1]) + 1, 0) for name in names if name), (0, 0))


def count_attention(module: Any, _: Any, output: Any) -> None:
    """thop's rule for self-attention: tokens^2 dim each for QK' and AV, and a projection sees every token once."""
    tokens = attended(module, output)
    n, length, dim = tokens.shape if getattr(module, "batch_first", True) else tokens.transpose(0, 1).shape
    module.total_ops += n * length * (projections(module, output) + 2 * length * dim)


def projections(module: nn.Module, output: Any) -> int:
    """Return the size of all projections to and from dim: linear layers, and bare weights with ``dim`` columns."""
    from torch import nn

    tokens = attended(module, output)
    if getattr(tokens, "ndim", 0) != 3:
        return 0
    linear = [layer.weight for layer in module.modules() if isinstance(layer, nn.Linear)]
    bare = [
        weight for weight in module.parameters(recurse=False) if weight.ndim == 2 and weight.shape[1] == tokens.shape[2]
    ]
    return sum(weight.numel() for weight in (*linear, *bare))


def attended(module: nn.Module, output: Any) -> Any:
    """Return a module's output tokens; torch's own attention gets a batch axis if it ran without one."""
    from torch import nn

    tokens = output[0] if isinstance(output, tuple) and output else output
    if isinstance(module, nn.MultiheadAttention) and tokens.ndim == 2:
        return tokens.unsqueeze(0 if module.batch_first else 1)
    return tokens


def torch_operations() -> dict[Any, Callable[..., int]]:
    """Return what ``FlopCounterMode`` does not know: products with a vector, of three factors, and sums of products."""
    import torch

    aten = torch.ops.aten
    return {
        aten.mv: lambda matrix, _, **__: 2 * matrix[0] * matrix[1],
        aten.addmv: lambda _, matrix, *__, **___: 2 * matrix[0] * matrix[1],
        aten.dot: lambda vector, _, **__: 2 * vector[0],
        aten.vdot: lambda vector, _, **__: 2 * vector[0],
        aten.addbmm: lambda _, first, second, *__, **___: 2 * first[0] * first[1] * first[2] * second[2],
        aten._trilinear: _trilinear,
    }


def _trilinear(
    first: Sequence[int], second: Sequence[int], third: Sequence[int], *expand: Sequence[int], **_: Any
) -> int:
    """Return the FLOPs of a sum over products of three factors, as ``nn.Bilinear`` has it: each factor broadcast."""
    sizes: list[list[int]] = []
    for shape, new in zip((first, second, third), expand, strict=False):
        whole = list(shape)
        for axis in sorted(new):
            whole.insert(axis, 1)
        sizes.append(whole)
    products = 1
    for lengths in zip(*sizes, strict=True):
        products *= max(lengths)
    return 2 * products
