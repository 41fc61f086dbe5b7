"""A report of 9 machines and 8 systems stays below 5 MB, even where no two of their tails share a clip."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace

import numpy as np
import polars as pl
import soundfile

from asdcore.reporting import page
from asdcore.reporting.machines.machines import TAIL, brief, machine_parts
from asdcore.reporting.machines.pictures import tail_pictures
from asdcore.reporting.sections.maps import chosen, clip_parts, principal_axes

MACHINES, SYSTEMS, FEATURES = 9, 8, 4
LIMIT = 5_000_000


def challenge_cell():
    """One machine as the challenge has it: 990 + 10 train normals, 200 test clips, names with three attributes."""
    rng = np.random.default_rng(0)
    rows = []
    for split, domain, label, n in (("train", "source", None, 990), ("train", "target", None, 10),
                                    ("test", "source", 0, 50), ("test", "target", 0, 50),
                                    ("test", "source", 1, 50), ("test", "target", 1, 50)):  # fmt: skip
        for i in range(n):
            attributes = f"speed_{i % 28}V_load_{i % 7}_noise_{i % 3}"
            said = "anomaly" if label else "normal"
            name = f"AirCompressor/{split}/section_00_{domain}_{split}_{said}_{i:04d}_{attributes}.wav"
            rows.append((name, "AirCompressor", "00", split, domain, label, attributes, rng.bytes(32).hex()))
    columns = ["clip", "machine", "section", "split", "domain", "label", "attributes", "sha256"]
    clips = pl.DataFrame(rows, schema=columns, orient="row", infer_schema_length=None)
    base = rng.standard_normal(len(clips)) + clips["label"].fill_null(0).to_numpy()
    penalty = np.maximum(base - 1.5, 0) / 3
    role = pl.when(pl.col("split") == "train").then(pl.lit("oof")).otherwise(pl.lit("test"))
    scored = clips.with_columns(system=pl.lit("guarded"), role=role, base=base, penalty=penalty, threshold=1.5)
    scored = scored.with_columns(score=pl.col("base") - pl.col("penalty"))
    return SimpleNamespace(clips=clips, rows=scored, year=2026, title=str)


def test_a_full_report_is_below_five_megabytes(tmp_path):
    subject = challenge_cell()
    ((_, _, part),) = machine_parts(subject)
    ((_, clips),) = clip_parts(subject)
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((len(chosen(subject.clips)), 16))
    points = [list(map(brief, one.tolist())) for one in principal_axes(vectors, vectors)[0].T]
    soundfile.write(tmp_path / "noise.wav", 0.1 * rng.standard_normal(160000), 16000)  # nothing compresses worse
    digest = hashlib.sha256((tmp_path / "noise.wav").read_bytes()).hexdigest()
    pictures = tail_pictures({digest[:16]: (tmp_path / "noise.wav", digest)}, sound=False)
    size = MACHINES * (SYSTEMS * len(page._json(part)) + len(page._json(clips)) + FEATURES * len(json.dumps(points)))
    size += MACHINES * SYSTEMS * TAIL * len(page._json(pictures))
    assert size + len(page.libraries()) + 200_000 < LIMIT  # charts, text and provenance are the rest
