"""Features go out of a run and come in again: the same scores, pinned by content, and refused where they do not fit."""

from __future__ import annotations

import json
import shutil

import numpy as np
import polars as pl
import pytest
import soundfile
from typer.testing import CliRunner

import asdcore
from asdcore import DataError, ManifestError, ResourceError
from asdcore.cli import app
from asdcore.preflight.complexity import complexity
from asdcore.store.digests.digest import file_digest


def plan_on(name, pooling="mean", scorer="knn"):
    encoder = {"name": "imported", "checkpoint": name, "pooling": pooling}
    branches = {"b": {"encoder": encoder, "scorer": scorer}}
    values = {"name": "p", "branches": branches, "systems": {"S": {"weights": {"b": 1}}}}
    return asdcore.Portfolio.model_validate(values)


@pytest.mark.parametrize("ending", [".npz", ".parquet", ""])
@pytest.mark.parametrize(
    ("branch", "pooling", "scorer"),
    [("b", "mean", "knn"), ("f", "frames", {"name": "temporal", "metric": "euclidean"})],
)
def test_a_branch_on_imported_features_gives_the_bits_of_the_encoder_that_made_them(
    exchanged, dataset, tmp_path, ending, branch, pooling, scorer
):
    table = asdcore.export_features(exchanged / "run", tmp_path / f"table{ending}", branch=branch)
    imported = asdcore.import_features(table, "mine", version="1", data=dataset)
    assert (imported.name, imported.unused) == ("mine-1", [])
    again = asdcore.run(plan_on("mine-1", pooling, scorer), dataset, tmp_path / "again")
    first = asdcore.load_run(exchanged / "run").scores.filter(pl.col("branch") == branch)
    assert again.scores.drop("branch").equals(first.drop("branch"))


def test_a_frozen_run_pins_imported_features_by_their_content(exchanged, dataset, tmp_path):
    table = asdcore.export_features(exchanged / "run", tmp_path / "table.npz", branch="b")
    imported = asdcore.import_features(table, "pinned", data=dataset, source="https://example.org/model")
    run = asdcore.run(plan_on("pinned"), dataset, tmp_path / "run")
    asdcore.freeze(run, tmp_path / "frozen.json")
    manifest = json.loads((tmp_path / "frozen.json").read_text())
    (resource,) = manifest["predicate"]["resources"]
    assert (resource["id"], resource["source"]) == ("pinned", "https://example.org/model")
    digests = {subject["name"]: subject["digest"].get("sha256") for subject in manifest["subject"]}
    assert digests["resource/pinned/features.safetensors"] == imported.sha256 == file_digest(imported.path)
    assert asdcore.verify(tmp_path / "frozen.json").passed
    with pytest.raises(
        ManifestError, match="branch .* has the encoder 'imported', which knows recordings and hears no"
    ):
        asdcore.export(tmp_path / "frozen.json", tmp_path / "deaf.asd")
    imported.path.unlink()
    shutil.copy(table, imported.path)
    assert not asdcore.verify(tmp_path / "frozen.json").passed


