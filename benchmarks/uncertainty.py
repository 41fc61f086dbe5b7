"""How long intervals and differences take, beside a plain loop of scikit-learn over the same replicates."""

from __future__ import annotations

from figures import cpu_seconds, show

MACHINES, CLIPS, REPLICATES = 16, 50, 2000
"""Clips of each domain and label: 100 normals and 100 anomalies a machine."""

LOOPED = 5
"""Replicates that the loop is timed on; all would take it minutes."""


def uncertainty() -> list[bool]:
    """2,000 replicates of AUC and pAUC over 16 machines in two seconds."""
    import numpy as np
    import polars as pl
    from sklearn.metrics import roc_auc_score

    from asdcore.evidence.uncertainty import differences, intervals

    rng, tables = np.random.default_rng(0), {}
    labels, domains = np.repeat([0, 1], 2 * CLIPS), np.tile(np.repeat(["source", "target"], CLIPS), 2)
    names = [f"{i:04d}" for i in range(4 * CLIPS)]
    for m in range(MACHINES):
        latent = rng.normal(size=4 * CLIPS) + labels
        for system in ("A", "B"):
            columns = {"machine": f"m{m:02d}", "section": "00", "system": system, "clip": names}
            scores = latent + 0.5 * rng.normal(size=4 * CLIPS)
            tables[m, system] = pl.DataFrame({**columns, "score": scores, "label": labels, "domain": domains})
    both = pl.concat(tables.values())

    def loop() -> None:
        for m in range(MACHINES):
            scores = tables[m, "A"]["score"].to_numpy()
            for _ in range(LOOPED):
                drawn = np.concatenate([CLIPS * i + rng.integers(0, CLIPS, CLIPS) for i in range(4)])
                for domain in ("source", "target"):
                    own = drawn[(domains[drawn] == domain) | (labels[drawn] == 1)]
                    roc_auc_score(labels[own], scores[own])
                roc_auc_score(labels[drawn], scores[drawn], max_fpr=0.1)

    ours = cpu_seconds(lambda: intervals(both.filter(pl.col("system") == "A"), 2026, replicates=REPLICATES), times=3)
    theirs = cpu_seconds(loop, times=3) * REPLICATES / LOOPED
    pairs = cpu_seconds(lambda: differences(both, 2026), times=3)
    show("every two of two systems, 2,000 permutations: CPU", pairs, None, "s")
    return [
        show("intervals, 16 machines, 2,000 replicates: CPU", ours, 2.0, "s"),
        show("intervals over a scikit-learn loop", ours / theirs, 0.05, "times"),
    ]
