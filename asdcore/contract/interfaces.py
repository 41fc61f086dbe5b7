"""The Protocols that plugins satisfy. No base class: any object with these methods will do.

Conventions, everywhere
-----------------------
* An anomaly score is larger for a more anomalous clip.
* Arrays are NumPy arrays. Audio and features are float32, scores are float64.
* ``domain`` is an array of ``"source"`` and ``"target"``, one entry for each train-normal clip.
* ``fit`` receives train normals and nothing else. Test clips reach only ``score``, ``transform`` and ``penalty``, and
  what these return must not depend on the other clips of the call: the challenge forbids test-set statistics.
* A plugin never writes to the arrays it is given.
* A plugin raises :class:`asdcore.DataError` for data that it is unable to score, and if it is asked before ``fit``;
  ``ValueError`` for a bad parameter or an unknown layer.
* Scores are computed in float64 and each clip's alone: a matrix product may round a row differently with the number of
  rows beside it, and a frozen portfolio promises the same bytes whichever clips are scored together.

Fitted state
------------
Optional, both or neither, for a scorer, normalizer or guard; needed of a trainable encoder: what ``fit`` has learnt, as
an artifact. It is kept in the store, pinned by a manifest and carried by a detector, so that nothing is fitted twice.

* ``state() -> mapping`` after ``fit``: all that ``score`` (``score_distances``, ``transform``, ``penalty``) needs.
  Values are arrays (bool, int8 to int64, uint8 to uint64, float32, float64), text, numbers, booleans, None, lists of
  text, whole numbers and booleans, and tables of all these. What ``score_left_out`` alone needs stays out.
* ``restore(state) -> self``, of a component built with the same parameters: it scores to the same bits as what was
  saved, in another process too. Arrays are read-only and in C order. DataError if the state does not fit.

A scorer fitted by ``fit_distances`` keeps no features: its caller has them. A component without both is fitted again,
from its train features or its train normals' scores. ``check_restores_exactly`` and others hold a plugin to this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from asdcore.contract.tokens import Tokens

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Floats32 = NDArray[np.float32]
    Strings = NDArray[np.str_]

KINDS = ("dataset", "view", "encoder", "scorer", "normalizer", "guard")
"""The kinds of plugin, in the order in which a clip meets them."""

CHANNELS = (1, 2)
"""How many channels a view may give, and an encoder read: one waveform, or those of the near and far microphone."""


@runtime_checkable
class Dataset(Protocol):
    """Reads one folder layout.

    Notes
    -----
    Optional: ``year``, the challenge year of its evaluation's rules (None: of no challenge); ``supplemental(root)``, a
    list of recordings that it sets aside, relative to ``root``; ``recognizes(root) -> int``, for a reader that may
    serve without being named: how surely the recordings below ``root`` are its own, by their names alone. 0: not at
    all; 1: any will do; 2: their names have its form; 3: a file is there that was made for it. The surest serves;
    ``recordings(root)``, {test clip: the recording that it was cut from}, if that is more than its file, labels apart.
    """

    def clips(self, root: Path) -> pl.DataFrame:
        """Return the clip index of ``root`` (:func:`asdcore.index_clips` makes one from parsed names).

        Raises :class:`asdcore.DatasetError` with everything that is wrong, at once.
        """
        ...

    def ground_truth(self, root: Path) -> pl.DataFrame | None:
        """Return a frame (clip, label, domain; perhaps recording) of the test clips, or None if there are no labels."""
        ...


@runtime_checkable
class View(Protocol):
    """Makes the input of an encoder from the channels of one clip: one waveform, or two if ``channels`` is 2.

    Optional: ``channels``, how many it gives: 1 (the default) or 2, near and far. An attribute of the class, or of
    whatever else is registered, so that messages can name the views that fit an encoder.

    Optional: ``samplewise``, True if each sample comes from the samples of the same time alone, or ``hear_blocks``:
    then long recordings come block by block (:mod:`asdcore.contract.long_sound`). Else one above 0.27 GB is refused.
    """

    def __call__(self, audio: Floats32, sample_rate: int) -> Floats32:
        """Return the waveform of one clip.

        Parameters
        ----------
        audio : (n_channels, n_samples) float32 array, in [-1, 1]
        sample_rate : int, in Hz

        Returns
        -------
        (n_samples,) float32 array, or (2, n_samples) if ``channels`` is 2

        Raises
        ------
        DataError
            If there are too few channels or samples.
        """
        ...


@runtime_checkable
class Encoder(Protocol):
    """Turns waveforms into tokens.

    Attributes
    ----------
    sample_rate : int, in Hz
        Audio is resampled to it before ``encode``.
    layers : sequence of int or str
        The layers that it offers, the last one being the default. 0 is what enters the first block, k what leaves
        block k, ``"final"`` the output after the model's own head-side normalization.

    Notes
    -----
    Optional: ``channels``, how many channels it reads: 1 (the default), or 2, near and far. A portfolio must give it a
    view of as many. Optional: ``band_hertz(layer)``, the frequencies of its bands (:mod:`asdcore.contract.additive`);
    ``gain``, what a recorder's gain does to its tokens (:mod:`asdcore.contract.gain`).

    Optional: ``model``, the torch.nn.Module that ``encode`` runs, with all its weights. What the encoder costs is
    counted on it, by hooks on a deep copy of the encoder: so ``encode`` takes it from ``self`` and calls its submodules
    as functions, and a self-attention module returns (n_clips, tokens, dim), or a tuple that begins with it.

    Optional, both or neither: ``encode`` in two halves, so that the network never waits for the front end.
    ``prepare(audio)``: audio of one clip, as ``encode`` takes it -> whatever the network is given for that clip, in a
    thread that runs ahead. ``encode_prepared(prepared, layers)``: a list of those -> for each clip {layer: Tokens} as
    of one clip. On the CPU they come one at a time; elsewhere a chunk at once, for it to run together as it sees fit.

    Optional, both, with ``encode_prepared``, of an encoder that hears no sound and knows recordings by the SHA-256 of
    their files, such as features that were computed elsewhere: ``recordings``, the digests that it knows, and
    ``prepare_recording(sha256)`` in place of ``prepare``. It raises DataError for one that it does not know.

    Optional: ``hears``, how many seconds of a clip it hears at most; None, the default, if it hears all. A run says
    how much of its audio is beyond that. If a parameter ``beyond = "cut"`` sets it, it is read from the built encoder,
    else from what is registered.

    Optional: ``any_rate``, True if it reads a checkpoint and its parameter ``sample_rate`` may still be any recording's
    rate. Without a checkpoint such a parameter may anyway. And ``highest``, the highest frequency in Hz that it looks
    at, if that is less than half of ``sample_rate``: an attribute of the class, and of what is built. A run says if
    recordings have no sound in what it looks at.

    Optional: ``encode_blocks(sound, layers)``, for long recordings: it reads ``sound`` as it goes and yields the tokens
    in the order of time (:mod:`asdcore.contract.long_sound`). Without it, or if None, one above 0.27 GB is refused, and
    one of more seconds than ``longest`` (default: None). ``in_windows`` is then what to write so that it hears windows.

    Optional: ``exact``, True if all is float64 from the waveform on, tokens included. A run then pools in float64 too
    and keeps 16 bits of a feature (:mod:`asdcore.data.features.exact_features`), the same on every processor and GPU.

    Optional, of what is registered, before it is built: ``files(checkpoint)``, for an encoder (or any other component)
    that reads more than the one file that its ``checkpoint`` names: the paths of all of them. Each then counts as part
    of the checkpoint. If a folder is named, every file in it does anyway.

    Optional, read from what is registered, before it is built: ``pooling_defaults``, {pooling: {parameter: value}}, the
    parameters published for this encoder; a portfolio's own parameters replace them.
    """

    sample_rate: int
    layers: Sequence[int | str]

    def encode(self, audio: Floats32, layers: Sequence[int | str]) -> Mapping[int | str, Tokens]:
        """Return the tokens of several layers, from one forward pass.

        Parameters
        ----------
        audio : (n_clips, n_samples) float32 array, in [-1, 1]; (n_clips, 2, n_samples) if ``channels`` is 2
        layers : sequence of int or str, some of ``self.layers``

        Returns
        -------
        mapping of each layer to its Tokens
        """
        ...


@runtime_checkable
class Scorer(Protocol):
    """Gives clips anomaly scores against banks of train normals.

    Notes
    -----
    Optional: ``score_left_out(without=None) -> {reference: (n_train,) float64}``, the scores of the fitted clips in the
    order of ``fit``, each as if the scorer had been fitted without that clip. Without it the framework scores train
    normals in K folds.

    ``without`` (optional in ``score_left_out``, ``fit`` and ``fit_distances``; the framework gives it only if the
    signature has it, and only if it says more than None) tells for each fitted clip, in order, which fitted clips
    its score must not rest on: a sequence of n_train arrays (m,) of sorted indices, of which several may be one object.
    The clip itself is always left out, named or not; None leaves out nothing else. :class:`asdcore.Without` reads it.

    * ``score_left_out(without)``: the score of clip i equals that of a scorer fitted to the clips that ``without[i]``
      leaves. A reference with too few clips left for any clip is left out for all; DataError if none remains.
    * ``fit(features, domain, without)``: for a scorer that learns from train normals by leaving each out (how far
      neighbours are, a density, a bandwidth): what it learns of a clip must not rest on the clips of its ``without``.
      ``score`` stays a comparison with all train normals. The framework gives it to ``score_left_out`` alone: what a
      scorer learns inside is then the same for a new clip and, refitted, for one left out.

    Optional, all three or none, for a scorer that needs no more of features than their distances, so that all such
    scorers of the same features share one matrix: ``metric``, "cosine" or "euclidean" as in :func:`asdcore.distances`;
    ``fit_distances(distances, domain) -> self``, ``fit`` on the distances (n_train, n_train) of the train normals to
    one another; ``score_distances(distances) -> {reference: (n_clips,) float64}``, ``score`` on distances
    (n_clips, n_train). Both ways must agree. The arrays are shared and read-only. If there are too
    many train normals for a matrix, the scorer is given features.

    Optional: ``macs(n_train, dim) -> int``, the multiply-accumulates that scoring one clip of ``dim`` features takes
    once the scorer is fitted to ``n_train`` train normals. Optional, one of both, of a scorer that is a sum over
    features: ``distance_weights(distances)`` or ``feature_shares(features)`` (:mod:`asdcore.contract.additive`).
    """

    def fit(self, features: Floats32, domain: Strings) -> Scorer:
        """Fit on the train normals of one machine and section, and forget those of an earlier fit.

        Parameters
        ----------
        features : (n_train, D) float32 array of pooled features (``mean``: D = bands * dim, band after band), or
            (n_train, time, band, dim) for ``frames``
        domain : (n_train,) array of "source" and "target"
        """
        ...

    def score(self, features: Floats32) -> Mapping[str, Floats]:
        """Return the anomaly scores of clips: larger is more anomalous.

        Parameters
        ----------
        features : (n_clips, D) or (n_clips, time, band, dim) float32 array, as in ``fit``

        Returns
        -------
        mapping of "pooled", "source" or "target" to (n_clips,) float64 array
            A reference with too few train clips for the method, leave-one-out included, is left out.
        """
        ...


@runtime_checkable
class Normalizer(Protocol):
    """Puts the scores of one branch on a scale that train normals define.

    Optional, read from what is registered, before it is built: ``tail_probability``, True for a normalizer whose z is
    a p-value or another function of the share of train normals that score higher. A normalizer sees scores, not
    recordings, so it counts clips; the run then notes how many independent clips they are worth.
    """

    def fit(self, scores: Mapping[str, Floats], domain: Strings) -> Normalizer:
        """Fit on the out-of-fold scores of train normals.

        Parameters
        ----------
        scores : mapping of reference to (n_train,) float64 array
            "target" is absent if a machine has too few target clips, or the scorer has one bank only.
        domain : (n_train,) array of "source" and "target"
        """
        ...

    def transform(self, scores: Mapping[str, Floats]) -> Floats:
        """Return z (n_clips,) float64 of scores {reference: (n_clips,)}: non-decreasing in every reference."""
        ...


@runtime_checkable
class Guard(Protocol):
    """Finds clips whose high base score is not supported by other evidence."""

    def fit(self, base: Floats, z: Mapping[str, Floats], domain: Strings) -> Guard:
        """Fit on out-of-fold train normals.

        Parameters
        ----------
        base : (n_train,) float64 array, the fused scores that the guard looks after
        z : mapping of each branch to (n_train,) float64 array
        domain : (n_train,) array of "source" and "target"
        """
        ...

    def penalty(self, base: Floats, z: Mapping[str, Floats]) -> Floats:
        """Return the penalty R (n_clips,) float64 of clips, by ``base`` and ``z`` as in ``fit``.

        R is at least 0, and exactly 0 below the guard's tail. The system subtracts ``strength`` times R. With a
        strength of at most 1 no clip may fall below the tail: base - R stays at or above its beginning.
        """
        ...


PROTOCOLS: dict[str, type] = {
    "dataset": Dataset,
    "view": View,
    "encoder": Encoder,
    "scorer": Scorer,
    "normalizer": Normalizer,
    "guard": Guard,
}
