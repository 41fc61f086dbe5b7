"""Count the multiply-accumulates of one encoder on one clip twice: by thop's rules, and by watching torch.

thop    adds up what a rule for each type of module says (https://github.com/Lyken17/pytorch-OpCounter); the DCASE
        Challenge recommends it. It has no rule for attention, so one is given to it here, for every type of module that
        is seen to multiply activations with one another.
torch   ``FlopCounterMode`` sees every matrix product and convolution as it runs, whatever module it is in; half of its
        count, which takes a multiplication and an addition for two. What runs as one fused step would count as nothing
        on a CPU (attention; an LSTM, by oneDNN), so all runs as plain products.

Neither counts an FFT or a sparse product, so most front ends cost nothing here. Both look at the encoder's ``model``,
the torch module that its ``encode`` runs (:class:`asdcore.contract.interfaces.Encoder`), on a deep copy: thop leaves
buffers behind that would change a checkpoint's hash. Into TorchScript thop cannot look: torch counts that for both.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from asdcore.contract.tokens import Tokens
from asdcore.preflight.counting_rules import (
    count_attention,
    projections,
    thop,
    thop_rules,
    torch_operations,
    with_batch,
)

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.flop_counter import FlopCounterMode

TOLERATED = 0.01
"""The two counts may differ by this share before a note says why. A note gives reasons of at least this share."""


@dataclass(frozen=True)
class Macs:
    """Multiply-accumulates by thop and by torch, and the reasons if they differ.

    scripted : whether the model is TorchScript, or holds some, so that torch's count stands for both.
    """

    thop: int
    torch: int
    reasons: tuple[str, ...] = ()
    scripted: bool = False


def count_macs(
    encoder: Any, audio: NDArray[np.float32], layers: Sequence[int | str]
) -> tuple[Macs, Mapping[int | str, Tokens]]:
    """Run an encoder with a ``model`` on audio (1, n_samples); returns its MACs and the tokens of ``layers``."""
    import torch

    twin = copy.deepcopy(encoder)
    for parameter in twin.model.parameters():
        # Torch's counter cannot follow gradients through inference mode. A copy of TorchScript's has a history.
        parameter.requires_grad_(False) if parameter.is_leaf else parameter.detach_()
    scripted = any(isinstance(module, torch.jit.ScriptModule) for module in twin.model.modules())
    with unfused(), torch.no_grad():
        tokens, by_module, attention = _by_torch(twin, audio, layers)
        by_rule = Counter[Any]() if scripted else _by_thop(twin, audio, layers, attention)
    if scripted:
        return Macs(by_module.total(), by_module.total(), scripted=True), tokens
    thop_macs, torch_macs = sum(by_rule.values()), sum(by_module.values())
    apart = abs(thop_macs - torch_macs) > TOLERATED * min(thop_macs, torch_macs)
    return Macs(thop_macs, torch_macs, _reasons(by_rule, by_module) if apart else ()), tokens


def count_parameters(model: nn.Module) -> int:
    """Return the parameters of a module; of TorchScript that was frozen, the numbers that became constants too."""
    import torch

    counted = sum(parameter.numel() for parameter in model.parameters())
    for module in model.modules():
        # Of a script within a script the outer one's graph, with all inlined, tells.
        if isinstance(module, torch.jit.ScriptModule) and not counted:
            graph: Any = module.inlined_graph  # its nodes live as long as it does
            nodes = graph.findAllNodes("prim::Constant", True)
            tensors = (node.t("value") for node in nodes if node.hasAttribute("value") and node.kindOf("value") == "t")
            return sum(tensor.numel() for tensor in tensors if tensor.is_floating_point())
    return counted


@contextmanager
def unfused() -> Iterator[None]:
    """Let torch compute attention and LSTMs as matrix products, which can be counted, and not in one fused step."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    # mkldnn.flags() would set TF32 too, which warns on a machine without the hardware for it.
    switch: Callable[..., Any] = torch.backends.mkldnn.set_flags
    one_dnn, *_ = switch(_enabled=False, _fp32_precision=None)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        switch(_enabled=one_dnn, _fp32_precision=None)
        torch.backends.mha.set_fastpath_enabled(fast)


