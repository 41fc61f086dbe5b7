"""A detector says of every clip what the run and infer say, bit for bit, and refuses what it cannot judge."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import asdcore
from asdcore.contract.plugins import installed
from asdcore.data.recordings.audio import decode
from asdcore.errors import DataError, ManifestError, PluginError
from asdcore_plugins.guards.tail import TailGuard
from asdcore_plugins.normalizers.median_iqr import MedianIQR
from asdcore_plugins.scorers.mahalanobis import Mahalanobis


def rows(run, clip):
    table = run.decisions.filter(clip=clip).select("system", "score", "threshold", "decision")
    return {system: (score, threshold, bool(decision)) for system, score, threshold, decision in table.rows()}


def said(verdicts):
    return {name: (verdict.score, verdict.threshold, verdict.anomalous) for name, verdict in verdicts.items()}


def test_every_clip_gets_what_the_run_gave_it_to_the_last_bit(carried, detector):
    for clip, machine, section, audio, rate in carried.clips():
        assert said(detector.score_all(audio, rate, machine, section)) == rows(carried.run, clip)


def test_clips_in_another_order_get_the_same(carried, detector):
    for clip, machine, section, audio, rate in reversed(carried.clips()):
        verdict = detector.score(audio, rate, machine, section, system="mirrored")
        assert said({"mirrored": verdict})["mirrored"] == rows(carried.run, clip)["mirrored"]


MIRROR_OF_TINY_FOLDS = """
name = "small_folds"
folds = 8
branches.b = { encoder = { name = "logmel", n_mels = 8 }, scorer = "mahalanobis" }
systems.s.weights = { b = 1.0 }
systems.mirrored.out_of_fold_mirror_of = "s"
out_of_fold = { by = "neighbours", range = 2 }
"""


def test_a_mirror_whose_folds_lie_in_the_gaps_of_others_is_scored_as_in_the_run(tmp_path, make_dataset):
    data = make_dataset(tmp_path / "data", ("fan",), source=12, target=4, test=1)
    (tmp_path / "p.toml").write_text(MIRROR_OF_TINY_FOLDS)
    run = asdcore.run(tmp_path / "p.toml", data, tmp_path / "run", task="dcase2026", store=tmp_path / "store")
    asdcore.freeze(tmp_path / "run", tmp_path / "m.json")
    detector = asdcore.load_detector(asdcore.export(tmp_path / "m.json", tmp_path / "m.asd"))
    for (clip,) in run.clips.filter(split="test").select("clip").rows():
        assert said(detector.score_all(*decode(data / clip), "fan")) == rows(run, clip)


def test_threads_share_a_detector(carried, detector):
    clips = carried.clips()
    with ThreadPoolExecutor(4) as threads:
        scores = list(threads.map(lambda clip: said(detector.score_all(clip[3], clip[4], clip[1], clip[2])), clips))
    assert scores == [rows(carried.run, clip[0]) for clip in clips]


def test_threads_that_load_detectors_leave_all_plugins_in_place(carried):
    before = installed()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: asdcore.load_detector(carried.path), range(8)))
    assert installed() is before


def test_a_pickled_detector_loads_its_file_again(carried, tmp_path):
    clip, machine, section, audio, rate = carried.clips()[0]
    path = shutil.copy(carried.path, tmp_path / "mine.asd")
    pickled = pickle.dumps(asdcore.load_detector(path))
    assert said(pickle.loads(pickled).score_all(audio, rate, machine, section)) == rows(carried.run, clip)
    asdcore.freeze(carried.root / "run", tmp_path / "later.json", time="2026-07-01T00:00:00Z")
    path.unlink()
    asdcore.export(tmp_path / "later.json", path)
    with pytest.raises(ManifestError, match="was replaced by a detector of another manifest"):
        pickle.loads(pickled)


ELSEWHERE = """
import sys
import numpy as np
import asdcore
detector = asdcore.load_detector(sys.argv[1])
audio = np.load(sys.argv[2])
print(repr(detector.score(audio, 16000, "fan").score))
"""


def test_it_needs_neither_store_nor_run_nor_recordings(carried, tmp_path):
    shutil.copy(carried.path, tmp_path / "alone.asd")
    clip, *_, audio, rate = next(row for row in carried.clips() if row[1] == "fan")
    np.save(tmp_path / "clip.npy", audio)
    assert rate == 16000
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, "alone.asd", "clip.npy"],
        cwd=tmp_path,
        env={"PATH": "", "HOME": str(tmp_path / "home"), "ASDCORE_STORE": str(tmp_path / "no store")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == rows(carried.run, clip)["carried"][0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone.asd", "clip.npy"]


def test_what_it_knows_of_itself(carried, detector):
    assert detector.name == "carried"
    assert detector.machines == [("3DPrinter", "00"), ("fan", "00")]
    assert detector.systems == ["carried", "largest", "mirrored"]
    assert len(detector.manifest_sha256) == 64
    known = "3DPrinter section 00, fan section 00; systems carried, largest, mirrored"
    assert repr(detector) == f"Detector({str(carried.path)!r}: {known})"
    assert detector.notes == []


def test_p_values_count_train_normals_that_score_as_high(carried, detector):
    normals = carried.run.systems.filter(system="carried", role="oof").join(carried.run.clips, on="clip")
    for _, machine, section, audio, rate in carried.clips():
        verdict = detector.score(audio, rate, machine, section)
        scores = normals.filter(machine=machine, section=section)["score"].to_numpy()
        assert verdict.p_value == (1 + (scores >= verdict.score).sum()) / (1 + len(scores))


def test_a_clip_of_the_bank_is_nearest_to_itself(carried, detector):
    clip, machine = carried.run.clips.filter(split="train").select("clip", "machine").row(3)
    audio, rate = decode(carried.root / "data" / clip)
    branches = detector.score(audio, rate, machine).branches
    assert (branches["knn"].nearest.clip, branches["knn"].nearest.distance) == (clip, 0.0)
    assert branches["gauss"].nearest is None


def test_shares_of_a_weighted_sum_are_weighted_distances_from_the_usual(carried, detector):
    run = carried.run
    for clip, machine, section, audio, rate in carried.clips():
        verdict = detector.score(audio, rate, machine, section)
        z = dict(run.calibrated.filter(clip=clip, role="test").select("branch", "z").rows())
        assert all(share.z == z[name] for name, share in verdict.branches.items())
        base = run.systems.filter(clip=clip, system="carried", role="test")
        assert sum(verdict.guards.values()) == pytest.approx(-base["penalty"].item(), rel=1e-6, abs=1e-12)
        assert all(share <= 0 for share in verdict.guards.values())


@pytest.mark.parametrize(
    ("times", "remedy"),
    [(2, "Convert it to 16000 Hz first"), (0.5, "Record at 16000 Hz, or learn from recordings at 8000")],
)
def test_another_sample_rate_is_refused_as_infer_and_monitor_refuse_it(carried, detector, times, remedy):
    _, machine, section, audio, rate = carried.clips()[0]
    with pytest.raises(DataError, match=rf"at {round(times * rate)} Hz; the train clips .* at 16000 Hz.*{remedy}"):
        detector.score(audio, round(times * rate), machine, section)


CLIP = np.random.default_rng(0).normal(size=(2, 4000)).astype(np.float32)
REFUSED = {
    "too short": (CLIP[:, :1000], 16000, r"the clip has 0.0625 s; at least 0.125 s are allowed"),
    "empty": (CLIP[:, :0], 16000, "the clip has 0 s"),
    "still": (np.full_like(CLIP, -0.25), 16000, "every sample is -0.25: the recording is silent"),
    "silent": (np.zeros_like(CLIP), 16000, "every sample is 0: the recording is silent"),
    "not finite": (np.where(CLIP > 2, np.nan, CLIP), 16000, r"\d+ samples are NaN or infinite"),
    "silent in single precision": (CLIP.astype(float) * 1e-300, 16000, "every sample is 0"),
    "too large": (CLIP.astype(float) * 1e300, 16000, r"holds a sample of \d.*e\+300, and full scale is 1"),
    "one channel": (CLIP[0], 16000, r"has 1 channel; the train clips of fan .* array \(2, n_samples\), is allowed$"),
    "one sample short": (CLIP[:, :1999], 16000, "the clip has 0.124938 s; at least 0.125 s are allowed"),
    "ragged": ([[0.1] * 4000, [0.1] * 3999], 16000, r"the audio is not an array \(ValueError: .*floats in"),
    "turned": (CLIP.T, 16000, r"the clip has 4000 channels; .*transpose it"),
    "three axes": (CLIP[None], 16000, r"the clip has an array \(1, 2, 4000\)"),
    "whole numbers": ((CLIP * 1000).astype(np.int16), 16000, r"an array of int16; floats in \[-1, 1\] are allowed"),
    "no sound": (None, 16000, "an array of object"),
    "rate of zero": (CLIP, 0, "the sample rate is 0; a whole number of Hz from 1,000 to 4,000,000 is"),
    "rate of text": (CLIP, "16000", "the sample rate is '16000'"),
    "rate that would take all memory": (CLIP, 1, "the sample rate is 1; a whole number of Hz from 1,000"),
    "broken rate": (CLIP, 16000.5, "the sample rate is 16000.5"),
}


@pytest.mark.parametrize(("audio", "rate", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_such_clip_is_refused_in_one_message(detector, audio, rate, message):
    with pytest.raises(DataError, match=message):
        detector.score(audio, rate, "fan")


def test_unknown_machines_sections_and_systems_are_named(detector):
    with pytest.raises(DataError, match="pump is unknown: this detector knows 3DPrinter section 00, fan section 00"):
        detector.score(CLIP, 16000, "pump")
    with pytest.raises(DataError, match="fan section 01 is unknown"):
        detector.score(CLIP, 16000, "fan", "01")
    with pytest.raises(DataError, match="fan section 0 is unknown"):
        detector.score(CLIP, 16000, "fan", 0)
    with pytest.raises(DataError, match="3 section '' is unknown"):
        detector.score(CLIP, 16000, 3, "")
    with pytest.raises(DataError, match="^section 01 is unknown"):
        detector.score(CLIP, 16000, section="01")
    with pytest.raises(DataError, match="No machine is named: this detector knows 3DPrinter"):
        detector.score(CLIP, 16000)
    with pytest.raises(DataError, match="There is no system 'sum': this detector has carried, largest, mirrored"):
        detector.score(CLIP, 16000, "fan", system="sum")


def test_other_code_than_was_frozen_is_refused(carried, monkeypatch):
    monkeypatch.setattr("asdcore.frozen.verifying.code_differences.__version__", "9.9")
    with pytest.raises(ManifestError, match=r"was frozen with other code than is installed.*\n.*asdcore .*here 9.9"):
        asdcore.load_detector(carried.path)


def test_a_part_that_fails_on_a_clip_is_named_with_its_system(carried, monkeypatch):
    detector = asdcore.load_detector(carried.path)
    detector.score(CLIP, 16000, "fan")

    def fail(*_):
        raise RuntimeError("not this clip")

    monkeypatch.setattr(TailGuard, "penalty", fail)
    message = "^fan section 00: system 'carried': guard 'tail' failed with RuntimeError: not this clip"
    with pytest.raises(PluginError, match=message):
        detector.score(CLIP, 16000, "fan")


def test_normals_that_get_other_scores_here_are_refused(carried, monkeypatch):
    plain = MedianIQR.transform
    monkeypatch.setattr(MedianIQR, "transform", lambda self, scores: plain(self, scores) * 1.001)
    fresh = asdcore.load_detector(carried.path)
    with pytest.raises(ManifestError, match="fan section 00: the frozen train normals do not get their frozen system"):
        fresh.score(CLIP, 16000, "fan")


def test_a_scorer_that_scores_otherwise_here_is_refused(carried, monkeypatch):
    plain = Mahalanobis.score
    doubled = lambda self, features: {name: 2 * score for name, score in plain(self, features).items()}  # noqa: E731
    monkeypatch.setattr(Mahalanobis, "score", doubled)
    fresh = asdcore.load_detector(carried.path)
    with pytest.raises(ManifestError, match=r"branch 'gauss', fan section 00: fan/train/.* when its scorer was frozen"):
        fresh.score(CLIP, 16000, "fan")


@pytest.mark.parametrize("system", ["carried", "largest", "mirrored"])
def test_the_score_is_the_usual_one_and_the_shares_of_all_branches_and_guards(carried, detector, system):
    for _, machine, section, audio, rate in carried.clips():
        verdict = detector.score(audio, rate, machine, section, system=system)
        parts = [branch.share for branch in verdict.branches.values()]
        assert verdict.usual + sum(parts) + sum(verdict.guards.values()) == pytest.approx(verdict.score, abs=2e-6)
