"""The autoencoder of the official DCASE Task 2 baseline, 2023-2026, in both of its modes.

For features that are not pooled: ``encoder = { name = "logmel", pooling = "frames" }``. An autoencoder r learns to
reproduce vectors x of 5 consecutive frames (:mod:`asdcore_plugins.nn.autoencoder`). The K vectors of a clip, of D
values each, leave the residuals e_k = r(x_k) - x_k, and ``score`` says how they make a score:

    mse                 1/(K D) sum_k |e_k|^2                                     reference pooled
    mahalanobis         m' S_d^-1 m, m the mean residual of a frame               references source, target, pooled
    mahalanobis_paper   1/(K D) sum_k e_k' S_d^-1 e_k                             references source, target, pooled

With ``predicts`` r is not given all frames of a vector, and x_k is what it has to say: the middle frame, of its
neighbours, or the last one, of those before it. A machine whose sound never stays the same is hard to reproduce, but
a frame between two others is not hard to guess: this is the interpolation network of Suefusa et al., here with the
baseline's layers. D is then the values of one frame.

S_d is the covariance of the residuals of domain d. ``pooled`` takes the smaller domain: of the two scores of a clip for
``mahalanobis``, of the two distances of a vector for ``mahalanobis_paper``.

``mahalanobis`` is what the official code computes, and what its published figures rest on: residuals are cut into
frames and averaged over the clip before the distance is taken; S_d is summed over shuffled batches, each centred on its
own mean, and divided by the number of vectors less one, not of frames. ``mahalanobis_paper`` follows eq. (6) of Dohi et
al., "Description and discussion on DCASE 2023 challenge task 2" (arXiv 2305.07828): a distance for every vector, S_d
the usual covariance of whole residuals. The distance is squared, so train normals score about 1.

As in the official code, all domains share one network, a tenth of the vectors (not of the clips) is held out of the
training, nothing is normalized beforehand, and the weights of the last epoch count.

The normalization inside the network takes a hundredth of each batch into its running statistics, which scores rest on.
With fewer than some 500 batches in all these statistics are not settled.

Cost. A training sees 0.9 x epochs x clips x (time - 4) vectors: 28 million for 1,000 clips of 10 s, about 20 minutes of
one core. A scorer shows no progress, so the bar of a run stands still meanwhile. There is no closed form that leaves a
clip out, so train normals are scored in folds, and F folds cost as much as F trainings on all. Fewer ``epochs`` or
``folds`` are the honest ways to spend less: with fewer folds, networks learn from fewer clips and calibrate with larger
errors, while test clips are scored as before. Branches that differ only in ``score`` share their trainings if they run
in one process. Only the frames of the current batch are copied. Scoring a clip of 10 s takes 82 million
multiply-accumulates, with ``mahalanobis_paper`` 335 million.
"""

from __future__ import annotations

import copy
import hashlib
import math
import types
from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asdcore import DOMAINS, DataError, OnnxValue
from asdcore_plugins.nn.as_onnx.layers import layers_to_onnx
from asdcore_plugins.nn.as_onnx.spectra import framed_to_onnx
from asdcore_plugins.nn.autoencoder import (
    OPTIMIZERS,
    PREDICTED,
    Task,
    batches,
    gather,
    train,
    weightless,
    weights,
    windows,
)
from asdcore_plugins.nn.running.one_thread import one_thread
from asdcore_plugins.scorers.bases.residual_covariance import ResidualCovariance
from asdcore_plugins.scorers.bases.residuals import SCORES
from asdcore_plugins.scorers.bases.scorer import ReferenceScorer
from asdcore_plugins.stats.arrays import Floats, Floats32
from asdcore_plugins.stats.learned import State, Stored, read_only
from asdcore_plugins.stats.onnx_formulas import written
from asdcore_plugins.stats.parameters import between, choice, share_of, whole

Rows = NDArray[np.intp]


KEPT = 64
"""Trained networks that a process keeps, 1 MB each: branches with other scores may ask for them again."""

_trained: dict[str, nn.Sequential] = {}


