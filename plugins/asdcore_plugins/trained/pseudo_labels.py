"""Pseudo labels: clusters of a frozen encoder's features stand in for attributes that a data set does not give.

Some machines of DCASE 2024 to 2026 have no attributes. All their clips of a domain are then one class, and a network
learns little of them. Each clip without an attribute gets a made-up one here, the number of its cluster: clusters are
made of the mean over time of a frozen encoder's tokens, brought to unit length, for each machine alone and of its train
clips alone. Clips that have an attribute keep it.

    labels = { by = ["machine", "section", "attribute", "domain"], pseudo = { encoder = "melspec", clusters = 8 } }

``method`` says how: "kmeans"; "gmm", the likeliest component of a mixture of Gaussians with diagonal covariances; or
"agglomerative", where clips and then clusters join, always those that add least to the squares within (Ward).

Starts are drawn by the seed of the training ("agglomerative" has none), and sums run on one thread: the same clips,
seed and processor give the same clusters. A cluster's number is the order in which its first clip comes.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import cluster
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import get_cached_controller

from asdcore import DataError
from asdcore_plugins.nn.front_ends.sound import InMemory
from asdcore_plugins.stats.features import unit_rows
from asdcore_plugins.stats.parameters import choice, whole
from asdcore_plugins.trained.clips import Clips

ENCODERS = ("beats", "eat", "logmel", "melspec")
"""The frozen encoders whose features may be clustered. Their source counts as part of a training's recipe."""

PRETRAINED = ("beats", "eat")
METHODS = ("kmeans", "gmm", "agglomerative")
STARTS = 10
"""Draws of starts, of which k-means and the mixture keep the best."""

LONG = 1 << 22
"""Samples from which on a clip is encoded in blocks: 4 minutes at 16 kHz."""

MOST = 20_000
"""Clips of a machine that may be joined pair by pair: their distances take 1.6 GB."""


class PseudoLabels:
    """Makes attributes of clusters for the clips that have none.

    Parameters
    ----------
    encoder : str or mapping
        "melspec", "logmel", "beats" or "eat", or a table of its name and parameters.
    clusters : int
        Clusters of a machine, at least 2; fewer if fewer of its clips differ.
    checkpoint : str, optional
        What "beats" and "eat" are built from: the checkpoint of the network that is trained, which stands at the top
        level of the portfolio's encoder. No other is possible: a run pins that one alone.
    method : str
        "kmeans", "gmm" or "agglomerative".

    Raises
    ------
    ValueError
        If the encoder or the method is none of these, has a parameter that does not exist, or lacks its checkpoint.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> class Clips(SimpleNamespace):
    ...     def __len__(self):
    ...         return len(self.machine)
    >>> time = np.arange(16000) / 16000
    >>> tones = [np.sin(2 * np.pi * hertz * time).astype(np.float32) for hertz in (300, 2000, 302, 2010)]
    >>> clips = Clips(
    ...     machine=["fan"] * 4, attributes=["", "", "", "speed_5"], sample_rate=16000, audio=lambda i: tones[i]
    ... )
    >>> PseudoLabels("melspec", clusters=2).attributes(clips, seed=0)
    ['pseudo00', 'pseudo01', 'pseudo00', 'speed_5']
    """

    def __init__(
        self,
        encoder: str | Mapping[str, Any],
        clusters: int,
        checkpoint: str | None = None,
        method: str = "kmeans",
    ) -> None:
        table = {"name": encoder} if isinstance(encoder, str) else dict(encoder)
        self._name = choice("labels.pseudo.encoder", str(table.pop("name", None)), ENCODERS)
        self._clusters = whole("labels.pseudo.clusters", clusters, least=2)
        self._method = choice("labels.pseudo.method", method, METHODS)
        self._parameters = _checked(self._name, table, checkpoint)
        if self._name not in PRETRAINED:
            self._build()  # whatever is wrong with its numbers is said before a training begins

    def attributes(self, clips: Clips, seed: int) -> list[str]:
        """Return the attribute of each clip: its own, or the number of its cluster among its machine's.

        Parameters
        ----------
        clips : Clips
            Train clips with their sound.
        seed : int
            Seed of the starts.

        Returns
        -------
        list of str
            One entry a clip.

        Raises
        ------
        DataError
            If the encoder hears another sample rate, a feature is not finite, or a machine has too many clips to be
            joined pair by pair.
        """
        given = list(clips.attributes)
        absent: dict[str, list[int]] = {}
        for i, (machine, attribute) in enumerate(zip(clips.machine, given, strict=True)):
            if not attribute:
                absent.setdefault(machine, []).append(i)
        encoder = self._build() if absent else None
        for machine, rows in absent.items():
            features = np.stack([_feature(encoder, clips, i) for i in rows])
            if not np.isfinite(features).all():
                raise DataError(f"pseudo labels: {self._name} gives features of {machine} that are not finite")
            for i, number in zip(rows, clustered(features, self._clusters, seed, self._method), strict=True):
                given[i] = f"pseudo{number:02d}"
        return given

    def _build(self) -> Any:
        return _class(self._name)(**self._parameters)


