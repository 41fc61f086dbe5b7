"""How fast the scorers are: all that share one distance matrix, a bank of 100,000, and the trained autoencoder."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

from figures import show

TRAIN, TARGET, TEST, WIDTH = 1_000, 10, 200, 768
BANK, QUERIES = 100_000, 1_000
PEER = 408
"""Vectors a CPU second in a peer's training of the same network: the one figure that is of another run."""


def scoring() -> list[bool]:
    """Distances are measured once, search keeps up with faiss, training with twenty of a peer's."""
    from asdcore.compute.threads import single_threaded

    with single_threaded():
        return [*_distance_scorers(), *_large_bank(), *_training()]


def _distance_scorers() -> list[bool]:
    """Every scorer of distances, with its defaults, on one machine: fit, leave-one-out, and test clips one by one."""
    import numpy as np

    import asdcore
    from asdcore.contract.plugins import installed

    rng = np.random.default_rng(0)
    centres = rng.normal(size=(12, WIDTH))
    train, test = (
        (centres[rng.integers(0, 12, n)] + 0.7 * rng.normal(size=(n, WIDTH))).astype(np.float32) for n in (TRAIN, TEST)
    )
    domain = np.where(np.arange(TRAIN) < TRAIN - TARGET, "source", "target")
    matrices, seconds = {}, {}
    for metric in ("cosine", "euclidean"):
        started = time.process_time()
        matrices[metric] = asdcore.distances(train, train, metric), asdcore.distances(test, train, metric)
        show(f"{metric} distances of {TRAIN} + {TEST} clips: CPU", time.process_time() - started, None, "s")
    for name in installed().components("scorer"):
        scorer = asdcore.load_scorer(name)
        if not hasattr(scorer, "fit_distances"):
            continue
        within, across = matrices[scorer.metric]

        def work(scorer=scorer, within=within, across=across) -> None:
            fitted = scorer.fit_distances(within, domain)
            fitted.score_left_out()
            for row in across:
                fitted.score_distances(row[None])

        seconds[name] = _cheapest(work, 4)
        show(f"  {name}: fit, leave-one-out and score", seconds[name], None, "s")
    what = f"{len(seconds)} distance scorers of one matrix: CPU"
    return [show(what, sum(seconds.values()), 1.0, "s")]


def _large_bank() -> list[bool]:
    """Nearest neighbours in a large bank, beside faiss's exact search, on one thread both."""
    import numpy as np

    import asdcore

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            import faiss
    except ImportError:
        print("skip  a bank of 100,000 beside faiss: faiss is not installed (pip install --no-deps faiss-cpu)")
        return []
    faiss.omp_set_num_threads(1)
    rng, ratios = np.random.default_rng(0), []
    centres = rng.standard_normal((50, WIDTH), dtype=np.float32)
    bank, queries = (
        centres[rng.integers(0, 50, n)] + rng.standard_normal((n, WIDTH), dtype=np.float32) for n in (BANK, QUERIES)
    )
    for metric in ("cosine", "euclidean"):
        unit = bank / np.linalg.norm(bank, axis=1, keepdims=True), queries / np.linalg.norm(queries, axis=1)[:, None]
        known, asked = unit if metric == "cosine" else (bank, queries)
        index = faiss.IndexFlatIP(WIDTH) if metric == "cosine" else faiss.IndexFlatL2(WIDTH)
        index.add(known)
        scorer = asdcore.load_scorer("knn", metric=metric)
        started = time.process_time()
        scorer.fit(bank, np.full(BANK, "source"))
        show(f"{BANK} x {WIDTH} {metric}: fit", time.process_time() - started, None, "s")
        theirs = _cheapest(lambda index=index, asked=asked: index.search(asked, 1), 2)
        ours = _cheapest(lambda scorer=scorer: scorer.score(queries), 2)
        show(f"{BANK} x {WIDTH} {metric}: {QUERIES} queries", ours, None, "s")
        ratios.append(show(f"{BANK} x {WIDTH} {metric}: queries over faiss's", ours / theirs, 1.5, "times"))
    return ratios


def _training() -> list[bool]:
    """The baseline's autoencoder: vectors of 5 frames of 128 bands that the training sees in a CPU second."""
    import numpy as np

    from asdcore_plugins.nn.autoencoder import train, windows

    features = np.random.default_rng(0).normal(size=(40, 313, 1, 128)).astype(np.float32)
    vectors = windows(features, 5)
    rows = np.arange(vectors.shape[0] * vectors.shape[1])
    train(vectors, rows[:1024], epochs=1, batch_size=256, seed=0)
    seconds = _cheapest(lambda: train(vectors, rows, epochs=1, batch_size=256, seed=0), 3)
    show("autoencoder: vectors a CPU second", len(rows) / seconds, None, "1/s")
    # Shown as a promise turned round, so that over is over: at least twenty times the peer's.
    return [show("autoencoder: a peer's vectors a second over ours", PEER / (len(rows) / seconds), 1 / 20, "times")]


def _cheapest(work: Callable[[], object], repeat: int) -> float:
    """Return the CPU seconds of the cheapest of some runs: the rest is other people's work."""
    seconds = []
    for _ in range(repeat):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return min(seconds)
