"""What a branch of a network has: a least length of clips, weights by golden names, and values that tests look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

Keep = Callable[[str, Tensor], None]
"""Is given the values after each block by name."""


def ignore(name: str, values: Tensor) -> None:
    """Keep nothing."""


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put ``prefix.`` before every name."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def weight(module: nn.Module) -> Tensor:
    """Return the weight of a module."""
    return module.get_parameter("weight")


def after(size: int, kernel: int, stride: int, padding: int = 0) -> int:
    """Return how many places a convolution or pooling leaves of ``size``."""
    return (size + 2 * padding - kernel) // stride + 1
