"""Build a component by name: a dataset reader, view, encoder, scorer, normalizer or guard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asdcore.components.checkpoints import resolved
from asdcore.contract.interfaces import Dataset, Encoder, Guard, Normalizer, Scorer, View
from asdcore.contract.plugins import Plugins, installed


def build(kind: str, name: str, parameters: Mapping[str, Any], plugins: Plugins | None = None) -> Any:
    """Build a component from its parameters; its checkpoint is located and its hash checked first."""
    return (plugins or installed()).build(kind, name, resolved(parameters))


def load_dataset(name: str, **parameters: Any) -> Dataset:
    """Build a dataset reader by name.

    Parameters
    ----------
    name : str
        An installed dataset reader, such as ``"dcase2026"``. ``asdcore plugins`` lists all.
    **parameters : object
        Passed on to the plugin.

    Returns
    -------
    Dataset
        Reads the clip index and the ground truth of a folder.

    Raises
    ------
    PluginError
        If no reader has this name, or it rejects a parameter.

    Examples
    --------
    >>> from pathlib import Path
    >>> reader = asdcore.load_dataset("dcase2026")
    >>> reader.clips(Path("data")).columns[:5]
    ['clip', 'machine', 'section', 'split', 'domain']
    """
    dataset: Dataset = build("dataset", name, parameters)
    return dataset


def load_view(name: str, **parameters: Any) -> View:
    """Build a view by name: it makes one waveform (or two) from the channels of a clip.

    Parameters
    ----------
    name : str
        An installed view, such as ``"near"``.
    **parameters : object
        Passed on to the plugin.

    Returns
    -------
    View
        A function of audio (n_channels, n_samples) float32 and a sample rate in Hz; it returns (n_samples,) float32,
        or (2, n_samples) if it gives two channels.

    Raises
    ------
    PluginError
        If no view has this name, or it rejects a parameter.

    Examples
    --------
    >>> near = asdcore.load_view("near")
    >>> near(np.zeros((2, 16000), np.float32), 16000).shape
    (16000,)
    """
    view: View = build("view", name, parameters)
    return view


def load_encoder(name: str, **parameters: Any) -> Encoder:
    """Build an encoder by name.

    Parameters
    ----------
    name : str
        An installed encoder, such as ``"logmel"`` or ``"beats"``.
    **parameters : object
        Passed on to the plugin. ``checkpoint`` is a path or the id of a registry entry; a checkpoint named by its id
        is looked up and its SHA-256 checked.

    Returns
    -------
    Encoder
        Turns audio (n_clips, n_samples) float32 at ``sample_rate`` Hz into tokens of the layers asked for.

    Raises
    ------
    PluginError
        If no encoder has this name, or it rejects a parameter.
    ResourceError
        If the checkpoint is missing, or is not the one that the registry records.

    Examples
    --------
    >>> logmel = asdcore.load_encoder("logmel", n_mels=64)
    >>> tokens = logmel.encode(np.zeros((2, 16000), np.float32), layers=[0])[0]
    >>> tokens.patches.shape[0]  # (n_clips, time, band, dim)
    2
    """
    encoder: Encoder = build("encoder", name, parameters)
    return encoder


def load_scorer(name: str, **parameters: Any) -> Scorer:
    """Build a scorer by name.

    Parameters
    ----------
    name : str
        An installed scorer, such as ``"knn"``.
    **parameters : object
        Passed on to the plugin.

    Returns
    -------
    Scorer
        Fitted on features (n_train, ...) float32 and their domains; returns scores (n_clips,) float64 for each
        reference, larger for a more anomalous clip.

    Raises
    ------
    PluginError
        If no scorer has this name, or it rejects a parameter.

    Examples
    --------
    >>> bank = np.eye(4, dtype=np.float32)
    >>> domain = np.array(["source", "source", "target", "target"])
    >>> knn = asdcore.load_scorer("knn", k=1, metric="euclidean").fit(bank, domain)
    >>> knn.score(bank[:1])["pooled"].tolist()
    [0.0]
    """
    scorer: Scorer = build("scorer", name, parameters)
    return scorer


def load_normalizer(name: str, **parameters: Any) -> Normalizer:
    """Build a normalizer by name.

    Parameters
    ----------
    name : str
        An installed normalizer, such as ``"median_iqr"``.
    **parameters : object
        Passed on to the plugin.

    Returns
    -------
    Normalizer
        Fitted on out-of-fold scores of train normals; turns scores into z (n_clips,) float64.

    Raises
    ------
    PluginError
        If no normalizer has this name, or it rejects a parameter.

    Examples
    --------
    >>> normals = {"pooled": np.arange(5.0)}
    >>> domain = np.array(["source"] * 5)
    >>> normalizer = asdcore.load_normalizer("median_iqr", scope="pooled").fit(normals, domain)
    >>> normalizer.transform({"pooled": np.array([2.0, 4.0])}).round(3).tolist()
    [0.0, 1.0]
    """
    normalizer: Normalizer = build("normalizer", name, parameters)
    return normalizer


def load_guard(name: str, **parameters: Any) -> Guard:
    """Build a guard by name.

    Parameters
    ----------
    name : str
        An installed guard, such as ``"tail"``.
    **parameters : object
        Passed on to the plugin.

    Returns
    -------
    Guard
        Fitted on train normals; returns penalties (n_clips,) float64 that a system subtracts from its score, times the
        strength that the portfolio gives. A clip below the guard's tail gets 0.

    Raises
    ------
    PluginError
        If no guard has this name, or it rejects a parameter.

    Examples
    --------
    >>> normals = np.arange(20.0)
    >>> guard = asdcore.load_guard("tail", support="knn", quantile=0.9)
    >>> guard = guard.fit(normals, {"knn": normals}, np.array(["source"] * 20))
    >>> guard.penalty(np.array([5.0]), {"knn": np.array([5.0])}).tolist()
    [0.0]
    """
    guard: Guard = build("guard", name, parameters)
    return guard