def test_an_inference_says_once_how_many_clips_lack_which_features(exchanged, dataset, tmp_path):
    table = asdcore.export_features(exchanged / "run", tmp_path / "table.npz", branch="b")
    asdcore.import_features(table, "known", version="1", data=dataset)
    run = asdcore.run(plan_on("known-1"), dataset, tmp_path / "run")
    asdcore.freeze(run, tmp_path / "frozen.json")
    clips = sorted((dataset / "fan" / "test").glob("*.wav"))[:3]
    (tmp_path / "new" / "fan" / "test").mkdir(parents=True)
    for number, clip in enumerate(clips):
        samples, rate = soundfile.read(clip, dtype="int16")
        soundfile.write(tmp_path / "new" / "fan" / "test" / clip.name, samples // (2 + number), rate)
    clip = tmp_path / "new" / "fan" / "test" / clips[0].name
    shutil.copy(clips[0], clip)
    with pytest.raises(DataError) as refused:
        asdcore.infer(tmp_path / "frozen.json", tmp_path / "new", tmp_path / "out")
    said = str(refused.value)
    assert said.startswith("encoder 'imported' with the features known-1 has no features of 2 of the 3 clips below")
    assert f"the first: fan/test/{clips[1].name}. The features are frozen" in said
    assert "asdcore features import TABLE --name NAME --version VERSION" in said
    assert not (tmp_path / "out").exists()
    for stranger in clips[1:]:
        (clip.parent / stranger.name).unlink()
    assert asdcore.infer(tmp_path / "frozen.json", tmp_path / "new", tmp_path / "out").decisions.height == 1


def test_the_same_features_are_imported_twice_and_others_need_another_version(exchanged, dataset, tmp_path):
    vectors = dict(np.load(asdcore.export_features(exchanged / "run", tmp_path / "table.npz", branch="b")))
    first = asdcore.import_features(tmp_path / "table.npz", "mine", data=dataset)
    assert asdcore.import_features(tmp_path / "table.npz", "mine", data=dataset) == first
    np.savez(tmp_path / "other.npz", **{name: array + 1 for name, array in vectors.items()})
    with pytest.raises(ResourceError, match=r"mine is in the registry, with other content. .* --version"):
        asdcore.import_features(tmp_path / "other.npz", "mine", data=dataset)
    assert asdcore.import_features(tmp_path / "other.npz", "mine", version="2", data=dataset).name == "mine-2"


def test_clips_are_named_by_other_folders_without_endings_or_by_digest(exchanged, dataset, tmp_path):
    run = asdcore.load_run(exchanged / "run")
    vectors = dict(np.load(asdcore.export_features(run, tmp_path / "table.npz", branch="b")))
    digests = dict(run.clips.select("clip", "sha256").rows())
    named = {
        "elsewhere": {f"/mnt/dcase/{clip}": array for clip, array in vectors.items()},
        "bare": {clip.removesuffix(".wav"): array.astype(np.float64) for clip, array in vectors.items()},
        "hashes": {digests[clip]: array for clip, array in vectors.items()},
    }
    found = set()
    for name, arrays in named.items():
        pl.DataFrame({"file": list(arrays), "embedding": [a.tolist() for a in arrays.values()]}).write_parquet(
            tmp_path / f"{name}.parquet"
        )
        np.savez(tmp_path / f"{name}.npz", **{"digest" * (name == "") + key: a for key, a in arrays.items()})
        found.add(asdcore.import_features(tmp_path / f"{name}.npz", name, data=dataset).sha256)
        found.add(asdcore.import_features(tmp_path / f"{name}.parquet", name, data=dataset).sha256)
    assert asdcore.import_features(tmp_path / "hashes.npz", "hashes").sha256 in found
    assert len(found) == 1


def test_what_does_not_fit_the_recordings_is_refused(exchanged, dataset, tmp_path):
    table = asdcore.export_features(exchanged / "run", tmp_path / "t.parquet", branch="b")
    frame = pl.read_parquet(table)

    def importing(changed):
        changed.write_parquet(tmp_path / "changed.parquet")
        return asdcore.import_features(tmp_path / "changed.parquet", "mine", data=dataset)

    with pytest.raises(DataError, match=r"no features of 1 of the 80 clips below .*, the first: fan/train/section_00"):
        importing(frame.filter(pl.col("clip") != frame["clip"][79]))
    with pytest.raises(DataError, match=r"80 of 80 digests are not those of the recordings, the first: 3DPrinter"):
        importing(frame.with_columns(audio_sha256=pl.lit("0" * 64)))
    with pytest.raises(DataError, match="None of its digests is that of a recording here"):
        importing(
            frame.drop("clip").with_columns(
                audio_sha256=pl.format("{}{}", pl.lit("0" * 62), pl.lit(""))
                + pl.int_range(80).cast(pl.String).str.zfill(2)
            )
        )
    with pytest.raises(DataError, match=r"names clips, such as 3DPrinter/.*--data"):
        asdcore.import_features(asdcore.export_features(exchanged / "run", tmp_path / "t.npz", branch="b"), "mine")
    with pytest.raises(DataError, match="is the same recording as another row, with other features"):
        one_digest = frame.with_columns(audio_sha256=pl.lit(frame["audio_sha256"][0]))
        one_digest.write_parquet(tmp_path / "one.parquet")
        asdcore.import_features(tmp_path / "one.parquet", "mine")
    more = pl.concat([frame, frame[:1].with_columns(clip=pl.lit("gone.wav"))])
    assert importing(more).unused == ["gone.wav"]
    with pytest.raises(ResourceError, match=r"'My Model' cannot name features: .*, such as 'my-model'"):
        asdcore.import_features(table, "My Model", data=dataset)


def test_a_name_that_no_file_system_takes_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", **{"ab" * 32: np.ones(2)})
    with pytest.raises(ResourceError, match=r"called xxxxx.*, 300 letters; at most 100 are allowed"):
        asdcore.import_features(tmp_path / "a.npz", "x" * 300)


def test_a_run_on_recordings_that_lack_features_is_refused_before_it_begins(exchanged, dataset, tmp_path):
    clips = asdcore.load_run(exchanged / "run").clips
    np.savez(tmp_path / "few.npz", **{digest: np.ones(4) for digest in clips["sha256"][:10]})
    asdcore.import_features(tmp_path / "few.npz", "few")
    with pytest.raises(
        DataError,
        match=r"encoder 'imported' with the features few has no features of 70 of the 80 clips to embed, the first",
    ):
        asdcore.run(plan_on("few"), dataset, tmp_path / "run")


def test_what_imported_features_cost_is_counted_by_a_recording_they_have(tmp_path):
    np.savez(tmp_path / "few.npz", **{"0" * 64: np.ones((7, 4)), "1" * 64: np.ones((7, 4))})
    asdcore.import_features(tmp_path / "few.npz", "few")
    cost = complexity(plan_on("few"), train_clips=10)
    assert (cost.branches["b"].features, cost.branches["b"].parameters) == (4, 0)
    assert any("'imported' shows no torch model" in note for note in cost.notes)


def test_the_command_says_what_a_branch_must_name(exchanged, dataset, tmp_path):
    out = tmp_path / "features.npz"
    runner = CliRunner()
    done = runner.invoke(app, ["features", "export", str(exchanged / "run"), "--branch", "b", "--out", str(out)])
    assert (done.exit_code, done.stdout.strip()) == (0, str(out))
    done = runner.invoke(app, ["features", "import", str(out), "--name", "mine", "--data", str(dataset)])
    assert 'encoder = { name = "imported", checkpoint = "mine" }' in done.stdout
    done = runner.invoke(app, ["features", "import", str(out), "--name", "mine", "--data", str(dataset), "--json"])
    assert json.loads(done.stdout)["recordings"] == 80
