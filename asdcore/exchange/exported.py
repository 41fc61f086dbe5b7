"""Exports the features of one branch of a run, in the exchange format of embedding benchmarks: {file: embedding}."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.basics.paths import given_path
from asdcore.basics.table_files import write_parquet
from asdcore.compute.scoring.scoring import combined
from asdcore.contract.plugins import installed
from asdcore.errors import DataError, did_you_mean
from asdcore.held_out import Networks
from asdcore.portfolio import Branch, parse_portfolio
from asdcore.runs.folder import Run, load_run
from asdcore.stages.scoring.score_jobs import features_recipe
from asdcore.store.cache import FeatureSet, Store
from asdcore.store.disk.atomic import atomic_path, fresh_folder

Floats = NDArray[np.float32]

ENDINGS = {".parquet": "a Parquet table", ".npz": "an npz file", "": "a folder of npy files"}


def export_features(
    run: Run | str | Path, out: str | Path, *, branch: str | None = None, store: str | Path | None = None
) -> Path:
    """Write the features of every clip of a run, as one of its branches computed them, to a table.

    Parameters
    ----------
    run : Run, str or Path
        A finished run, or its folder.
    out : str or Path
        What to write: NAME.parquet (columns clip, audio_sha256 and embedding, or shape and values for frames), NAME.npz
        (an array for each clip), or, without an ending, a folder (CLIP.npy for each clip). It must not exist.
    branch : str, optional
        Whose features; needed if the run has several branches.
    store : str or Path, optional
        The store of the run, if it has moved.

    Returns
    -------
    Path
        What was written.

    Raises
    ------
    DataError
        If there is no such branch, it was crossfitted, ``out`` exists or has another ending.
    StoreError
        If the store no longer holds the features.

    Examples
    --------
    >>> table = asdcore.export_features("runs/first", "features.npz", branch="near_knn")
    >>> vectors = np.load(table)
    >>> vectors[vectors.files[0]].shape
    (128,)
    """
    path = given_path(out, "out")
    finished = run if isinstance(run, Run) else load_run(run)
    if path.suffix not in ENDINGS:
        allowed = ", ".join(f"NAME{ending} ({what})" for ending, what in ENDINGS.items())
        raise DataError(f"{path}: what to write shows by the ending. Allowed: {allowed}.")
    if path.exists() or path.is_symlink():
        raise DataError(f"{path} exists and is not written over. Choose another name, or remove it.")
    home = Path(finished.about["store"]) if store is None else given_path(store, "store")
    features = _features(finished, _branch(finished, branch), Store(home))
    clips = finished.clips.sort("clip").select("clip", "sha256")
    write_table(path, clips, [features[digest] for digest in clips["sha256"]])
    return path


def write_table(path: Path, clips: pl.DataFrame, arrays: Sequence[Floats]) -> None:
    """Write the features of clips (clip, sha256) in the format that the ending of a path tells."""
    if path.suffix == ".parquet":
        _write_parquet(path, clips, arrays)
    elif path.suffix == ".npz":
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **dict(zip(clips["clip"], arrays, strict=True)))
    else:
        _write_folder(path, dict(zip(clips["clip"], arrays, strict=True)))


def _branch(run: Run, name: str | None) -> str:
    branches = list(run.about["portfolio"]["branches"])
    if name is None and len(branches) > 1:
        raise DataError(f"This run has {len(branches)} branches. Name one with --branch: {', '.join(branches)}.")
    if name is not None and name not in branches:
        raise DataError(f"This run has no branch {name!r}. {did_you_mean(name, branches)}")
    return name or branches[0]


def _features(run: Run, name: str, store: Store) -> dict[str, Floats]:
    """Return {audio digest: features} of all clips of a run."""
    branch = parse_portfolio(run.about["portfolio"]).branches[name]
    if branch.encoder.crossfit is not None:
        raise DataError(
            f"branch {name!r} is crossfitted: train clips were scored by networks that have not seen them, so no one "
            "table holds its features. Export a branch without 'crossfit'."
        )
    networks = Networks.recorded(run.about, store.root)
    features: dict[str, Floats] = {}
    for machine in (networks.has(name) and run.clips["machine"].unique().sort()) or [""]:
        of_machine = run.clips.filter(pl.col("machine") == machine) if machine else run.clips
        hearing = networks.branch(name, branch, machine)
        features |= _combined(hearing, of_machine["sha256"].unique().sort().to_list(), run, store)
    return features


def _combined(branch: Branch, audio: Sequence[str], run: Run, store: Store) -> dict[str, Floats]:
    device = None if run.about["device"] == "cpu" else str(run.about["device"])
    recipe = features_recipe(branch, store, installed(), device)
    sets = {folder: FeatureSet(folder).rows(audio) for terms in recipe for folder, _ in terms}
    # One at a time: frames of clips may differ in length.
    return {digest: combined(recipe, lambda folder: sets[folder][digest][None])[0] for digest in audio}  # noqa: B023


def _write_parquet(path: Path, clips: pl.DataFrame, arrays: Sequence[Floats]) -> None:
    named = clips.rename({"sha256": "audio_sha256"})
    flat = pl.Series([array.ravel() for array in arrays], dtype=pl.List(pl.Float32))
    if arrays[0].ndim == 1:
        table = named.with_columns(embedding=flat)
    else:
        shapes = pl.Series([array.shape for array in arrays], dtype=pl.List(pl.Int32))
        table = named.with_columns(shape=shapes, values=flat)
    with atomic_path(path) as temporary:
        write_parquet(table, temporary)


def _write_folder(path: Path, arrays: Mapping[str, Floats]) -> None:
    with fresh_folder(path) as temporary:
        for clip, array in arrays.items():
            file = temporary / f"{clip}.npy"
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, array)
        temporary.replace(path)
