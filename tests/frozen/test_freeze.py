"""Freezing pins all that a run rests on, the same way every time, and refuses what is no longer as the run had it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pytest

import asdcore
from asdcore.compute import recipes
from asdcore.errors import DataError, ManifestError, StoreError
from asdcore.frozen.freeze import freeze
from asdcore.frozen.manifest.locations import roots_of
from asdcore.frozen.manifest.statement import read_manifest
from asdcore.frozen.verify import verify
from asdcore.runs.folder import TABLES, load_run
from asdcore.runs.writing import write_run
from asdcore.store.digests.digest import table_digest
from asdcore.store.digests.sealed_json import FIELD


def listing(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_every_file_that_counts_is_pinned_with_its_size_and_digest(whole):
    manifest = whole.manifest
    roots = roots_of(manifest, {})
    for subject in manifest.subjects.values():
        path = roots.locate(subject.name)
        if subject.kind == "record":
            assert (subject.size, subject.sha256) == (None, None)
            continue
        content = path.read_bytes()
        assert (subject.size, subject.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    sounds = {whole.name_of(path) for path in (whole.home / "data").rglob("*.wav")}
    assert {one.name for one in manifest.of_kind("audio")} == sounds
    shards = {whole.name_of(path) for path in (whole.home / "store" / "features").rglob("*.parquet")}
    assert {one.name for one in manifest.of_kind("features")} == shards
    assert Counter(one.kind for one in manifest.of_kind("table", "portfolio", "record")) == {
        "table": 5, "portfolio": 1, "record": 1,
    }  # fmt: skip
    code = {one.name for one in manifest.of_kind("code")}
    assert {"asdcore/pipeline.py", "asdcore/frozen/freeze.py", "asdcore/evidence/metrics.py"} <= code
    plugins = {one.name.split("/")[1].rpartition(".")[2] for one in manifest.of_kind("plugin")}
    assert plugins == {"dcase", "channels", "logmel", "knn", "mahalanobis", "median_iqr", "ecdf", "tail"}


def test_tables_and_features_are_pinned_by_content_too(whole):
    manifest, run = whole.manifest, load_run(whole.home / "run")
    tables = {one.name: one.content for one in manifest.of_kind("table")}
    assert tables == {f"run/{name}.parquet": digest for name, digest in run.about["tables"].items()}
    for one in manifest.of_kind("features"):
        assert one.content == table_digest(pl.read_parquet(whole.home / one.name), ("audio_sha256",))


def test_the_predicate_says_what_ran_and_on_what_ground(whole):
    said, run = whole.manifest.predicate, load_run(whole.home / "run")
    assert (said["name"], said["seed"], said["asdcore"]) == ("frozen", 1, asdcore.__version__)
    assert json.dumps(said["portfolio"], sort_keys=True) == json.dumps(run.about["portfolio"], sort_keys=True)
    assert said["roots"] == {"data": "data", "run": "run", "store": "store"}
    assert said["environment"]["packages"]["numpy"] == version("numpy")
    knn = next(row for row in said["plugins"] if row["plugin"].endswith(".knn"))
    assert (knn["distribution"], knn["version"], knn["components"]) == ("asdcore", asdcore.__version__, ["scorer knn"])
    assert {"data", "store", "seconds"}.isdisjoint(said["run"])
    assert said["looks"] == {"at_this_result": 0, "at_these_labels": 0, "in_this_store": 0}


def test_the_splits_of_out_of_fold_scores_are_on_record(whole):
    rows = whole.manifest.predicate["splits"]
    assert [(row["branch"], row["machine"]) for row in rows] == [
        (branch, machine) for branch in ("far_gauss", "near_knn") for machine in ("3DPrinter", "fan")
    ]
    assert {row["clips"] for row in rows} == {12}
    scores = load_run(whole.home / "run").scores.filter(role="oof")
    for row in rows:
        mine = scores.filter(branch=row["branch"], machine=row["machine"]).select("clip", "fold").unique()
        folds = mine["fold"].n_unique()
        assert row["scheme"] == ("leave-one-out" if mine["fold"].unique().to_list() == [-1] else f"{folds} folds")
        assert row["clip_and_fold"] == table_digest(mine, ("clip",))


def test_the_groups_that_train_normals_were_left_out_by_are_pinned(grouped, tmp_path):
    for by, named in (("auto", " by neighbours"), ("attribute", " by attribute"), ("clip", "")):
        said = read_manifest(freeze(grouped[by], tmp_path / f"{by}.json").path).predicate
        assert {row["scheme"] for row in said["splits"] if row["branch"] == "b"} == {f"leave-one-out{named}"}
        assert {row["scheme"] for row in said["splits"] if row["branch"] == "a"} == {
            f"leave-one-out{named}",
            f"5 folds{named}",
        }
        assert said["run"]["out_of_fold"] == grouped[by].about["out_of_fold"]
        assert said["portfolio"]["out_of_fold"]["by"] == by


def test_a_run_with_other_groups_is_another_run(grouped, tmp_path):
    """The record of groups, and the order of clips that they rest on, are both held to the manifest."""
    run = load_run(shutil.copytree(grouped["auto"].folder, tmp_path / "run"))
    manifest = freeze(run, tmp_path / "frozen.json").path
    assert verify(manifest).differences == []
    about = {key: value for key, value in run.about.items() if key not in ("schema", "tables", FIELD)}
    tables = {name: getattr(run, name) for name in TABLES}
    fewer = json.loads(json.dumps(about["out_of_fold"]))
    fewer[0]["domains"]["source"]["range"] = 0
    write_run(run.folder, tables, {**about, "out_of_fold": fewer})
    assert [str(one) for one in verify(manifest).differences] == ["changed: run/run.json (it differs in out_of_fold)"]
    shuffled = tables["clips"].with_columns(order=pl.when(pl.col("split") == "train").then(-pl.col("order")))
    write_run(run.folder, {**tables, "clips": shuffled}, about)
    assert "run/clips.parquet" in {one.artifact for one in verify(manifest).differences}


def test_the_looks_at_the_labels_are_counted(frozen):
    run = frozen.run()
    asdcore.evaluate(run)
    asdcore.evaluate(run)
    looks = {"at_this_result": 2, "at_these_labels": 2, "in_this_store": 2}
    assert read_manifest(frozen.freeze()).predicate["looks"] == looks


def test_two_freezes_of_one_run_differ_in_the_seal_alone(frozen, monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    first = frozen.manifest
    again = read_manifest(frozen.freeze("frozen.json", None))
    assert again.sha256 != first.sha256
    assert again.subjects == first.subjects
    said = [dict(manifest.predicate) for manifest in (first, again)]
    assert [one.pop(FIELD).split(" ")[0] == "2026-06-01T00:00:00Z" for one in said] == [True, False]
    assert said[0] == said[1]


def test_a_given_time_gives_the_same_bytes(frozen, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1780272000")
    assert frozen.freeze("again.json", None).read_bytes() == frozen.path.read_bytes()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_all_that_changed_since_the_run_is_said_at_once_and_nothing_is_written(frozen):
    run, clip = frozen.run().folder, frozen.clip
    flip(clip)
    gone = clip.with_name(clip.name.replace("0000", "0001"))
    gone.unlink()
    (run / "portfolio.json").write_text((run / "portfolio.json").read_text().replace("0.5", "0.6"))
    before = listing(frozen.home)
    with pytest.raises(ManifestError) as caught:
        freeze(run, frozen.home / "m.json")
    assert str(caught.value).splitlines() == [
        "This run cannot be frozen:",
        f"  - {frozen.name_of(clip)}: changed since the run",
        f"  - {frozen.name_of(gone)}: missing",
        "  - run/portfolio.json: changed since the run",
    ]
    assert listing(frozen.home) == before


@pytest.mark.parametrize("table", ["clips", "scores", "decisions"])
def test_a_table_that_is_not_the_run_s_is_refused(frozen, table):
    run = frozen.run()
    path = run.folder / f"{table}.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(StoreError, match=rf"{table}.parquet .*Run the portfolio again into"):
        freeze(run, frozen.home / "m.json")
    assert not (frozen.home / "m.json").exists()


def test_features_that_are_damaged_or_gone_are_refused(frozen):
    run, shard = frozen.run(), frozen.shard
    content = shard.read_bytes()
    shard.write_bytes(content[:-9])
    with pytest.raises(StoreError, match="is damaged, perhaps cut short"):
        freeze(run, frozen.home / "m.json")
    shard.unlink()
    with pytest.raises(ManifestError, match="lacks the features of .* clips of this run. Run the portfolio again"):
        freeze(run, frozen.home / "m.json")


def test_a_clip_behind_a_link_out_of_the_data_is_refused(frozen):
    run, clip = frozen.run().folder, frozen.clip
    shutil.move(clip, frozen.home / "elsewhere.wav")
    clip.symlink_to(frozen.home / "elsewhere.wav")
    with pytest.raises(ManifestError, match=f"{clip.name}: a link leads out of its root"):
        freeze(run, frozen.home / "m.json")


def test_another_version_of_a_library_is_refused(whole, monkeypatch):
    versions = recipes.library_versions() | {"numpy": "0.1"}
    monkeypatch.setattr("asdcore.frozen.pinning.unchanged_code.library_versions", lambda: versions)
    with pytest.raises(ManifestError, match=rf"have changed since(.|\n)*numpy was {version('numpy')}, it is 0.1"):
        whole.freeze("never.json")
    assert not (whole.home / "never.json").exists()


def test_other_code_is_refused(whole, monkeypatch):
    monkeypatch.setattr("asdcore.frozen.pinning.unchanged_code.files_digest", lambda *_: "another")
    with pytest.raises(ManifestError, match="asdcore's own source has changed since"):
        whole.freeze("never.json")


def test_an_inference_is_not_frozen(frozen):
    run = frozen.run(manifest={"name": "frozen"})
    with pytest.raises(ManifestError, match="is an inference, which has a manifest already"):
        freeze(run, frozen.home / "m.json")


def test_what_is_no_run_is_not_frozen(tmp_path):
    with pytest.raises(DataError, match="is not a finished run"):
        freeze(tmp_path, tmp_path / "m.json")


def test_a_place_or_time_that_will_not_do_is_refused_before_the_work(whole, tmp_path, monkeypatch):
    monkeypatch.setattr("asdcore.frozen.freeze._Freeze", lambda *_: pytest.fail("it began"))
    (tmp_path / "m.json").write_text("my thesis")
    for wrong in ({"out": tmp_path / "m.json"}, {"out": tmp_path}, {"out": tmp_path / "new.json", "time": ""}):
        with pytest.raises(ManifestError):
            freeze(whole.home / "run", **wrong)
    assert (tmp_path / "m.json").read_text() == "my thesis"
    assert [path.name for path in tmp_path.iterdir()] == ["m.json"]


def test_a_manifest_may_lie_in_the_run_folder(frozen):
    path = frozen.freeze("run/frozen.json")
    (frozen.home / "run" / "frozen.json.sig").write_text("")
    assert verify(path).differences == []


def test_recordings_that_the_run_did_not_take_are_listed_not_pinned(frozen):
    for name in ("fan/supplemental/a.wav", "fan/notes.txt", ".hidden.wav"):
        (frozen.home / "data" / name).parent.mkdir(exist_ok=True)
        (frozen.home / "data" / name).write_text("")
    strange = os.fsdecode(b"fan/supplemental/\xff.wav")
    (frozen.home / "data" / strange).write_text("")
    manifest = read_manifest(frozen.freeze())
    assert manifest.predicate["set_aside"] == [r"fan/supplemental/\xff.wav", "fan/supplemental/a.wav"]
    assert verify(manifest.path).differences == []


def test_names_are_kept_as_they_are_spelt(tmp_path, make_dataset, simple):
    """One letter may be one character or two: what is two files on disk is two names."""
    root = make_dataset(tmp_path / "dätä", ("Lüfter",), source=6, target=3, test=1)
    clips = sorted((root / "Lüfter" / "train").iterdir())
    for clip, accent in zip(clips, ("é", "e\u0301"), strict=False):
        clip.rename(clip.with_name(clip.name.replace("spd", accent)))
    run = asdcore.run(simple, root, tmp_path / "rün", store=tmp_path / "störe")
    manifest = freeze(run, tmp_path / "frozen.json")
    assert {one.name for one in manifest.of_kind("audio")} == {
        f"data/{path.relative_to(root).as_posix()}" for path in root.rglob("*.wav")
    }
    assert verify(manifest.path).differences == []


def test_a_store_that_other_runs_filled_too_can_be_frozen_from(tmp_path, make_dataset, simple):
    """Two runs that overlap leave files of features that hold the same clips, of which one is read."""
    root, store = make_dataset(tmp_path / "data", source=8, target=4, test=1), tmp_path / "store"
    shutil.copytree(root / "fan", tmp_path / "half" / "fan")
    text = simple.read_text()
    asdcore.run(simple, tmp_path / "half", tmp_path / "first", store=store)
    (first,) = (store / "features").rglob("*.parquet")
    # The last by name is read; names are digests, so which that is is up to chance.
    first = first.rename(first.with_name(f"{'0' * 64}.parquet"))
    branch = '[branches.more]\nencoder = { name = "logmel", pooling = "max" }\nscorer = "knn"\n\n[systems'
    simple.write_text(text.replace("[systems", branch))
    manifest = freeze(asdcore.run(simple, root, tmp_path / "second", store=store), tmp_path / "frozen.json")
    pinned = {tmp_path / one.name for one in manifest.of_kind("features")}
    assert pinned == set((store / "features").rglob("*.parquet")) - {first}
    assert verify(manifest.path).differences == []


WATCHED = """
import os, sys
from asdcore.frozen.freeze import freeze

def watch(event, args):
    if event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        print("write", args[0])
    if event in ("os.rename", "os.remove", "os.rmdir", "os.truncate"):
        print(event, *args[: 2 if event == "os.rename" else 1])

sys.addaudithook(watch)
freeze(sys.argv[1], sys.argv[2])
"""


def test_freezing_writes_nothing_but_the_manifest(whole, tmp_path):
    command = [sys.executable, "-B", "-c", WATCHED, str(whole.home / "run"), str(tmp_path / "m.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    events = [line.split() for line in done.stdout.splitlines()]
    (beside,) = {Path(path).parent for event, path, *_ in events if event == "write"}
    assert (beside.parent, beside.name[:9]) == (tmp_path, ".writing-")
    assert [tuple(map(Path, paths)) for event, *paths in events if event == "os.rename"] == [
        (beside / "m.json", tmp_path / "m.json")
    ]
    # What is removed is what was made beside it: a path without a folder is relative to one that is removed.
    removed = {Path(path) for event, path, *_ in events if event == "os.remove"}
    assert removed <= {Path("lock"), Path("m.json"), beside / "lock", beside / "m.json", beside, Path(beside.name)}
    assert [one.name for one in tmp_path.iterdir() if one.name != "store"] == ["m.json"]
