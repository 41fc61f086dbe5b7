"""Finished runs without any sound: made-up scores, and recordings that are names alone."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import polars as pl
import pytest

from asdcore.portfolio import parse_portfolio
from asdcore.runs.writing import write_run
from asdcore.stages.decide import decide
from asdcore.store.tables import CALIBRATED, CLIP_INDEX, SCORES, SYSTEMS

TRAIN = {"source": 40, "target": 10}
NORMAL, ANOMALY = "normal", "anomaly"


def clip_index(machines, n):
    """Return a clip index, and beside it the label of every clip."""
    rows = []
    for machine, domain in itertools.product(machines, TRAIN):
        for i in range(TRAIN[domain]):
            name = f"{machine}/train/section_00_{domain}_train_normal_{i:04d}_x.wav"
            rows.append((name, machine, "train", domain, NORMAL))
        for label in (NORMAL, ANOMALY):
            for i in range(n):
                name = f"{machine}/test/section_00_{domain}_test_{label}_{i:04d}_x.wav"
                rows.append((name, machine, "test", None, label))
    return pl.DataFrame(rows, schema=["clip", "machine", "split", "domain", "label"], orient="row").with_columns(
        section=pl.lit("00"),
        attributes=pl.lit("x"),
        channels=pl.lit(1, pl.Int32),
        sample_rate=pl.lit(16000, pl.Int32),
        n_samples=pl.lit(16000, pl.Int64),
        sha256=pl.col("clip").map_elements(lambda name: hashlib.sha256(name.encode()).hexdigest(), pl.String),
    )


@pytest.fixture
def make_run(tmp_path):
    """A function that writes a finished run.

    effects : {system: {machine: how far anomalies lie above normals, in standard deviations}}. Noise comes from
    ``seed`` and the system's name; ``shift`` moves the target's normals. ``mirrors`` : {mirror: system}.
    """

    def make(name, effects, *, n=20, seed=0, shift=0.0, mirrors=None, decision=None, data="data"):
        machines = sorted(next(iter(effects.values())))
        clips = clip_index(machines, n)
        for clip in clips.filter(split="test")["clip"]:
            path = tmp_path / data / clip
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        branch = {"encoder": "logmel", "scorer": "knn"}
        plan = parse_portfolio(
            {
                "name": name,
                "branches": {"b": branch},
                "systems": {one: {"weights": {"b": 1.0}} for one in effects if one not in (mirrors or {})}
                | {one: {"out_of_fold_mirror_of": other} for one, other in (mirrors or {}).items()},
                "decision": decision or {},
            }
        )
        systems = pl.concat(scored(clips, system, effects[system], seed, shift) for system in effects)
        index = CLIP_INDEX.check(clips.drop("label"))
        z = systems.filter(system=next(iter(effects))).select("clip", "role", z="score", branch=pl.lit("b"))
        tables = {
            "clips": index,
            "scores": pl.DataFrame(schema=SCORES.columns),
            "calibrated": CALIBRATED.check(z),
            "systems": SYSTEMS.check(systems),
            "decisions": decide(systems, index, plan.decision),
        }
        about = {
            "portfolio": plan.model_dump(mode="json"),
            "portfolio_digest": plan.digest,
            "task": "dcase2026",
            "year": 2026,
            "data": str(tmp_path / data),
            "store": str(tmp_path / "store"),
        }
        return write_run(tmp_path / "runs" / name, tables, about)

    return make


def scored(clips, system, effects, seed, shift):
    """Return the rows of one system: standard normal noise, anomalies moved up."""
    digest = hashlib.sha256(f"{seed}|{system}".encode()).digest()
    noise = np.random.default_rng(int.from_bytes(digest[:8], "big")).standard_normal(len(clips))
    anomalous = (clips["label"] == ANOMALY).to_numpy()
    target = clips["clip"].str.contains("_target_").to_numpy()
    above = np.array([effects[machine] for machine in clips["machine"]])
    score = noise + anomalous * above + (target & ~anomalous) * shift
    return clips.select(
        "clip",
        system=pl.lit(system),
        role=pl.when(pl.col("split") == "train").then(pl.lit("oof")).otherwise(pl.lit("test")),
        base=pl.Series(score),
        penalty=pl.lit(0.0),
        score=pl.Series(score),
    )
