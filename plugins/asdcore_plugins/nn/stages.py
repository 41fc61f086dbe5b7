"""Networks that are a row of stages, whose maps are the layers. Importing this module imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from torch import Tensor, nn


def run(
    stages: Iterable[nn.Module], x: Tensor, layers: Sequence[int | str], final: Callable[[Tensor], Tensor]
) -> dict[int | str, Tensor]:
    """Return the maps asked for: i is what stage i gives, "final" what ``final`` makes of the last stage's.

    Nothing above the highest of them is computed, and no other map is kept.
    """
    stages = list(stages)
    last = max(len(stages) - 1 if layer == "final" else int(layer) for layer in layers)
    maps: dict[int | str, Tensor] = {}
    for i, stage in enumerate(stages[: last + 1]):
        x = stage(x)
        if i in layers:
            maps[i] = x
    if "final" in layers:
        maps["final"] = final(x)
    return {layer: maps[layer] for layer in layers}
