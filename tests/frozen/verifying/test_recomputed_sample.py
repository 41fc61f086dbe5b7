"""Another processor is a reason to prove: the frozen bytes come out here too, or what differs is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

import asdcore
from asdcore.compute.kernels import UNSET
from asdcore.frozen.freeze import freeze
from asdcore.frozen.verify import verify
from asdcore.frozen.verifying import recomputed_sample
from asdcore.store.cache import FeatureSet
from asdcore.store.digests.sealed_json import FIELD
from asdcore.store.fitted_state import read_state, write_state

NOW = os.environ.get("OPENBLAS_CORETYPE", UNSET)
CORE2 = f"OPENBLAS_CORETYPE was Core2, is {NOW}"


@pytest.fixture
def on_core2(resealed):
    """A function that makes a manifest say that it was frozen with another kernel."""

    def edit(path):
        def change(statement):
            statement["predicate"]["environment"]["kernels"]["variables"]["OPENBLAS_CORETYPE"] = "Core2"

        return resealed(path, change)

    return edit


def test_on_the_kernels_of_the_freeze_nothing_is_computed(frozen, monkeypatch):
    monkeypatch.setattr(recomputed_sample, "prove", None)
    monkeypatch.setattr("asdcore.frozen.verify.prove", None)
    result = frozen.verify()
    assert (result.passed, list(result.kernels), list(result.notes)) == (True, [], [])


def test_on_another_kernel_the_sample_is_said_with_the_kernel(frozen, on_core2):
    result = verify(on_core2(frozen.path))
    assert (result.passed, list(result.differences)) == (True, [])
    assert result.notes == [
        "this machine computes the frozen bytes (sample: features of 2 train normals from the recording, scores of "
        "2 test clips and of every scorer's probe, 2 branches, and the tables calibrated, systems and decisions), "
        f"though {CORE2}."
    ]
    assert [tuple(change) for change in result.kernels] == [("OPENBLAS_CORETYPE", "Core2", NOW)]
    assert result.as_json()["kernels"] == [{"kernel": "OPENBLAS_CORETYPE", "was": "Core2", "now": NOW}]


def test_the_command_says_it_too(frozen, on_core2, asdcore_command):
    done = asdcore_command("verify", on_core2(frozen.path))
    assert done.code == 0
    assert f"though {CORE2}" in done.out
    assert "pinned artifacts are as they were frozen" in done.out


def test_a_manifest_older_than_the_record_of_kernels_is_proven(frozen, resealed):
    path = resealed(frozen.path, lambda statement: statement["predicate"]["environment"].pop("kernels"))
    result = verify(path)
    assert result.passed
    assert "though the code that libraries chose was not recorded, is " in result.notes[0]


@pytest.mark.parametrize("kernels", [1, {"variables": []}, {"openblas": {"numpy": 3}}, {"numpy_simd": "X86_V3"}])
def test_a_record_of_another_form_is_refused_in_one_message(frozen, resealed, kernels):
    path = resealed(frozen.path, lambda statement: statement["predicate"]["environment"].update(kernels=kernels))
    with pytest.raises(Exception, match=r"predicate\.environment\.kernels"):
        verify(path)


def test_scores_that_do_not_come_out_are_named_with_branch_machine_distance_and_kernel(frozen, on_core2):
    def moved(frame):
        here = (pl.col("branch") == "far_gauss") & (pl.col("machine") == "fan") & (pl.col("role") == "test")
        return frame.with_columns(pl.when(here).then(pl.col("score") + 1e-9).otherwise("score").alias("score"))

    result = verify(on_core2(frozen.doctored(scores=moved)))
    differing = {difference.artifact: difference for difference in result.differences}
    assert set(differing) - {"run/calibrated.parquet"} == {"branch/far_gauss/fan/00"}
    detail = differing["branch/far_gauss/fan/00"].detail
    assert detail.startswith("the scores of fan/test/")
    assert " differ here by up to 1e-09 (" in detail
    assert detail.endswith(f"0 is allowed; {CORE2}")
    assert "guarded/fan/00" in result.affected


def test_a_scorer_whose_probe_does_not_come_out_is_named(frozen, on_core2):
    path = next(
        path
        for path in sorted((frozen.home / "store" / "fitted").glob("*"))
        if read_state(path).about["name"] == "mahalanobis"
    )
    kept = read_state(path)
    probe = {reference: score * 1.001 for reference, score in kept.state["probe"].items()}
    write_state(path, {**kept.state, "probe": probe}, kept.about)
    result = verify(on_core2(frozen.freeze()))
    (difference,) = result.differences
    assert difference.artifact.startswith("branch/far_gauss/")
    assert difference.detail.startswith("the scores of its probe differ here by up to ")
    assert "(1.0e-03 of the largest)" in difference.detail


EVERY_KIND = """
name = "every-kind"
folds = 3

[branches.plain]
encoder = { name = "logmel", n_mels = 16 }
scorer = { name = "knn" }

[branches.by_domain]
encoder = { name = "logmel", n_mels = 16 }
scorer = { name = "knn" }
normalizer = { name = "median_iqr", scope = "domain_min" }

[branches.in_folds]
encoder = { name = "logmel", n_mels = 16 }
scorer = { name = "gmm", components = 1 }

[systems.apart]
weights = { plain = 1.0, by_domain = 1.0, in_folds = 1.0 }

