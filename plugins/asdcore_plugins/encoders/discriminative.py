"""The encoder ``discriminative``: a network that learns to tell machines and attributes apart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from asdcore import DataError, OnnxValue, Tokens
from asdcore_plugins.nn.as_onnx.network import refuse_other_numbers
from asdcore_plugins.nn.front_ends.sound import Sound
from asdcore_plugins.nn.running.one_thread import one_thread
from asdcore_plugins.nn.running.run import PRECISIONS, Audio, Parts, TorchEncoder, still
from asdcore_plugins.stats.parameters import between, choice, whole
from asdcore_plugins.trained.augmentations.augmentation import Augmentation
from asdcore_plugins.trained.augmentations.by_name import build_augmentation
from asdcore_plugins.trained.batches import Batches, fill
from asdcore_plugins.trained.classes import Classes
from asdcore_plugins.trained.clips import Clips
from asdcore_plugins.trained.generators import weights_of
from asdcore_plugins.trained.learner import Learner, array, takes_change, tensors
from asdcore_plugins.trained.loop import Epochs, Watch
from asdcore_plugins.trained.losses.by_name import build_loss
from asdcore_plugins.trained.losses.head import Loss
from asdcore_plugins.trained.networks.by_name import build_network
from asdcore_plugins.trained.networks.written import branches_to_onnx

EMBEDDING = "embedding"
TRIED = 5
"""Classes with which a loss is tried out before there are clips."""


class Discriminative(TorchEncoder):
    """A network trained on train normals to tell apart what is known of them; its embedding is scored like any other.

    A class is a machine, section, attribute and domain of the train normals. Batches of clips, repeated or cut to
    ``seconds``, go through the augmentations, the network and the loss; AdamW moves all that is trained. One seed gives
    the same bits on the same processor, by any number of workers, and whether the training was interrupted or not. Test
    clips take no part: nothing is validated, and the last epoch is kept.

    Layers are the branches of the network by name ("fft", "stft1024") and "embedding", all of them together, the
    default. A test clip is repeated or cut to ``seconds`` from its beginning.

    Parameters
    ----------
    checkpoint : str or Path, optional
        What the network builds on, if it adapts a pre-trained one: the file, or the id of a registry entry.
    network, loss : mapping
        ``name`` and parameters, as in :func:`~asdcore_plugins.trained.networks.by_name.build_network` and
        :func:`~asdcore_plugins.trained.losses.by_name.build_loss`.
    augment : sequence of str or mapping
        Names, or names and parameters, as in
        :func:`~asdcore_plugins.trained.augmentations.by_name.build_augmentation`; they act in this order.
    labels : mapping
        ``by``, what a class is made of (:func:`~asdcore_plugins.trained.labels.build_labels`), and ``pseudo``, the
        clusters that stand in for absent attributes (:class:`~asdcore_plugins.trained.pseudo_labels.PseudoLabels`).
    seconds : float
        The length that the network hears of every clip.
    epochs, batch : int
        Passes over the train clips, and clips of a batch. If a batch does not fit into memory, it is halved, and a note
        says so.
    learning_rate, weight_decay : float
        Of AdamW.
    warm_up : int
        Steps over which the learning rate grows from 0.
    scope : str
        "all": one network for all machines; "machine": one for each.
    sample_rate : int
        Hz.
    device, autocast
        As in :class:`~asdcore_plugins.nn.running.run.TorchEncoder`; ``autocast`` in training, too.

    References
    ----------
    Wilkinghoff, "Sub-cluster AdaCos: learning representations for anomalous sound detection", IJCNN 2021, and "Design
    choices for learning embeddings from auxiliary tasks for domain generalization in anomalous sound detection", ICASSP
    2023; Fujimura et al., "ASDKit: a toolkit for comprehensive evaluation of anomalous sound detection methods", 2025.

    Examples
    --------
    >>> import asdcore
    >>> encoder = asdcore.load_encoder(
    ...     "discriminative", network={"name": "multi_branch"}, loss={"name": "sub_cluster_adacos"}, seconds=6
    ... )
    >>> encoder.layers, encoder.scope
    (('fft', 'stft1024', 'embedding'), 'all')
    """

    name = "discriminative"
    not_parameters: ClassVar = {
        "exact": "It is trained in float32, and what a processor has trained is pinned. Leave exact out."
    }

    def __init__(
        self,
        checkpoint: str | None = None,
        *,
        network: Mapping[str, Any],
        loss: Mapping[str, Any],
        augment: Sequence[str | Mapping[str, Any]] = (),
        labels: Mapping[str, Any] | None = None,
        seconds: float,
        epochs: int = 16,
        batch: int = 64,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.01,
        warm_up: int = 0,
        scope: str = "all",
        sample_rate: int = 16000,
        device: str = "cpu",
        autocast: str | None = None,
    ) -> None:
        self.sample_rate = whole("sample_rate", sample_rate)
        self.hears = between("seconds", seconds, 0, math.inf)
        self.scope = choice("scope", scope, ("all", "machine"))
        self._length = round(self.hears * self.sample_rate)
        self._epochs, self._size = whole("epochs", epochs), whole("batch", batch, least=2)
        self._optimizer = {
            "learning_rate": between("learning_rate", learning_rate, 0, math.inf),
            "weight_decay": between("weight_decay", weight_decay, 0, math.inf, low_included=True),
            "warm_up": whole("warm_up", warm_up, least=0),
        }
        self._checkpoint, self._network, self._loss = checkpoint, _named("network", network), _named("loss", loss)
        self._augment = [_named("augment", {"name": table} if isinstance(table, str) else table) for table in augment]
        self._labels = Classes(labels or {}, checkpoint)
        super().__init__(self._built_network(0), device, autocast)
        self._dims: Sequence[int] = self.model.branch_dims  # type: ignore[assignment]
        self.layers = (*getattr(self.model, "branch_names", ()), EMBEDDING)
        self._loss_of(TRIED)  # whatever is wrong with its parameters is said before a training begins
        self._classes: tuple[str, ...] = ()
        self._size_that_ran = self._size

    def fit(self, clips: Clips, seed: int, training: Watch | None = None) -> Discriminative:
        """Train on train normals, and forget an earlier training.

        Parameters
        ----------
        clips : TrainClips
            Train normals of all machines, or of one if ``scope`` is "machine"; at least two, of at least two classes.
        seed : int
            All that is random is derived from it.
        training : Training, optional
            Keeps and shows the training.

        Returns
        -------
        self

        Raises
        ------
        DataError
            If the clips are too few, are all of one class, or are of another sample rate; if the loss is not finite, or
            two clips do not fit into memory.
        """
        if clips.sample_rate != self.sample_rate:
            raise DataError(f"train clips have {clips.sample_rate} Hz, and {self.name} hears {self.sample_rate} Hz")
        with one_thread(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            labels, notes = self._labels.of(clips, seed)
            if training:
                for note in notes:
                    training.note(note)
            learner = self._learner(len(labels.names), seed)
            batches = Batches(clips, labels.index, len(labels.names), self._length, seed)
            epochs = Epochs(learner, batches, self._epochs, self._size, self.device)
            epochs.run(training)
        self.model = still(learner.network)
        self._classes, self._size_that_ran = labels.names, epochs.size
        return self

    def state(self) -> dict[str, Any]:
        """Return the trained weights, the classes that they were trained to tell apart, and the batch that ran."""
        self._check_trained()
        network: Any = self.model
        weights = {name: array(values) for name, values in network.trained_state().items()}
        return {"network": weights, "classes": list(self._classes), "batch": self._size_that_ran}

    def restore(self, state: Mapping[str, Any]) -> Discriminative:
        """Take over what :meth:`state` returned of an encoder with the same parameters.

        Raises
        ------
        DataError
            If it is of another network.
        """
        network: Any = self.model
        try:
            network.load_trained_state(tensors(state["network"]))
            self._classes, self._size_that_ran = tuple(state["classes"]), int(state["batch"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"the trained state does not fit {self.name} with these parameters: {error}") from error
        return self

    def as_if_trained(self) -> Discriminative:
        """Let the network encode with its first weights, so that it can be counted before a training; returns self."""
        self._classes = self._classes or ("untrained",)
        return self

    def front_end(self, audio: Tensor) -> Tensor:
        """(n_clips, n_samples) -> (n_clips, seconds * sample_rate), repeated or cut, each from its beginning."""
        heard = torch.empty(len(audio), self._length)
        for place, clip in zip(heard.numpy(), audio.numpy(), strict=True):
            fill(place, clip)
        return heard

    def tokens(self, spectrogram: Tensor, layers: Sequence[int | str]) -> Mapping[int | str, Parts]:
        """(n_clips, n_samples) -> patches (n_clips, 1, 1, dim) of each layer."""
        self._check_trained()
        embedding = self.model(spectrogram)
        parts = dict(zip(self.layers, torch.split(embedding, list(self._dims), dim=1), strict=False))
        return {layer: ((embedding if layer == EMBEDDING else parts[layer])[:, None, None], None) for layer in layers}

    def to_onnx(
        self, audio: OnnxValue, layers: Sequence[int | str]
    ) -> Mapping[int | str, tuple[OnnxValue, OnnxValue | None]]:
        """Write the trained encoder: (n_samples,) -> {layer: patches (1, 1, dim)}."""
        self._check_trained()
        refuse_other_numbers(self)
        places = audio.graph.constant(np.arange(self._length), np.int64).op("Mod", audio.op("Shape"))
        branches = branches_to_onnx(self.model, audio.take(places))
        named = dict(zip(self.layers, branches, strict=False))
        named[EMBEDDING] = branches[0].op("Concat", *branches[1:], axis=1) if branches[1:] else branches[0]
        return {layer: (named[layer].reshape(1, 1, -1), None) for layer in layers}

    def prepare(self, audio: Audio) -> Any:
        """Return what the network is given for a clip."""
        self._check_trained()
        return super().prepare(audio)

    def encode_blocks(self, sound: Sound, layers: Sequence[int | str]) -> Iterator[Mapping[int | str, Tokens]]:
        """Yield the tokens of a long recording, of which no more is read than what the network hears."""
        yield self.encode(sound.read(0, min(len(sound), self._length))[None], layers)

    def _check_trained(self) -> None:
        if not self._classes:
            raise DataError(f"{self.name} has not been trained: call fit with train clips, or restore a trained state")

    def _built_network(self, seed: int) -> nn.Module:
        """Return a network with first weights that are drawn of this seed."""
        parameters = dict(self._network)
        given = {"n_samples": self._length, "sample_rate": self.sample_rate, "checkpoint": self._checkpoint}
        with weights_of(seed, "network"):
            network = build_network(**parameters, given=given)
        if any(weight.is_meta for weight in network.parameters()):
            raise ValueError(
                f"the network {parameters['name']!r} adapts a pre-trained one: name its file or its registry entry at "
                'the top level of the encoder, checkpoint = "..."'
            )
        least = getattr(network, "least_samples", 0)
        if self._length < least:
            raise ValueError(
                f"seconds is {self.hears:g}; the network {parameters['name']!r} needs {least / self.sample_rate:.2f} s"
            )
        return network

    def _loss_of(self, classes: int, seed: int = 0) -> tuple[Loss, list[Augmentation]]:
        """Return a loss with first weights, and the augmentations that make its classes of so many."""
        augmentations = []
        for table in self._augment:
            more: dict[str, Any] = {"branch_dims": self._dims} if table["name"] == "featex" else {}
            augmentations.append(build_augmentation(**table, **more))
            classes = augmentations[-1].classes_after(classes)
            if augmentations[-1].stage == "magnitude":
                takes_change(self.model)
        with weights_of(seed, "loss"):
            loss = build_loss(**self._loss, classes=classes, dim=sum(self._dims), branch_dims=self._dims)
        return loss, augmentations

    def _learner(self, classes: int, seed: int) -> Learner:
        network = self._built_network(seed)
        try:
            loss, augmentations = self._loss_of(classes, seed)
        except ValueError as error:  # parameters were tried out: it is the classes
            raise DataError(str(error)) from error
        autocast = getattr(torch, self.autocast) if self.autocast in PRECISIONS else None
        return Learner(
            network.to(self.device),
            loss.to(self.device),
            augmentations,
            **self._optimizer,  # type: ignore[arg-type]
            seed=seed,
            autocast=autocast,
        )


def _named(parameter: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with a name, or raise ValueError."""
    if not isinstance(table, Mapping) or not isinstance(table.get("name"), str):
        raise ValueError(f'{parameter} must be a table with a name, such as {{ name = "..." }}, got {table!r}')
    return dict(table)
