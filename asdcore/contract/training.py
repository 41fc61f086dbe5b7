"""A trainable encoder, and what it is given: the train normals it learns from, and a way to keep and show its progress.

``fit(clips, seed)`` or ``fit(clips, seed, training=None)`` of a trainable encoder; asdcore gives ``training`` if the
signature has it. A training runs on one thread (:func:`asdcore.compute.threads.single_threaded`), so that any number of
workers gives the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from asdcore.contract.interfaces import Encoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCOPES = ("all", "machine")
"""One network for all machines, or one for each."""


@runtime_checkable
class TrainClips(Protocol):
    """Train normals of one machine (scope "machine") or of all (scope "all"), sorted by machine, section and name.

    It leads to no path, no other clip and no label of a test clip. The order is the same in every run on these clips.

    Attributes
    ----------
    machine, section, domain, attributes : sequence of str
        One entry a clip. ``domain`` is "source" or "target"; ``attributes`` is the text of the file name or of the
        attribute file, such as "car_C1_spd_31V", and "" if none is given.
    sample_rate : int, in Hz
        The encoder's; all audio has it.
    n_samples : sequence of int
        The length of each clip at this rate.
    """

    machine: Sequence[str]
    section: Sequence[str]
    domain: Sequence[str]
    attributes: Sequence[str]
    sample_rate: int
    n_samples: Sequence[int]

    def __len__(self) -> int:
        """Return how many clips there are."""
        ...

    def audio(self, i: int) -> NDArray[np.float32]:
        """Return the audio of a clip, through the branch's view and resampled, as ``encode`` hears it.

        Parameters
        ----------
        i : int
            The number of the clip, from 0.

        Returns
        -------
        (n_samples,) float32 array, or (2, n_samples) if the encoder's ``channels`` is 2
            Read-only, in [-1, 1]. It is memory-mapped: a slice reads no more than itself, and nothing is held.
        """
        ...


@runtime_checkable
class Training(Protocol):
    """Keeps a training under way and shows it. A killed training goes on from the last epoch that it kept.

    Attributes
    ----------
    device : str or None
        Where to train, such as "cuda"; None: on the CPU.
    """

    device: str | None

    def resume(self) -> tuple[int, Mapping[str, Any]] | None:
        """Return how many epochs are done and what the last :meth:`keep` was given, or None to begin anew.

        It is of the same recipe: the same code, parameters, clips, labels, seed and device.
        """
        ...

    def keep(self, epoch: int, epochs: int, state: Mapping[str, Any], loss: float) -> None:
        """Keep a finished epoch, and show it.

        Parameters
        ----------
        epoch, epochs : int
            Epochs done, and in all.
        state : mapping
            All that the rest of the training needs to end with the same bits: weights, moments of the optimizer, states
            of random generators. Values as in a fitted state (:mod:`asdcore.contract.interfaces`).
        loss : float
            The mean loss of the epoch. DataError if it is not finite; the epoch before stays kept.
        """
        ...

    def step(self, done: int, of: int, loss: float) -> None:
        """Show progress after a batch: steps done and in all (of all epochs), and the loss of this batch."""
        ...

    def cost(self, steps: int, seconds_per_step: float) -> None:
        """Say what the training will cost, once, from a few measured steps: how many there are, and CPU seconds of one.

        The steps measured must change nothing: measure on copies, or measure the first ones.
        """
        ...

    def note(self, text: str) -> None:
        """Say what a person should know of the result, such as "batch halved to 32"; it goes to ``run.json``."""
        ...


@runtime_checkable
class TrainableEncoder(Encoder, Protocol):
    """An encoder fitted on train normals: by a run alone, never by an inference or a detector.

    Attributes
    ----------
    scope : str
        "machine" (one model each) or "all" (one for all). An attribute of what is registered, or a parameter of this
        name: it is read before anything is built. What is registered has ``fit``, too; a class has both.

    Notes
    -----
    Optional: ``as_if_trained() -> self``, after which ``encode`` runs with the first weights, so that the network can
    be counted before a training (``asdcore complexity``). Nothing else calls it.
    """

    scope: str

    def fit(self, clips: TrainClips, seed: int, training: Training | None = None) -> TrainableEncoder:
        """Fit on train normals, and forget those of an earlier fit; same clips and seed give the same bits.

        Parameters
        ----------
        clips : TrainClips
            Audio, machine, section, domain and attributes of train normals, and nothing else.
        seed : int
            The portfolio's. All that is random is derived from it.
        training : Training, optional
            Keeps and shows progress; given if the signature has it. None: train from the beginning, silently.

        Returns
        -------
        self

        Raises
        ------
        DataError
            If the clips do not do: too few, too short, a loss that is not finite.
        """
        ...

    def state(self) -> Mapping[str, Any]:
        """Return the fitted model, as the fitted state above: all that ``encode`` needs besides the parameters."""
        ...

    def restore(self, state: Mapping[str, Any]) -> TrainableEncoder:
        """Take over what :meth:`state` returned of an encoder with the same parameters; it encodes to the same bits."""
        ...