class Autoencoder(ReferenceScorer):
    """Scores clips by what an autoencoder of train normals fails to reproduce.

    A domain with too few residuals for an inverse of their covariance is left out. The other one is then ``pooled``, as
    in the official code for data without target clips.

    Parameters
    ----------
    score
        "mse", "mahalanobis" or "mahalanobis_paper", as above.
    frames
        Consecutive frames in a vector.
    epochs, batch_size
        Of the training.
    held_out
        Share of the vectors that the training does not see.
    seed
        Seed of the first weights, of the choice of vectors held out, and of the order of batches.
    optimizer
        "adam", as in the official code, or "adamw", with a weight decay of 0.01, as in ASDKit.
    predicts
        "all" frames of a vector, as in the official code; the "middle" one of the others, for an odd number of frames
        from 3 on; or the "last" one of the others.

    Raises
    ------
    ValueError
        If ``score``, ``optimizer`` or ``predicts`` is unknown, or a number is out of range.

    References
    ----------
    N. Harada et al., "First-shot anomaly detection for machine condition monitoring: a domain generalization
    baseline", EUSIPCO 2023. K. Dohi et al., "Description and discussion on DCASE 2023 challenge task 2", arXiv
    2305.07828, eq. 6. For ``predicts`` K. Suefusa et al., "Anomalous sound detection based on interpolation deep neural
    network", ICASSP 2020.

    Examples
    --------
    >>> import numpy as np
    >>> train = np.random.default_rng(0).normal(size=(4, 20, 2, 1)).astype(np.float32)
    >>> scorer = Autoencoder(frames=2, epochs=1).fit(train, np.full(4, "source"))
    >>> usual, loud = scorer.score(np.stack([train[0], 9.0 * train[0]]))["pooled"]
    >>> bool(usual < loud)
    True
    """

    name = "autoencoder"

    def __init__(
        self,
        score: str = "mse",
        frames: int = 5,
        epochs: int = 100,
        batch_size: int = 256,
        held_out: float = 0.1,
        seed: int = 0,
        optimizer: str = "adam",
        predicts: str = "all",
    ) -> None:
        self._kind, self._frames = choice("score", score, SCORES), whole("frames", frames)
        self._epochs, self._batch_size = whole("epochs", epochs), whole("batch_size", batch_size, least=2)
        between("held_out", held_out, 0, 1, low_included=True)
        self._held_out, self._seed = held_out, whole("seed", seed, least=0)
        self._optimizer = choice("optimizer", optimizer, tuple(OPTIMIZERS))
        self._task = Task(self._frames, choice("predicts", predicts, PREDICTED))

    def _fit(self, features: Floats32, domain: NDArray[np.str_]) -> None:
        vectors = self._vectors(features)
        digests = [hashlib.sha256(clip.tobytes()).hexdigest() for clip in features]
        # The order of clips is an accident; their content is not.
        order = np.array(sorted(range(len(features)), key=lambda i: (digests[i], domain[i])))
        rows = self._training_rows(order, vectors.shape[1])
        with one_thread():
            model = copy.deepcopy(self._network(vectors, rows, digests)).double()
            self._inverses = {} if self._kind == "mse" else self._inverted(model, vectors, rows, domain)
        self._width, self._model = math.prod(features.shape[2:]), model

    def _state(self) -> State:
        # The network was trained in single precision, and doubles of that fit back.
        arrays = {name: read_only(values.float().numpy()) for name, values in weights(self._model).items()}
        inverses = {name: read_only(each.numpy()) for name, each in self._inverses.items()}
        return {"weights": arrays, "inverses": inverses or None}

    def _restore(self, stored: Stored) -> None:
        part, n_given, n_wanted = stored.part("weights"), len(self._task.given), len(self._task.wanted)
        part.read("0.weight", Floats32, "hidden D")
        dim = part.sizes["D"]
        self._width = dim // n_given
        if self._width * n_given != dim:
            raise part.refused("0.weight", f"for vectors of {dim} values", f"a multiple of {n_given} frames")
        model = weightless(dim, n_wanted * self._width)
        arrays = {
            name: part.read(name, Floats32, " ".join(map(str, values.shape))) for name, values in weights(model).items()
        }
        part.done()
        tensors = {
            name: torch.tensor(arrays[name]) if name in arrays else torch.tensor(0) for name in model.state_dict()
        }
        model.load_state_dict(tensors, assign=True)
        self._model = model.eval().requires_grad_(False).double()
        stored.sizes["row"] = n_wanted * self._width if self._kind == "mahalanobis_paper" else self._width
        kind = types.NoneType if self._kind == "mse" else Mapping[str, Floats]
        inverses = stored.read("inverses", kind, "row row") or {}
        self._inverses = {name: torch.tensor(inverse) for name, inverse in inverses.items()}

    def _named(self) -> Sequence[str]:
        return DOMAINS

    def _score(self, features: Floats32) -> Mapping[str, Floats]:
        vectors = self._vectors(features)
        if (width := math.prod(features.shape[2:])) != self._width:
            raise DataError(f"frames of {width} values cannot be scored by an autoencoder of {self._width} values each")
        by_clip = []
        # One clip at a time and in float64: the rounding of a clip must not depend on the others.
        with torch.inference_mode(), one_thread():
            for i in range(len(vectors)):
                by_clip.append(self._clip(self._residuals(self._model, vectors, _clip_rows(vectors, i))))
        silent = torch.zeros(1, len(self._task.wanted) * self._width, dtype=torch.float64)
        references = by_clip[0] if by_clip else self._clip(silent)
        return {name: np.array([scores[name] for scores in by_clip], np.float64) for name in references}

    def to_onnx(self, features: OnnxValue) -> Mapping[str, OnnxValue]:
        """Write the scorer: frames (1, time, band, dim) -> {reference: (1,)}."""
        self._check_fitted()
        frames = features.reshape(-1, self._width)
        vectors = framed_to_onnx(frames, self._frames, 1)
        shown, wanted = (
            vectors.take(np.array(places), axis=1).reshape(-1, len(places) * self._width)
            for places in (self._task.given, self._task.wanted)
        )
        residuals = layers_to_onnx(self._model, shown) - wanted
        if self._kind == "mse":
            return {"pooled": (residuals * residuals).mean(0, 1).reshape(1)}
        inverses = {name: inverse.numpy() for name, inverse in self._inverses.items()}
        rows = residuals.reshape(-1, self._width).mean(0, keepdims=True) if self._kind == "mahalanobis" else residuals
        distances = {name: ((rows @ inverse) * rows) for name, inverse in inverses.items()}
        each = {
            name: values.sum(1) if self._kind == "mahalanobis" else values.mean(1) for name, values in distances.items()
        }
        each = {"pooled": written(reduce, np.minimum, list(each.values())), **each}
        return {name: values.mean(0, keepdims=True) for name, values in each.items()}

    def _vectors(self, features: Floats32) -> Floats32:
        if features.ndim != 4:
            raise DataError(
                f"autoencoder needs frames (n_clips, time, band, dim), but got {features.shape}: let the encoder have "
                "the pooling 'frames'"
            )
        if features.shape[1] < self._frames:
            raise DataError(f"clips of {features.shape[1]} frames are too short for vectors of {self._frames} frames")
        return windows(features, self._frames)

    def _training_rows(self, order: Rows, per_clip: int) -> Rows:
        """Order of the clips (n_train,) -> the rows of their vectors, without those held out."""
        rows = (order[:, None] * per_clip + np.arange(per_clip)).ravel()
        shuffled = np.random.default_rng(self._seed).permutation(len(rows))
        kept = np.sort(shuffled[share_of(self._held_out, len(rows)) :])
        if len(kept) < 2:
            raise DataError(f"autoencoder trains on 2 vectors at least; {len(rows)}, less those held out, are too few")
        return rows[kept]

    def _network(self, vectors: Floats32, rows: Rows, digests: list[str]) -> nn.Sequential:
        """Return the network trained on these rows: the same object, if it was trained on the same clips before."""
        whole_numbers = {"epochs": self._epochs, "batch_size": self._batch_size, "seed": self._seed}
        recipe = (sorted(digests), vectors.shape, self._held_out, whole_numbers, self._optimizer, self._task)
        key = hashlib.sha256(repr(recipe).encode()).hexdigest()
        if key not in _trained:
            network = train(vectors, rows, optimizer=self._optimizer, task=self._task, **whole_numbers)
            if len(_trained) == KEPT:
                del _trained[next(iter(_trained))]
            _trained[key] = network
        return _trained[key]

    def _inverted(
        self, model: nn.Sequential, vectors: Floats32, rows: Rows, domain: NDArray[np.str_]
    ) -> dict[str, Tensor]:
        """Return S_d^-1 of each domain that has enough residuals."""
        of_frame = vectors.shape[2] // self._frames
        width = len(self._task.wanted) * of_frame if self._kind == "mahalanobis_paper" else of_frame
        spreads = {name: ResidualCovariance(width, self._kind == "mahalanobis") for name in DOMAINS}
        draw = torch.Generator().manual_seed(self._seed)
        with torch.inference_mode():
            for batch in batches(rows, self._batch_size, draw):
                residuals, of = self._residuals(model, vectors, batch), domain[batch // vectors.shape[1]]
                for name in DOMAINS:
                    spreads[name].add(residuals[torch.from_numpy(of == name)])
            inverses = {name: spread.inverse(name) for name, spread in spreads.items() if spread.enough}
        if not inverses:
            raise DataError(
                f"autoencoder with score {self._kind!r} needs more than {width} residuals in one domain to invert "
                "their covariance: give it more train normals, or take score 'mse'"
            )
        return inverses

    def _residuals(self, model: nn.Sequential, vectors: Floats32, rows: Rows) -> Tensor:
        """Rows of :func:`windows` -> what the network says less what it should say, (len(rows), D) float64."""
        shown, wanted = self._task.split(gather(vectors, rows).double())
        residuals: Tensor = model(shown) - wanted
        return residuals

    def _clip(self, residuals: Tensor) -> dict[str, float]:
        """Residuals of one clip (K, D) -> its score by reference."""
        if self._kind == "mse":
            return {"pooled": float(residuals.square().mean())}
        if self._kind == "mahalanobis":
            mean = residuals.reshape(-1, self._width).mean(0)
            scores = {name: float(mean @ inverse @ mean) for name, inverse in self._inverses.items()}
            return {"pooled": min(scores.values()), **scores}
        distances = {name: ((residuals @ inverse) * residuals).mean(1) for name, inverse in self._inverses.items()}
        nearest = torch.stack(list(distances.values())).amin(0)
        return {name: float(values.mean()) for name, values in {"pooled": nearest, **distances}.items()}


def _clip_rows(vectors: Floats32, clip: int) -> Rows:
    return np.arange(clip * vectors.shape[1], (clip + 1) * vectors.shape[1])