def clustered(features: NDArray[np.float32], clusters: int, seed: int, method: str = "kmeans") -> NDArray[np.int64]:
    """Return the cluster of each row, of unit vectors, numbered as their first members come.

    Parameters
    ----------
    features : (n_clips, D) float32
    clusters : int
        How many; fewer if fewer rows differ.
    seed : int
        Seed of the starts.
    method : str
        One of :data:`METHODS`.

    Returns
    -------
    (n_clips,) int64

    References
    ----------
    Lloyd, "Least squares quantization in PCM", 1982; starts by Arthur and Vassilvitskii, SODA 2007. Dempster, Laird and
    Rubin, "Maximum likelihood from incomplete data via the EM algorithm", 1977. Ward, "Hierarchical grouping to
    optimize an objective function", 1963.

    Examples
    --------
    >>> clustered(np.array([[0, 2], [1, 0], [0, 3]], np.float32), clusters=2, seed=0).tolist()
    [0, 1, 0]
    """
    unit = unit_rows(features)
    different = min(clusters, len(np.unique(unit, axis=0)))
    if different < 2:
        return np.zeros(len(unit), np.int64)
    model = _model(method, different, seed, len(unit))
    # On one thread, sums over clusters are made in one order.
    with get_cached_controller().limit(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # clips that differ in their last bits alone
        labels = model.fit_predict(unit)
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels.tolist()))}
    return np.array([numbers[label] for label in labels.tolist()], np.int64)


def _model(method: str, clusters: int, seed: int, n_clips: int) -> Any:
    """Return what makes clusters of so many clips; DataError if they are too many."""
    if method == "gmm":
        return GaussianMixture(clusters, covariance_type="diag", random_state=seed, n_init=STARTS)
    if method == "agglomerative":
        if n_clips > MOST:
            raise DataError(
                f"pseudo labels: {n_clips} clips of a machine are too many to be joined pair by pair, at most {MOST} "
                "can be: take method = 'kmeans'"
            )
        return cluster.AgglomerativeClustering(clusters)
    return cluster.KMeans(clusters, random_state=seed, n_init=STARTS)


def _checked(name: str, parameters: dict[str, Any], checkpoint: str | None) -> dict[str, Any]:
    """Return what the encoder is built from. Raises ValueError for a parameter that it lacks or does not know."""
    if "checkpoint" in parameters:
        raise ValueError(
            f"labels.pseudo.encoder names the checkpoint {parameters['checkpoint']!r}: write it at the top level of "
            "the encoder, checkpoint = ..., where a run finds and pins it"
        )
    if name in PRETRAINED:
        if checkpoint is None:
            raise ValueError(f"labels.pseudo.encoder = {name!r} needs a checkpoint at the top level of the encoder")
        parameters = {"checkpoint": checkpoint, **parameters}
    allowed = tuple(inspect.signature(_class(name)).parameters)
    for parameter in parameters:
        choice(f"a parameter of labels.pseudo.encoder = {name!r}", parameter, allowed)
    return parameters


def _class(name: str) -> Any:
    """Import an encoder. An import that is written out makes its file part of a training's recipe; a name does not."""
    if name == "beats":
        from asdcore_plugins.encoders.beats import BEATs

        return BEATs
    if name == "eat":
        from asdcore_plugins.encoders.eat import EAT

        return EAT
    if name == "logmel":
        from asdcore_plugins.encoders.logmel import LogMel

        return LogMel
    from asdcore_plugins.encoders.melspec import MelSpec

    return MelSpec


def _feature(encoder: Any, clips: Clips, i: int) -> NDArray[np.float32]:
    """(bands * dim,): the mean over time of the tokens of clip i, of the encoder's last layer. No long clip is held."""
    if encoder.sample_rate != clips.sample_rate:
        raise DataError(
            f"pseudo labels: the frozen encoder hears {encoder.sample_rate} Hz, the network that is trained "
            f"{clips.sample_rate} Hz: give both one sample rate"
        )
    layer, audio = encoder.layers[-1], clips.audio(i)
    if len(audio) >= LONG and getattr(encoder, "encode_blocks", None) is not None:
        blocks = encoder.encode_blocks(InMemory(audio), [layer])
    else:
        _check_length(encoder, len(audio) / clips.sample_rate)
        blocks = iter([encoder.encode(audio[None], [layer])])
    return np.asarray(_mean(tokens[layer].patches[0] for tokens in blocks).ravel(), np.float32)


def _check_length(encoder: Any, seconds: float) -> None:
    longest = getattr(encoder, "longest", None)
    if longest is not None and seconds > longest:
        raise DataError(
            f"pseudo labels: a train clip lasts {seconds:.0f} s. Encoder {encoder.name!r} hears a clip at once, and "
            f"its memory allows {longest:.0f} s. With labels.pseudo.encoder = {{ name = {encoder.name!r}, "
            "window_seconds = 10 } it hears windows of 10 s; or --seconds 10 makes clips of its windows"
        )


def _mean(blocks: Iterator[NDArray[np.float32]]) -> NDArray[np.float64]:
    """(some time, bands, dim) each -> (bands, dim): the mean over all time, summed up in the order of time."""
    total, times = np.zeros(0), 0
    for block in blocks:
        # The sum so far is the first row, so that the order of the sums does not depend on the blocks.
        rows = np.concatenate([total[None], block]) if times else np.asarray(block, np.float64)
        total, times = rows.sum(axis=0), times + len(block)
    return total / times
