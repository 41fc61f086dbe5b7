"""Recordings with another gain are named by every command that hears them: run, infer and detect."""

from __future__ import annotations

import json
import shutil

import pytest
import soundfile
from typer.testing import CliRunner

import asdcore
from asdcore.cli import app
from asdcore.runs.record import check_record
from asdcore.store.digests.sealed_json import FIELD, seal, unsealed
from asdcore.store.disk.atomic import json_text


@pytest.fixture(scope="module")
def softer(make_dataset, tmp_path_factory):
    """A frozen run, and its test clips recorded with a tenth of the gain."""
    folder = tmp_path_factory.mktemp("gain")
    data = make_dataset(folder / "data")
    for clip in sorted(data.glob("fan/test/*.wav"))[:4]:
        target = folder / "new" / clip.relative_to(data)
        target.parent.mkdir(parents=True, exist_ok=True)
        audio, rate = soundfile.read(clip)
        soundfile.write(target, 0.1 * audio, rate)
    run = asdcore.run("logmel-knn", data, folder / "run", task="dcase2026", store=folder / "store")
    asdcore.freeze(run, folder / "frozen.json")
    asdcore.export(folder / "frozen.json", folder / "d.asd")
    return folder


def notes_on_gain(notes):
    return [note for note in notes if "gain" in note]


def test_a_run_on_one_gain_says_nothing_and_keeps_the_levels_of_train_normals(softer):
    about = json.loads((softer / "run" / "run.json").read_text())
    assert notes_on_gain(about["notes"]) == []
    assert {row["machine"] for row in about["levels"]} == {"fan", "3DPrinter"}
    assert all(row["softest"] <= row["median"] <= row["loudest"] < 0 for row in about["levels"])


def test_an_inference_says_that_recordings_are_softer_than_what_was_learnt(softer):
    run = asdcore.infer(softer / "frozen.json", softer / "new", softer / "inference")
    (note,) = notes_on_gain(run.about["notes"])
    assert note.startswith("fan section 00: 4 test clips have, as their median,")
    assert "below the softest of" in note


def test_a_run_of_an_earlier_asdcore_has_no_levels_and_serves_as_before(softer):
    shutil.copytree(softer / "run", softer / "earlier")
    about = json.loads((softer / "earlier" / "run.json").read_text())
    del about["levels"]
    (softer / "earlier" / "run.json").write_bytes(seal(json_text({**about, FIELD: unsealed()}).encode()))
    manifest = softer / "earlier.json"
    asdcore.freeze(asdcore.load_run(softer / "earlier"), manifest)
    assert asdcore.verify(manifest).passed
    run = asdcore.infer(manifest, softer / "new", softer / "earlier-inference")
    assert notes_on_gain(run.about["notes"]) == []
    asdcore.export(manifest, softer / "earlier.asd")
    clip = str(next((softer / "new" / "fan" / "test").glob("*.wav")))
    told = CliRunner().invoke(app, ["detect", str(softer / "earlier.asd"), "--machine", "fan", clip])
    assert told.exit_code == 0
    assert notes_on_gain(told.stderr.splitlines()) == []


@pytest.mark.parametrize("level", [None, "loud", float("inf")])
def test_a_level_that_is_no_number_is_refused_with_the_record(softer, level):
    about = json.loads((softer / "run" / "run.json").read_text())
    about["levels"][0]["loudest"] = level
    with pytest.raises(ValueError, match="loudest"):
        check_record(about, about["schema"], set(about["tables"]))


def test_detect_says_so_once(softer):
    clips = [str(clip) for clip in sorted((softer / "new" / "fan" / "test").glob("*.wav"))]
    told = CliRunner().invoke(app, ["detect", str(softer / "d.asd"), "--machine", "fan", *clips])
    assert told.exit_code == 0
    (note,) = notes_on_gain(told.stderr.splitlines())
    assert note.startswith("note: fan section 00: 4 recordings have")
    as_learnt = [str(clip) for clip in sorted((softer / "data" / "fan" / "test").glob("*.wav"))]
    told = CliRunner().invoke(app, ["detect", str(softer / "d.asd"), "--machine", "fan", *as_learnt])
    assert notes_on_gain(told.stderr.splitlines()) == []
