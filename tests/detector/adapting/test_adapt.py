"""A detector is adapted to new normals: each baseline judges as it would alone, and a fault is one to all of them."""

from __future__ import annotations

import hashlib
import pickle
import shutil
import zipfile

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import asdcore
from asdcore.cli import app
from asdcore.data.recordings.audio import decode
from asdcore.errors import DataError, ManifestError, StoreError
from asdcore.monitor.setup import settings_of
from asdcore.portfolio import Decision
from asdcore.progress import Silent

RATE = 16000


def write_sounds(folder, n, tone, seed=0):
    """Write n clips of a machine as it sounds after maintenance."""
    folder.mkdir(parents=True)
    time = np.arange(RATE // 4) / RATE
    for i in range(n):
        noise = 0.05 * np.random.default_rng(seed + i).standard_normal((2, len(time)))
        soundfile.write(folder / f"{i:02d}.wav", (0.2 * np.sin(2 * np.pi * tone * time) + noise).T, RATE)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory, carried):
    """Two adapted detectors of fan, second.asd and replacement.asd, and the folder of the new normals, after."""
    home = tmp_path_factory.mktemp("adapted")
    write_sounds(home / "after", 16, 900)
    for way in ("second", "replacement"):
        asked = {"machine": "fan", "way": way, "accept_faults": True, "store": home / "store", "system": "carried"}
        asdcore.adapt(carried.path, home / "after", home / f"{way}.asd", **asked)
    return home


@pytest.fixture(scope="module")
def second(home):
    return asdcore.load_detector(home / "second.asd")


@pytest.fixture(scope="module")
def replacement(home):
    return asdcore.load_detector(home / "replacement.asd")


