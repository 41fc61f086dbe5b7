"""One step of a training: a batch is changed, goes through the network and the loss, and moves their weights."""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from asdcore import DataError
from asdcore_plugins.trained.augmentations.augmentation import Augmentation, Draws
from asdcore_plugins.trained.generators import generator
from asdcore_plugins.trained.losses.head import Loss

BETAS, EPSILON = (0.9, 0.999), 1e-8


class Network(Protocol):
    """What a network has besides being a torch.nn.Module."""

    dim: int
    branch_dims: Sequence[int]

    def trained_state(self) -> dict[str, Tensor]:
        """Return what a training changes, by name."""
        ...

    def load_trained_state(self, state: Mapping[str, Tensor]) -> None:
        """Take that over."""
        ...


class Learner:
    """A network, its loss and AdamW.

    Parameters
    ----------
    network : torch.nn.Module
        As :class:`Network` says; ``network(wave)`` gives embeddings.
    loss : Loss
        Of as many classes as the augmentations make.
    augmentations : sequence of Augmentation
        In the order in which they act within a stage.
    learning_rate, weight_decay : float
        Of AdamW (betas 0.9 and 0.999, epsilon 1e-8), for all that is trained, centres of the loss too.
    warm_up : int
        Steps over which the rate grows from 0: step k, counted from 1, has (k - 1) / warm_up of it.
    seed : int
        Of all that augmentations draw.
    autocast : torch.dtype, optional
        The type of the network's matrix products.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Loss,
        augmentations: Sequence[Augmentation] = (),
        *,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.01,
        warm_up: int = 0,
        seed: int = 0,
        autocast: torch.dtype | None = None,
    ) -> None:
        self.network, self.loss, self.augmentations = network, loss, tuple(augmentations)
        self._rate, self._warm_up, self._seed, self._autocast = learning_rate, warm_up, seed, autocast
        self.parameters = [weight for part in (network, loss) for weight in part.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=learning_rate, betas=BETAS, eps=EPSILON, weight_decay=weight_decay, fused=True
        )
        self.steps = 0
        self.begin(0)
        if any(augmentation.stage == "magnitude" for augmentation in self.augmentations):
            takes_change(network)

    def begin(self, epoch: int) -> None:
        """Set every generator to that of an epoch, and everything to training."""
        self.network.train(), self.loss.train()
        self._draws = [
            generator(self._seed, f"{i} {type(augmentation).__name__}", epoch)
            for i, augmentation in enumerate(self.augmentations)
        ]
        for part, purpose in ((self.network, "network"), (self.loss, "loss")):
            if hasattr(part, "generator"):
                setattr(part, "generator", generator(self._seed, purpose, epoch))  # noqa: B010

    def step(self, wave: Tensor, labels: Tensor, draws: Mapping[str, Draws] | None = None) -> float:
        """Take one step; returns the loss before it.

        Parameters
        ----------
        wave : (batch, n_samples) tensor
        labels : (batch, classes) tensor
        draws : mapping, optional
            {class of augmentation: draws}, in place of those of its generator.

        Raises
        ------
        DataError
            If the loss is not finite; no weight has changed then.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate * min(1.0, self.steps / self._warm_up) if self._warm_up else self._rate
        loss = self._loss(wave, labels, draws or {})
        value = float(loss.detach())
        if not math.isfinite(value):
            raise DataError(self._not_finite(value, wave))
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        self.steps += 1
        return value

    def _loss(self, wave: Tensor, labels: Tensor, given: Mapping[str, Draws]) -> Tensor:
        changes: list[Callable[[Tensor], Tensor]] = []
        of_embedding = []
        for augmentation, draws in zip(self.augmentations, self._draws, strict=True):
            drawn = given.get(type(augmentation).__name__) or augmentation.draw(_shape(augmentation, wave), draws)
            if augmentation.stage == "wave":
                wave, labels = augmentation(wave, labels, drawn)
            elif augmentation.stage == "magnitude":
                changes.append(_of_magnitude(augmentation, drawn, draws))
                labels = augmentation.relabel(labels, drawn)
            else:
                of_embedding.append((augmentation, drawn))
        embeddings = self._embeddings(wave, changes)
        for augmentation, drawn in of_embedding:
            embeddings, labels = augmentation(embeddings, labels, drawn)
        total: Tensor = self.loss(embeddings, labels)
        return total

    def _embeddings(self, wave: Tensor, changes: Sequence[Callable[[Tensor], Tensor]]) -> Tensor:
        more: dict[str, Any] = {"change": lambda x: _all(changes, x)} if changes else {}
        cast = torch.autocast(wave.device.type, self._autocast) if self._autocast else contextlib.nullcontext()
        with cast:
            embeddings: Tensor = self.network(wave, **more)
        return embeddings.to(wave.dtype)

    def _not_finite(self, value: float, wave: Tensor) -> str:
        where = f"the loss is {value} at step {self.steps + 1}"
        if not bool(wave.isfinite().all()):
            return f"{where}, whose sound holds values that are not finite: repair the clip, or leave it out"
        scales = sorted({f"{float(scale):.4g}" for scale in _scales(self.loss)})
        return (
            f"{where}, with a scale of {' and '.join(scales)} and a learning rate of "
            f"{self.optimizer.param_groups[0]['lr']:.3g}: the training stopped. Lower learning_rate, or raise warm_up"
        )

    def state(self) -> dict[str, Any]:
        """Return all that the next step rests on, as arrays and numbers."""
        network: Any = self.network
        moments = [self.optimizer.state.get(weight) for weight in self.parameters]
        return {
            "network": {name: array(values) for name, values in network.trained_state().items()},
            "loss": {name: array(values) for name, values in self.loss.state_dict().items()},
            "mean": {str(i): array(moment["exp_avg"]) for i, moment in enumerate(moments) if moment},
            "square": {str(i): array(moment["exp_avg_sq"]) for i, moment in enumerate(moments) if moment},
            # A block that was skipped had no gradient, and its weights have taken fewer steps.
            "taken": {str(i): int(moment["step"]) for i, moment in enumerate(moments) if moment},
            "steps": self.steps,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` returned."""
        network: Any = self.network
        network.load_trained_state(tensors(state["network"]))
        self.loss.load_state_dict(tensors(state["loss"]))
        self.steps = int(state["steps"])
        self.optimizer.state.clear()
        for i, weight in enumerate(self.parameters):
            if str(i) in state["mean"]:
                means, squares = (torch.empty_like(weight).detach() for _ in range(2))
                means.copy_(tensor(state["mean"][str(i)])), squares.copy_(tensor(state["square"][str(i)]))
                step = torch.tensor(float(state["taken"][str(i)]), device=weight.device)
                self.optimizer.state[weight] = {"step": step, "exp_avg": means, "exp_avg_sq": squares}


def takes_change(network: nn.Module) -> None:
    """Raise ValueError if a network has no magnitudes that an augmentation could change."""
    if "change" not in inspect.signature(network.forward).parameters:
        raise ValueError(
            f"{type(network).__name__} has no short-time magnitudes to change: leave out statex, and give specaug the "
            "stage 'wave'"
        )


def array(values: Tensor) -> Any:
    """Return a tensor as an array of its own, in C order."""
    return np.array(values.detach().cpu().numpy(), order="C")


def tensor(values: Any) -> Tensor:
    """Return an array as a tensor of its own."""
    return torch.from_numpy(np.array(values))


def tensors(values: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return arrays as tensors of their own."""
    return {name: tensor(value) for name, value in values.items()}


def _shape(augmentation: Augmentation, wave: Tensor) -> tuple[int, ...]:
    return (len(wave), 1, 1) if augmentation.stage == "magnitude" else tuple(wave.shape)


def _of_magnitude(augmentation: Augmentation, drawn: Draws, draws: torch.Generator) -> Callable[[Tensor], Tensor]:
    """Return the change of magnitudes: the same in every branch if it is part of the label, else drawn for each."""
    if augmentation.times_classes > 1:
        return lambda x: augmentation.change(x, drawn)
    return lambda x: augmentation.change(x, augmentation.draw(x.shape, draws))


def _all(changes: Sequence[Callable[[Tensor], Tensor]], x: Tensor) -> Tensor:
    for change in changes:
        x = change(x)
    return x


def _scales(loss: Loss) -> list[float]:
    """Return the scales of all heads."""
    scales = [getattr(part, "scale", None) for part in loss.modules()]
    return [float(getattr(scale, "value", scale)) for scale in scales if scale is not None]
