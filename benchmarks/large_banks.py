"""What one new clip costs against a bank of 100,000 train normals, for every scorer of distances, over ``knn``."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from figures import show

import asdcore
from asdcore.compute.threads import single_threaded
from asdcore.contract.plugins import installed

TILE, TIMES, TARGET, WIDTH, QUERIES = 2_000, 50, 1, 768, 8
"""Train normals that are fitted, how often they are repeated, target ones among them, values of a clip."""

PARAMETERS: dict[str, dict[str, object]] = {"memmixup": {"k_source": 10}}
"""Of so large a bank memmixup refuses points to every source clip."""

RESCALE: dict[str, object] = {"k": 4, "root": True}
"""What ASDKit calls rescaling."""

MOST = 2.0
"""What is promised over knn. ``kde`` needs double precision, and keeps it by a compiled loop (extra ``compiled``)."""

OFTEN = 32
"""Clips that are scored before any is measured: enough for what is compiled when it has become worth it."""


def large_banks() -> list[bool]:
    """Every scorer is restored, as a detector does it, and scores clips one by one."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((50, WIDTH), dtype=np.float32)
    bank = centres[rng.integers(0, 50, TILE * TIMES)] + rng.standard_normal((TILE * TIMES, WIDTH), dtype=np.float32)
    clips = centres[:QUERIES] + rng.standard_normal((QUERIES, WIDTH), dtype=np.float32)
    scorers = [name for name in installed().components("scorer") if hasattr(asdcore.load_scorer(name), "fit_distances")]
    chosen = [(name, PARAMETERS.get(name, {})) for name in scorers if name != "knn"] + [("ldn", RESCALE)]
    with single_threaded():
        ratios = {}
        for metric in ("cosine", "euclidean"):
            knn = _restored("knn", {"metric": metric}, bank)
            for name, parameters in chosen:
                scorer = _restored(name, {**parameters, "metric": metric}, bank)
                label = f"{name} (rescale)" if parameters is RESCALE else name
                ratios[label, metric] = _over(scorer, knn, clips)
    return [
        show(f"{len(bank):,} x {WIDTH}, {metric}: {name}, one clip over knn, CPU", ratio, MOST, "times")
        for (name, metric), ratio in ratios.items()
    ]


def _restored(name: str, parameters: Mapping[str, Any], bank: np.ndarray) -> Any:
    """Return a scorer of a bank, as if fitted: it is fitted on a part, and what it learned is repeated."""
    scorer = asdcore.load_scorer(name, **parameters)
    domain = np.where(np.arange(TILE) < TILE - TARGET * 3, "source", "target")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = scorer.fit(bank[:TILE], domain).state()
    return asdcore.load_scorer(name, **parameters).restore({**_repeated(state), _bank_of(state): bank})


def _bank_of(state: Mapping[str, Any]) -> str:
    return next(key for key in ("bank", "rows") if key in state)


def _repeated(state: Mapping[str, Any], key: str = "") -> dict[str, Any]:
    """Repeat what a scorer learned of each clip; points between clips stay as they are."""
    repeated: dict[str, Any] = {}
    for name, value in state.items():
        if isinstance(value, Mapping):
            repeated[name] = dict(value) if name == "points" else _repeated(value, name)
        elif name == "n":
            repeated[name] = value * TIMES
        elif isinstance(value, np.ndarray) and value.dtype.kind == "i":
            repeated[name] = (value + TILE * np.arange(TIMES)[:, None]).ravel()
        elif isinstance(value, np.ndarray) and len(value) == TILE and value.ndim == 1:
            repeated[name] = np.tile(value, TIMES)
        else:
            repeated[name] = value
    return repeated


def _over(scorer: Any, knn: Any, clips: np.ndarray) -> float:
    """Return the CPU seconds of a scorer over those of knn, the cheapest of clips that both score in turn."""
    seconds: dict[Any, list[float]] = {scorer: [], knn: []}
    for i in range(OFTEN):  # the first lays the bank out
        scorer.score(clips[[i % len(clips)]])
    knn.score(clips[:1])
    for clip in clips:
        for each, times in seconds.items():
            started = time.process_time()
            each.score(clip[None])
            times.append(time.process_time() - started)
    return min(seconds[scorer]) / min(seconds[knn])