[systems.mirror]
out_of_fold_mirror_of = "apart"
"""


def test_shared_scores_folds_a_mirror_and_a_machine_without_test_clips_are_proven(make_dataset, on_core2, tmp_path):
    data = make_dataset(tmp_path / "data", source=8, target=4, test=2)
    for clip in (data / "fan" / "test").iterdir():
        clip.unlink()
    (tmp_path / "portfolio.toml").write_text(EVERY_KIND)
    run = asdcore.run(tmp_path / "portfolio.toml", data, tmp_path / "run", task="dcase2026", store=tmp_path / "store")
    result = verify(on_core2(freeze(run, tmp_path / "frozen.json").path))
    assert list(result.differences) == []
    assert "2 test clips and of every scorer's probe, 3 branches" in result.notes[0]


@pytest.mark.parametrize(
    ("table", "column", "shown"),
    [("calibrated", "z", ["calibrated", "systems"]), ("systems", "score", ["systems"])],
)
def test_a_table_that_does_not_follow_from_the_one_before_is_named(frozen, on_core2, table, column, shown, nudged):
    result = verify(on_core2(frozen.doctored(**{table: nudged(column, 0.25)})))
    named = [difference.artifact for difference in result.differences]
    assert named[: len(shown)] == [f"run/{name}.parquet" for name in shown]
    assert "by up to 0.25" in result.differences[0].detail


def test_features_that_do_not_come_out_are_named_with_the_recording(frozen, on_core2):
    clip = frozen.run().clips.filter(pl.col("split") == "train").row(0, named=True)
    for shard in sorted((frozen.home / "store" / "features").rglob("*.parquet")):
        table = pl.read_parquet(shard)
        if clip["sha256"] in table["audio_sha256"]:
            vectors = FeatureSet(shard.parent).load(table["audio_sha256"].to_list())
            shard.unlink()
            FeatureSet(shard.parent).write(table["audio_sha256"].to_list(), list(vectors * np.float32(1 + 1e-6)))
            break
    result = verify(on_core2(frozen.freeze()))
    features = [difference for difference in result.differences if "the features of" in difference.detail]
    assert len({difference.artifact.split("/")[1] for difference in features}) == 1
    assert f"the features of {clip['clip']} differ here by up to" in features[0].detail
    assert "e-0" in features[0].detail


def test_what_to_type_next_names_the_variable(frozen, on_core2, asdcore_command, nudged):
    path = on_core2(frozen.doctored(systems=nudged("score", 1e-12)))
    done = asdcore_command("verify", path)
    assert done.code == 1
    assert "what this processor computes: " in done.out
    assert "this machine does not compute the frozen bytes (sample: " in done.out
    assert f"systems and decisions): {CORE2}." in done.out
    assert f"asdcore verify {path} --recompute says how far every table is" in done.out
    assert f"With the kernels of the freeze: env OPENBLAS_CORETYPE=Core2 asdcore verify {path}" in done.out


def test_nothing_is_proven_while_files_differ_and_that_is_said(frozen, on_core2):
    path = on_core2(frozen.path)
    frozen.clip.unlink()
    result = verify(path)
    assert [difference.group for difference in result.differences] == ["audio"]
    assert result.notes == [
        f"whether this machine computes the frozen bytes was not proven, since files or versions differ: {CORE2}."
    ]


def test_a_recording_that_fails_meanwhile_is_no_proof(frozen, on_core2, monkeypatch):
    monkeypatch.setattr(
        recomputed_sample.embed, "embed_new", lambda job: [(path, "it is cut short") for path, _ in job.clips]
    )
    result = verify(on_core2(frozen.path))
    assert not result.passed
    assert "cannot be computed again" in result.differences[0].detail
    assert "it is cut short" in result.differences[0].detail


def test_recomputing_is_the_proof(frozen, on_core2, nudged):
    result = verify(on_core2(frozen.path), recompute=True)
    assert result.passed
    assert result.notes == [f"this machine computes the frozen bytes (every table was built anew), though {CORE2}."]
    spoilt = verify(on_core2(frozen.doctored(systems=nudged("score", 1e-12))), recompute=True)
    assert spoilt.notes == [f"these tables were built anew on other kernels: {CORE2}."]
    assert "e-12, 0 is allowed" in spoilt.differences[0].detail


def test_the_kernels_are_those_of_the_run_and_not_of_the_freeze(frozen):
    """A run on one machine may be frozen on another."""
    processor = frozen.run().about["processor"]
    processor["kernels"]["variables"]["OPENBLAS_CORETYPE"] = "Core2"
    run = frozen.run(processor=processor)
    assert "processor" not in run.meaning
    path = freeze(run, frozen.home / "again.json").path
    assert [str(change) for change in verify(path).kernels] == [CORE2]


def test_a_run_older_than_the_record_is_frozen_with_the_kernels_of_now(frozen):
    run = frozen.run(processor={})
    path = freeze(run, frozen.home / "again.json").path
    assert list(verify(path).kernels) == []


def test_the_variable_that_no_manifest_knew_is_named(frozen):
    """Found on 2026-11-28: with this variable changed on one machine, verify said that all was as frozen."""
    other = {**os.environ, "OPENBLAS_CORETYPE": "Nehalem"}
    command = [sys.executable, "-m", "asdcore", "verify", str(frozen.path), "--json"]
    done = subprocess.run(command, env=other, capture_output=True, text=True, check=False)
    result = json.loads(done.stdout)
    assert result["kernels"][0] == {"kernel": "OPENBLAS_CORETYPE", "was": NOW, "now": "Nehalem"}
    assert f"OPENBLAS_CORETYPE was {NOW}, is Nehalem" in " ".join(result["notes"])
    assert {difference["group"] for difference in result["differences"]} <= {"kernels"}


def test_the_record_is_what_the_seal_covers(frozen, on_core2):
    statement = json.loads(on_core2(frozen.path).read_bytes())
    assert statement["predicate"][FIELD]
    assert statement["predicate"]["environment"]["kernels"]["variables"]["OPENBLAS_CORETYPE"] == "Core2"
