"""Deep support vector data description: a network that learns to send normal clips to one point.

score(x) = |f(x) - c|^2. f is a perceptron without biases (dim-128-64, leaky ReLU between). Training minimizes the mean
score of the train normals, plus decay / 2 times the squared weights. c is the mean of the outputs before training (Ruff
et al., "Deep one-class classification", ICML 2018, eq. 4). A coordinate of c nearer to 0 than 0.1 is moved to 0.1, and
there are no biases; otherwise f could reach c by ignoring its input. Features are centred and divided by their standard
deviation over the train normals, constant ones by the mean deviation. Adam, batches of at most 128.

Everything random comes from the seed: the weights, and the order of the batches. Training runs on one thread of the
CPU, so the same train normals give the same network on one machine; another machine's processor may round differently.
It takes 6 epochs n (128 D + 128 64) operations (about 10 s for 1,000 clips of 6,144 features), a score 128 D + 128 64.
Memory: n D. Train normals are scored in folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch.nn.functional import leaky_relu

from asdcore import DataError, OnnxValue
from asdcore_plugins.nn.running.one_thread import one_thread
from asdcore_plugins.scorers.bases.written_per_reference import WrittenPerReference
from asdcore_plugins.stats.arrays import Floats
from asdcore_plugins.stats.learned import LEARNED, Learned
from asdcore_plugins.stats.parameters import between, whole

HIDDEN, OUTPUTS = 128, 64
BATCH = 128
SLOPE = 0.01
"""Slope of the leaky ReLU below 0."""

AWAY = 0.1
"""The smallest distance of a coordinate of the centre from 0."""


class DeepSVDD(WrittenPerReference):
    """One network for each reference; scores are squared distances in its output.

    A reference of fewer than 2 train clips is left out.

    Parameters
    ----------
    epochs
        Passes over the train normals.
    rate
        Learning rate.
    decay
        Weight decay.
    seed
        Seed of the weights and of the order of batches.
    references
        The references to score against: some of "pooled", "source", "target".

    Raises
    ------
    ValueError
        If ``rate`` or ``decay`` is not between 0 and 1, or another parameter is not allowed.

    References
    ----------
    L. Ruff et al., "Deep one-class classification", ICML 2018, eq. 4.

    Examples
    --------
    >>> import numpy as np
    >>> train = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    >>> scorer = DeepSVDD(epochs=5).fit(train, np.full(64, "source"))
    >>> scores = scorer.score(np.concatenate([train, train[:1] + 9.0]))["pooled"]
    >>> bool(scores[-1] > scores[:-1].max())
    True
    """

    name = "deep_svdd"

    _models: Annotated[Mapping[str, _Network], LEARNED]

    def __init__(
        self,
        epochs: int = 50,
        rate: float = 1e-3,
        decay: float = 1e-6,
        seed: int = 0,
        references: Sequence[str] = ("pooled",),
    ) -> None:
        super().__init__(references)
        self._epochs, self._seed = whole("epochs", epochs), whole("seed", seed, least=0)
        self._rate, self._decay = between("rate", rate, 0, 1), between("decay", decay, 0, 1)

    def macs(self, n_train: int, dim: int) -> int:
        """Return the multiply-accumulates to score one clip: its way through the network."""
        return len(self._references) * (dim * HIDDEN + HIDDEN * OUTPUTS)

    def _estimate(self, clips: Floats) -> _Network:
        mean, deviation = clips.mean(axis=0), clips.std(axis=0)
        # The mean of equal numbers may be off by rounding, which would pass for a deviation.
        constant = (clips == clips[0]).all(axis=0)
        scale = np.where(constant | (deviation == 0), deviation.mean(), deviation)
        draw = torch.Generator().manual_seed(self._seed)
        rows = torch.from_numpy(((clips - mean) / scale).astype(np.float32))
        with one_thread():
            layers = [_weights(clips.shape[1], HIDDEN, draw), _weights(HIDDEN, OUTPUTS, draw)]
            with torch.no_grad():
                centre = _outputs(rows, layers).mean(dim=0)
                centre = torch.where(centre.abs() < AWAY, AWAY * torch.where(centre < 0, -1.0, 1.0), centre)
            self._train(rows, layers, centre, draw)
        if not all(bool(layer.isfinite().all()) for layer in layers):
            raise DataError(f"deep_svdd's training diverged at the rate {self._rate:g}. Set rate to less.")
        hidden, last = (layer.detach().numpy().astype(np.float64) for layer in layers)
        return _Network(mean, scale, hidden, last, centre.numpy().astype(np.float64))

    def _train(
        self, rows: torch.Tensor, layers: list[torch.Tensor], centre: torch.Tensor, draw: torch.Generator
    ) -> None:
        optimizer = torch.optim.Adam(layers, lr=self._rate, weight_decay=self._decay)
        for _ in range(self._epochs):
            for batch in torch.split(torch.randperm(len(rows), generator=draw), BATCH):
                optimizer.zero_grad()
                loss = (_outputs(rows[batch], layers) - centre).square().sum(dim=1).mean()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()


@dataclass(frozen=True)
class _Network(Learned):
    """A trained network.

    Parameters
    ----------
    mean, scale
        (D,) of the features.
    hidden, last
        (128, D) and (64, 128) weights.
    centre
        (64,) the point that normal clips are sent to.
    """

    mean: Annotated[Floats, "D"]
    scale: Annotated[Floats, "D"]
    hidden: Annotated[Floats, f"{HIDDEN} D"]
    last: Annotated[Floats, f"{OUTPUTS} {HIDDEN}"]
    centre: Annotated[Floats, f"{OUTPUTS}"]

    def scores(self, clips: Floats) -> Floats:
        """(n, D) -> squared distance from the centre (n,)."""
        scores = np.empty(len(clips))
        # One clip at a time, and einsum: the rounding of a clip must not depend on how many there are, nor on threads.
        for i, clip in enumerate(clips):
            inner = np.einsum("hd,d->h", self.hidden, (clip - self.mean) / self.scale)
            output = np.einsum("oh,h->o", self.last, np.where(inner > 0, inner, SLOPE * inner))
            scores[i] = np.square(output - self.centre).sum()
        return scores

    def to_onnx(self, features: OnnxValue) -> OnnxValue:
        """Write :meth:`scores`: (1, D) -> (1,)."""
        standard = (features.reshape(1, -1) - self.mean) / self.scale
        inner = standard @ np.ascontiguousarray(self.hidden.T)
        output = (inner > 0.0).op("Where", inner, SLOPE * inner) @ np.ascontiguousarray(self.last.T)
        apart = output - self.centre
        return (apart * apart).sum(1)


def _weights(inputs: int, outputs: int, draw: torch.Generator) -> torch.Tensor:
    """Uniform weights (outputs, inputs) that keep the variance of what passes (He et al., ICCV 2015)."""
    bound = (6.0 / inputs) ** 0.5
    weights: torch.Tensor = (2.0 * torch.rand(outputs, inputs, generator=draw) - 1.0) * bound
    return weights.requires_grad_()


def _outputs(rows: torch.Tensor, layers: list[torch.Tensor]) -> torch.Tensor:
    """(n, D) -> (n, 64)."""
    hidden, last = layers
    outputs: torch.Tensor = leaky_relu(rows @ hidden.T, SLOPE) @ last.T
    return outputs
