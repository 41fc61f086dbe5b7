"""Tables built anew from the recordings are the frozen ones, or it is said how far they are apart."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

import asdcore
from asdcore.frozen.freeze import freeze
from asdcore.frozen.verify import verify
from asdcore.frozen.verifying.differences import CHANGED
from asdcore.runs.folder import TABLES, load_run
from asdcore.runs.writing import write_run
from asdcore.store.digests.sealed_json import FIELD
from asdcore.store.fitted_state import read_state, write_state


@pytest.fixture
def on_other_kernels(resealed):
    """A function that makes a manifest say that it was frozen with another kernel."""

    def edit(path):
        def change(statement):
            statement["predicate"]["environment"]["kernels"]["variables"]["OPENBLAS_CORETYPE"] = "Core2"

        return resealed(path, change)

    return edit


def test_a_run_comes_out_again_to_the_last_bit(whole):
    result = whole.verify(recompute=True)
    assert result.differences == []
    pinned = load_run(whole.home / "run").about["tables"]
    assert [(row["table"], row["found"], row["same"], row["max_abs_diff"]) for row in result.recomputed] == [
        (name, pinned[name], True, 0.0) for name in TABLES
    ]


def test_run_folder_and_store_may_be_absent(frozen):
    for name in ("run", "store"):
        shutil.rmtree(frozen.home / name)
    assert {one.kind for one in frozen.verify().differences} == {"missing"}
    result = frozen.verify(recompute=True)
    assert result.differences == []
    assert [row["same"] for row in result.recomputed] == [True] * len(TABLES)
    assert [note.split(" folder")[0] for note in result.notes] == ["the run", "the store"]
    assert not (frozen.home / "run").exists()
    assert not (frozen.home / "store").exists()


def test_numbers_that_do_not_come_out_again_are_said_with_their_distance(frozen, nudged):
    moved = {"scores": ("score", 1e-9), "calibrated": ("z", 0.25), "systems": ("penalty", 0.5)}
    turned = pl.when(pl.int_range(pl.len()) == 0).then(1 - pl.col("decision")).otherwise(pl.col("decision"))
    path = frozen.doctored(
        **{table: nudged(*change) for table, change in moved.items()},
        decisions=lambda frame: frame.with_columns(turned.cast(pl.Int8).alias("decision")),
    )
    assert verify(path).differences == []
    result = verify(path, recompute=True)
    distances = {row["table"]: row["max_abs_diff"] for row in result.recomputed}
    expected = {"clips": 0.0, "decisions": 1.0, **{table: by for table, (_, by) in moved.items()}}
    assert distances == pytest.approx(expected, rel=1e-6)
    assert [(one.kind, one.group) for one in result.differences] == [(CHANGED, "recomputed")] * 4
    assert {one.artifact: one.detail for one in result.differences} == {
        f"run/{name}.parquet": f"built anew it differs by up to {by:.3g}, 0 is allowed"
        for name, by in expected.items()
        if by
    }
    assert set(result.affected) == {"near/fan/00", "near/3DPrinter/00", "guarded/fan/00", "guarded/3DPrinter/00"}


@pytest.mark.parametrize("change", [lambda frame: frame[1:], lambda frame: frame.with_columns(role=pl.lit("test"))])
def test_rows_that_do_not_come_out_again_have_no_distance(frozen, change):
    path = frozen.doctored(calibrated=lambda frame: change(frame.filter(role="oof")))
    result = verify(path, recompute=True)
    assert [row["max_abs_diff"] for row in result.recomputed if not row["same"]] == [None]
    assert "it differs in its rows, or the frozen one is not here to compare" in str(result.differences[0])


def test_a_changed_recording_gives_other_tables(frozen):
    content = bytearray(frozen.clip.read_bytes())
    content[2000] ^= 64
    frozen.clip.write_bytes(content)
    result = frozen.verify(recompute=True)
    assert [one.artifact for one in result.differences if one.group == "audio"] == [frozen.name_of(frozen.clip)]
    distances = {row["table"]: row["max_abs_diff"] for row in result.recomputed}
    assert distances["clips"] is None  # another digest
    assert distances["scores"] > 0


def test_recordings_that_cannot_be_read_are_a_difference_not_a_crash(frozen):
    frozen.clip.write_bytes(b"")
    result = frozen.verify(recompute=True)
    assert result.recomputed == []
    (found,) = (one for one in result.differences if one.group == "recomputed")
    assert "cannot be built anew: " in found.detail
    assert frozen.clip.name in found.detail
    shutil.rmtree(frozen.home / "data")
    assert any("cannot be built anew" in one.detail for one in frozen.verify(recompute=True).differences)


def test_no_plugin_is_loaded_that_is_not_pinned_in_no_process(whole, tmp_path):
    site = tmp_path / "site"
    info = site / "theirs-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[asdcore]\ntheirs = theirs\n")
    (site / "theirs.py").write_text(f"open({str(tmp_path / 'was run')!r}, 'w').close()\n")
    code = (
        "import sys\n"
        "from asdcore.frozen.verify import verify\n"
        "if __name__ == '__main__':\n"
        f"    sys.path.insert(0, {str(site)!r})\n"
        f"    result = verify({str(whole.path)!r}, recompute=True, workers=2)\n"
        "    print(result.differences, len(result.recomputed), 'theirs' in sys.modules)\n"
    )
    (tmp_path / "script.py").write_text(code)
    done = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", str(len(TABLES)), "False"]
    assert not (tmp_path / "was run").exists()


def test_a_record_of_other_groups_than_the_recordings_have_is_found(grouped, tmp_path):
    """A run and its manifest agree on a range that is too small: only the recordings tell."""
    run = load_run(shutil.copytree(grouped["auto"].folder, tmp_path / "run"))
    about = {key: value for key, value in run.about.items() if key not in ("schema", "tables", FIELD)}
    said = json.loads(json.dumps(about["out_of_fold"]))
    source = said[0]["domains"]["source"]
    source |= {"range": 0, "groups": source["clips"]}
    run = write_run(run.folder, {name: getattr(run, name) for name in TABLES}, {**about, "out_of_fold": said})
    manifest = freeze(run, tmp_path / "frozen.json").path
    assert verify(manifest).differences == []
    result = verify(manifest, recompute=True)
    assert [row["same"] for row in result.recomputed] == [True] * len(TABLES)
    assert [str(one) for one in result.differences] == [
        "changed: run/run.json (built anew, out_of_fold has other groups of train normals at fan section 00)"
    ]
    assert not verify(freeze(grouped["auto"], tmp_path / "true.json").path, recompute=True).differences


def forge(frozen, change):
    """Write another state of a scorer into the store, with its seal and its probe made right, and freeze the run."""
    for path in sorted((frozen.home / "store" / "fitted").iterdir()):
        kept = read_state(path)
        if kept.about["name"] == "mahalanobis":
            break
    state = copy.deepcopy(kept.state)
    (gaussian,) = (part["gaussian"] for part in state["state"]["parts"].values())
    gaussian["variances"] = change(gaussian["variances"])
    scorer = asdcore.load_scorer("mahalanobis").restore(state["state"])
    scores = scorer.score(kept.state["probe_features"].copy())
    state["probe"] = {name: float(scores[name][0]) for name in kept.state["probe"]}
    path.unlink()
    write_state(path, state, kept.about)
    return frozen.freeze("forged.json"), frozen.name_of(path)


def test_a_state_that_was_forged_before_the_freeze_with_its_probe_is_found(frozen, on_other_kernels):
    manifest, name = forge(frozen, lambda variances: variances * np.linspace(1, 3, len(variances)))
    assert verify(manifest).differences == []
    (found,) = verify(manifest, recompute=True).differences
    assert (found.kind, found.group, found.artifact) == (CHANGED, "fitted", name)
    assert "fitted anew it has learnt something else: probe" in found.detail
    result = verify(on_other_kernels(manifest), recompute=True)
    assert {one.group for one in result.differences} == {"kernels"}
    assert any("scores of" in one.detail for one in result.differences)


def test_a_state_that_another_kernel_rounded_is_none_that_was_forged(frozen):
    manifest, _ = forge(frozen, lambda variances: variances * (1 + 1e-12))
    assert verify(manifest, recompute=True).differences == []