def sounds(carried, home):
    """Yield clips as before, and as after maintenance, and as neither."""
    yield from ((audio, rate) for _, machine, _, audio, rate in carried.clips() if machine == "fan")
    yield from (decode(file) for file in sorted((home / "after").iterdir())[::3])
    yield np.random.default_rng(0).normal(scale=0.2, size=(2, RATE // 4)).astype(np.float32), RATE


def test_a_second_baseline_acquits_what_either_calls_normal(carried, detector, home, second, replacement):
    seen = set()
    for audio, rate in sounds(carried, home):
        old, new = detector.score_all(audio, rate, "fan"), replacement.score_all(audio, rate, "fan")
        for system, both in second.score_all(audio, rate, "fan").items():
            alone = old[system], new[system]
            assert both.anomalous == (both.score > both.threshold) == all(verdict.anomalous for verdict in alone)
            least = min(verdict.score - verdict.threshold for verdict in alone)
            assert both.score == new[system].threshold + least
            assert both.p_value == max(verdict.p_value for verdict in alone)
            shares = [branch.share for branch in both.branches.values()]
            assert both.usual + sum(shares) + sum(both.guards.values()) == pytest.approx(both.score, rel=1e-5)
            seen.add(tuple(verdict.anomalous for verdict in alone))
    assert {(True, False), (False, True), (True, True)} <= seen


def test_the_new_normals_alone_are_calibrated_as_in_a_run_of_their_own(carried, home, replacement, tmp_path):
    run = asdcore.run(carried.root / "portfolio.toml", home / "after", tmp_path / "run", store=home / "store")
    normals = replacement.known("fan").normals("carried")
    own = run.systems.filter(system="carried", role="oof").sort("clip")["score"]
    assert normals.sort("clip")["score"].to_list() == own.to_list()


def test_other_machines_are_judged_as_before(carried, detector, second, replacement):
    assert second.machines == replacement.machines == detector.machines
    for _, machine, section, audio, rate in carried.clips():
        if machine != "fan":
            told = [each.score_all(audio, rate, machine, section) for each in (detector, second, replacement)]
            assert told[0] == told[1] == told[2]


def test_its_history_names_the_old_file_and_the_recordings(carried, home, second):
    (step,) = second.adapted.history
    assert step["from"] == {"file": "frozen.asd", "sha256": hashlib.sha256(carried.path.read_bytes()).hexdigest()}
    assert (step["as"], step["machine"], step["section"]) == ("second", "fan", "00")
    digests = {row["clip"]: row["sha256"] for row in step["recordings"]}
    assert digests == {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (home / "after").iterdir()}
    assert step["anomalous_before"]


def test_an_adapted_detector_is_adapted_again(home, second, tmp_path):
    write_sounds(tmp_path / "later", 16, 2500, seed=99)
    third = asdcore.adapt(
        home / "second.asd", tmp_path / "later", tmp_path / "3.asd", machine="fan", system="carried", accept_faults=True
    )
    assert len(third.above) == third.clips == 16
    loaded = asdcore.load_detector(third.path)
    assert sorted(map(len, loaded.adapted.baselines.values())) == [1, 3]
    assert len(loaded.adapted.history) == 2
    for folder in (home / "after", tmp_path / "later"):
        told = [loaded.score(*decode(file), "fan", system="carried").anomalous for file in folder.iterdir()]
        assert sum(told) <= 0.3 * len(told)  # the portfolio's rule allows one in five


def test_a_monitor_of_several_baselines_keeps_the_promise_of_each(second, detector, replacement):
    known, alone = second.known("fan"), [each.known("fan") for each in (detector, replacement)]
    rule = Decision(rule="conformal", quantile=0.9)
    limit, usual = known.limit("carried", rule), known.normals("carried")["score"].to_numpy()
    for each in alone:
        moved = limit - known.threshold("carried") + each.threshold("carried")
        assert moved >= each.limit("carried", rule)
        assert each.rate_above("carried", moved) <= known.rate_above("carried", limit)
    assert known.groups("carried") == 16
    settings = settings_of(known, "carried")
    assert settings.rule.threshold == known.threshold("carried")
    assert settings.normals.tolist() == usual.tolist()
    # What both say of a clip is never more than what the new one says of it.
    assert (usual <= alone[1].normals("carried")["score"].to_numpy()).all()


def test_normals_that_sound_faulty_are_refused_and_listed_unless_accepted(carried, home, tmp_path):
    asked = ["adapt", carried.path, "--normals", home / "after", "--out", tmp_path / "new.asd", "--machine", "fan"]
    done = CliRunner().invoke(app, list(map(str, [*asked, "--system", "carried"])))
    assert isinstance(done.exception, DataError)
    message = str(done.exception)
    assert "16 of 16 recordings" in message
    assert "the sound as a whole has changed" in message
    assert "--accept-faults" in message
    assert [path.name for path in tmp_path.iterdir() if path.name != "store"] == []
    done = CliRunner().invoke(app, list(map(str, [*asked, "--accept-faults"])))
    assert done.exit_code == 0
    assert "Added: 16 normals as second baseline, 16 of them anomalous" in done.stdout


def test_one_recording_that_sounds_faulty_is_named(carried, make_dataset, tmp_path):
    data = make_dataset(tmp_path / "data", ("fan",), source=12, target=4, test=0)
    (strange,) = write_sounds(tmp_path / "strange", 1, 3000).iterdir()
    strange.rename(data / "fan" / "train" / "section_00_source_train_normal_0099_spd_0.wav")
    with pytest.raises(DataError, match=r"normal_0099_spd_0\.wav: p = 0\.0588\n(.|\n)*Move faults out of the folder"):
        asdcore.adapt(carried.path, data, tmp_path / "n.asd", machine="fan")


def test_what_cannot_be_learnt_from_is_refused_by_name(carried, home, dataset, tmp_path):
    def adapt(normals, out="n.asd", **asked):
        asked = {"machine": "fan", "system": "carried", "accept_faults": True, **asked}
        asdcore.adapt(carried.path, normals, tmp_path / out, **asked)

    with pytest.raises(
        DataError, match="holds the machines 3DPrinter section 00, fan section 00; give the folder of fan"
    ):
        adapt(dataset)
    with pytest.raises(DataError, match="second or replacement"):
        adapt(home / "after", way="third")
    with pytest.raises(StoreError, match=r"Choose a name such as n\.asd"):
        adapt(home / "after", "n.json")
    with pytest.raises(StoreError, match="is not written over"):
        adapt(home / "after", home / "second.asd")
    (tmp_path / "p" / "test").mkdir(parents=True)
    (tmp_path / "p" / "test" / "a.wav").write_bytes((home / "after" / "00.wav").read_bytes())
    with pytest.raises(DataError, match="no train clips"):
        adapt(tmp_path / "p")
    mono = np.random.default_rng(0).normal(scale=0.1, size=(16, RATE // 4))
    (tmp_path / "mono").mkdir()
    for i, sound in enumerate(mono):
        soundfile.write(tmp_path / "mono" / f"{i}.wav", sound, RATE)
    with pytest.raises(DataError, match=r"cannot judge 0\.wav: the clip has 1 channel(.|\n)*--as replacement"):
        adapt(tmp_path / "mono")
    assert not list(tmp_path.glob(".writing-*"))


def test_it_is_explained_by_the_baseline_that_judges(second, home):
    audio, rate = decode(home / "after" / "00.wav")
    why = asdcore.explain(second, audio, rate, "fan", system="carried", data=home / "after", times=2, bands=2)
    assert why.verdict == second.score(audio, rate, "fan", system="carried")
    assert why.verdict.nearest.clip in {file.name for file in (home / "after").iterdir()}


def test_a_damaged_file_is_refused_and_a_copy_is_the_same(home, second, tmp_path):
    assert pickle.loads(pickle.dumps(second)).manifest_sha256 == second.manifest_sha256
    content = bytearray((home / "second.asd").read_bytes())
    with zipfile.ZipFile(home / "second.asd") as opened:
        places = [info.header_offset + len(info.filename) + 200 for info in opened.infolist()]
    for place in places:
        content[place] ^= 1
        (tmp_path / "flipped.asd").write_bytes(content)
        content[place] ^= 1
        with pytest.raises(ManifestError, match="was edited or damaged"):
            asdcore.load_detector(tmp_path / "flipped.asd")
    (tmp_path / "cut.asd").write_bytes(content[: len(content) // 2])
    with pytest.raises(ManifestError, match="edited"):
        asdcore.load_detector(tmp_path / "cut.asd")
    with pytest.raises(ManifestError, match="no key signs an adapted detector"):
        asdcore.load_detector(home / "second.asd", public_key=tmp_path / "k.pub")


def test_shares_add_up_to_the_score_of_the_baseline_that_judges(carried, home, second):
    for audio, rate in sounds(carried, home):
        verdict = second.score(audio, rate, "fan", system="carried")
        parts = [branch.share for branch in verdict.branches.values()]
        assert verdict.usual + sum(parts) + sum(verdict.guards.values()) == pytest.approx(verdict.score, abs=2e-6)


def test_a_verdict_of_several_baselines_is_explained(carried, home, second):
    audio, rate = next(sounds(carried, home))
    why = asdcore.explain(second, audio, rate, "fan", system="carried", times=2, bands=2)
    assert why.verdict == second.score(audio, rate, "fan", system="carried")
    assert why.n_normals == len(second.known("fan").normals("carried"))


def test_several_baselines_are_no_onnx_file_and_a_replacement_is(second, replacement, tmp_path):
    message = (
        "fan section 00 is judged by several baselines.*'asdcore adapt --as replacement' gives a detector with one"
    )
    with pytest.raises(DataError, match=message):
        asdcore.export_onnx(second, tmp_path / "second.onnx", "fan", system="largest")
    asdcore.export_onnx(replacement, tmp_path / "replacement.onnx", "fan", system="largest")
    assert (tmp_path / "replacement.onnx").is_file()


def test_what_the_detector_has_learnt_before_is_named(carried, tmp_path):
    write_sounds(tmp_path / "after", 15, 900)
    train, other, *_ = sorted((carried.root / "data" / "fan" / "train").iterdir())
    shutil.copy(train, tmp_path / "after" / "again.wav")
    samples, rate = soundfile.read(other, dtype="int16")
    soundfile.write(tmp_path / "after" / "encoded.flac", samples, rate)
    shown = Told()
    adapted = asdcore.adapt(
        carried.path,
        tmp_path / "after",
        tmp_path / "second.asd",
        machine="fan",
        accept_faults=True,
        system="carried",
        store=tmp_path / "store",
        progress=shown,
    )
    assert adapted.learnt == ["again.wav", "encoded.flac"]
    message = "2 of 17 recordings are ones that the detector has learnt before: again.wav, encoded.flac"
    assert any(message in note for note in shown.notes)


class Told(Silent):
    """Keeps the notes."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def test_a_known_fault_is_not_added_as_normal_in_any_format(carried, tmp_path):
    faults, after = tmp_path / "faults" / "fan", tmp_path / "after"
    faults.mkdir(parents=True)
    fault = min((carried.root / "data" / "fan" / "test").glob("*anomaly*"))
    shutil.copy(fault, faults)
    asdcore.select(
        carried.root / "run",
        known_faults=tmp_path / "faults",
        baseline="carried",
        out=tmp_path / "c.json",
        replicates=20,
    )
    places = {"data": carried.root / "data", "out": tmp_path / "run", "store": carried.root / "store"}
    asdcore.run(tmp_path / "c.json", task="dcase2026", **places)
    asdcore.freeze(tmp_path / "run", tmp_path / "frozen.json")
    asdcore.export(tmp_path / "frozen.json", tmp_path / "c.asd")
    write_sounds(after, 15, 900)
    samples, rate = soundfile.read(fault, dtype="int16")
    soundfile.write(after / "copy.flac", samples, rate)
    asked = {"machine": "fan", "system": "carried", "accept_faults": True, "store": tmp_path / "s"}
    with pytest.raises(DataError, match=r"1 of 16 new normals in .* are known faults, .*: copy.flac. Take them out"):
        asdcore.adapt(tmp_path / "c.asd", after, tmp_path / "n.asd", **asked)