def _by_torch(
    encoder: Any, audio: NDArray[np.float32], layers: Sequence[int | str]
) -> tuple[Mapping[int | str, Tokens], Counter[nn.Module | None], set[type]]:
    """Return the tokens, the MACs of every module without its children's (None: outside of all), and attention types.

    A type is attention if its own code, not a child's, multiplies activations with one another, it has projections
    and it gives (n, tokens, dim).
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    own: Counter[nn.Module | None] = Counter()
    attention: set[type] = set()
    rules = thop_rules()
    with FlopCounterMode(display=False, custom_mapping=torch_operations()) as counter:
        # For each module that is running: the counts when it began, and those of its children since.
        running = [(Counter[str](), Counter[str]())]

        def begin(*_: object) -> None:
            running.append((_macs_by_operation(counter), Counter()))

        def end(module: nn.Module, _: object, output: Any) -> None:
            start, inside = running.pop()
            spent = _macs_by_operation(counter) - start
            alone = spent - inside
            running[-1][1].update(spent)
            own[module] += alone.total()
            multiplies = alone["bmm"] or alone["baddbmm"]
            if multiplies and type(module) not in rules and projections(module, output):
                attention.add(type(module))

        plain = [module for module in encoder.model.modules() if not isinstance(module, torch.jit.ScriptModule)]
        hooks = [hook for module in plain for hook in _hooked(module, begin, end)]
        tokens = encoder.encode(audio, layers)
        own[None] = _macs_by_operation(counter).total() - own.total()
    for hook in hooks:
        hook.remove()
    return tokens, own, attention


def _macs_by_operation(counter: FlopCounterMode) -> Counter[str]:
    """Return {operation: MACs so far}."""
    return Counter({packet.__name__: flops // 2 for packet, flops in counter.flop_counts["Global"].items()})


def _hooked(module: nn.Module, begin: Callable[..., None], end: Callable[..., None]) -> list[Any]:
    return [module.register_forward_pre_hook(begin), module.register_forward_hook(end)]


def _by_thop(
    encoder: Any, audio: NDArray[np.float32], layers: Sequence[int | str], attention: set[type]
) -> Counter[nn.Module]:
    """Return the MACs of every module that thop has a rule for."""
    from torch import nn

    class Pass(nn.Module):
        """A module for thop: the encoder's network, run the way the encoder runs it."""

        def __init__(self) -> None:
            super().__init__()
            self.model = encoder.model

        def forward(self) -> None:
            encoder.encode(audio, layers)

    thop_by_type = thop_rules()
    rules: dict[type, Callable[..., None]] = {}
    for module in encoder.model.modules():
        # A parametrized or derived layer has a type of its own, which thop would pass over.
        ancestors = [thop_by_type[base] for base in type(module).__mro__ if base in thop_by_type]
        if type(module) in attention:
            rules[type(module)] = count_attention
        elif ancestors:
            rules[type(module)] = with_batch(ancestors[0])
    *_, layers_counted = thop().profile(Pass(), (), custom_ops=rules, verbose=False, ret_layer_info=True)
    return Counter(dict(_leaves(Pass(), layers_counted)))


def _leaves(parent: nn.Module, counts: Mapping[str, tuple[float, float, Any]]) -> Iterator[tuple[nn.Module, int]]:
    """Walk thop's counts of a module's children, down to the modules that it has rules for."""
    for name, (macs, _, children) in counts.items():
        module = parent.get_submodule(name)
        if children:
            yield from _leaves(module, children)
        elif macs:
            yield module, round(macs)


def _reasons(by_rule: Counter[nn.Module], by_module: Counter[nn.Module | None]) -> tuple[str, ...]:
    """Say in which module types the counts differ."""
    thop: Counter[str] = Counter()
    torch_macs: Counter[str] = Counter()
    rest = Counter(by_module)
    for module, macs in by_rule.items():
        name = type(module).__name__
        thop[name] += macs
        torch_macs[name] += sum(rest.pop(inner, 0) for inner in module.modules())
    outside = {"outside the encoder's model": rest.pop(None, 0), "in modules without a thop rule": rest.total()}
    gaps = [abs(macs - torch_macs[name]) for name, macs in thop.items()] + [*outside.values()]
    # Many small gaps may add up to a difference: then the largest is said.
    floor = min(TOLERATED * max(by_rule.total(), by_module.total()), max(gaps))
    reasons = []
    for name, macs in thop.most_common():
        if abs(macs - torch_macs[name]) < floor:
            continue
        if torch_macs[name]:
            reasons.append(f"in {name} thop counts {_amount(macs)}, torch {_amount(torch_macs[name])}")
        else:
            reasons.append(f"thop counts {_amount(macs)} in {name}, torch matrix products and convolutions alone")
    for where, macs in outside.items():
        if macs >= floor:
            reasons.append(f"torch counts {_amount(macs)} {where}, which thop cannot see")
    return tuple(reasons)


def _amount(macs: int) -> str:
    """Write a count with a unit."""
    return f"{macs / 1e9:.3g} G" if macs >= 1e9 else f"{macs / 1e6:.3g} M"
