"""A detector as one ONNX file gives every clip the same score and decision, and what cannot be written is named."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import soundfile

import asdcore
from asdcore.contract.onnx.onnx_graph import NotInOnnxError
from asdcore.detector.as_onnx import write as writing
from asdcore.detector.as_onnx.parity import made_up
from asdcore.errors import DataError, StoreError

PORTFOLIO = """
name = "written"
seed = 1

[branches.knn]
encoder = { name = "logmel", n_mels = 16 }
scorer = { name = "knn", metric = "cosine", k = 2 }
normalizer = { name = "median_iqr", scope = "domain_min" }

[branches.gauss]
view = "far"
encoder = { name = "logmel", n_mels = 16, pooling = "mean_std" }
scorer = { name = "mahalanobis", covariance = "tied" }
normalizer = { name = "ecdf", output = "surprise" }

[branches.rest]
view = "mean"
encoder = { name = "melspec", n_mels = 16, pooling = "max" }
scorer = { name = "pca_residual", components = 3 }

[branches.sorted]
view = "w1"
encoder = { name = "logmel", n_mels = 16, pooling = "gwrp" }
scorer = { name = "smote_knn", ratio = 1.0 }

[branches.fixed]
encoder = { name = "logmel", n_mels = 16, pooling = "frames" }
scorer = { name = "autoencoder", epochs = 1, frames = 2 }

[branches.both]
view = "stereo"
encoder = { name = "stereo_logmel", n_mels = 4, n_fft = 256, hop = 128, seconds = 0.1 }
scorer = { name = "gmm", components = 1 }

[branches.refused]
encoder = { name = "logmel", n_mels = 16 }
scorer = { name = "knn", metric = "cosine", k = 2 }
normalizer = "gamma"

[branches.refused_too]
encoder = { name = "logmel", n_mels = 16, pooling = "frames" }
scorer = { name = "temporal", metric = "euclidean" }

[systems.written]
weights = { knn = 0.5, gauss = 0.25, rest = 0.25 }
transform = "log1p"
guards = [
  { name = "tail", support = "gauss", quantile = 0.6, strength = 0.5 },
  { name = "tail", support = "rest", quantile = 0.5, strength = 0.25 },
]

[systems.fisher]
weights = { knn = 1.0, rest = 0.5 }
fusion = "fisher"

[systems.largest]
weights = { knn = 1.0, gauss = 1.0 }
fusion = "max"

[systems.frames]
weights = { sorted = 1.0, fixed = 1.0, both = 1.0 }

[systems.refused]
weights = { refused = 1.0, refused_too = 1.0, rest = 1.0 }
guards = [{ name = "tail", support = "knn" }]

[branches.banded]
encoder = { name = "logmel", n_mels = 16 }
scorer = { name = "beam", bands = 16, metric = "euclidean" }

[systems.formulas]
weights = { refused = 1.0, refused_too = 1.0, banded = 1.0 }

[systems.mirrored]
out_of_fold_mirror_of = "written"
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory, make_dataset):
    root = tmp_path_factory.mktemp("written")
    make_dataset(root / "data", ("fan",), source=12, target=6, test=4)
    (root / "p.toml").write_text(PORTFOLIO)
    asdcore.run(root / "p.toml", root / "data", root / "run", task="dcase2026", store=root / "store")
    asdcore.freeze(root / "run", root / "frozen.json")
    asdcore.export(root / "frozen.json", root / "frozen.asd")
    return root


@pytest.fixture(scope="module")
def detector(root):
    return asdcore.load_detector(root / "frozen.asd")


@pytest.fixture(scope="module")
def session(detector, tmp_path_factory):
    """The file of the system ``written``."""
    path = tmp_path_factory.mktemp("session") / "written.onnx"
    asdcore.export_onnx(detector, path, clips=1)
    return onnxruntime.InferenceSession(path)


def fed(audio, rate=16000):
    return {"audio": np.ascontiguousarray(audio, np.float32), "sample_rate": np.array(rate)}


@pytest.mark.parametrize(
    ("spoil", "rate", "message"),
    [
        (lambda audio: audio, 44100, "the sample rate is not 16000 Hz, which is what this file takes"),
        (lambda audio: audio[:, :1999], 16000, "the clip is too short. At least 2000 samples are allowed"),
        (
            lambda audio: audio * np.where(np.arange(4000) == 7, np.nan, 1),
            16000,
            "samples are NaN, infinite or far above",
        ),
        (lambda audio: np.where(np.arange(4000) == 7, np.inf, audio), 16000, "samples are NaN, infinite or far above"),
        (lambda audio: audio * 1e12, 16000, "samples are NaN, infinite or far above"),
        (lambda audio: audio * 0, 16000, "no channel changes: the recording is silent"),
        (lambda audio: audio * 0 + [[0.25], [-0.5]], 16000, "no channel changes"),
    ],
)
def test_what_the_detector_refuses_the_file_refuses_too(detector, session, spoil, rate, message):
    audio = spoil(np.random.default_rng(0).normal(scale=0.1, size=(2, 4000)))
    if rate == 16000:
        with pytest.raises(DataError):
            detector.score(audio, rate)
    with pytest.raises(Exception, match=message):
        session.run(["score"], fed(audio, rate))


@pytest.mark.parametrize(
    "audio", [np.zeros((1, 4000), np.float32), np.ones((2, 4000), np.int16)], ids=["mono", "int16"]
)
def test_other_channels_and_types_are_refused(session, audio):
    with pytest.raises(Exception, match="INVALID_ARGUMENT"):
        session.run(["score"], {"audio": audio, "sample_rate": np.array(16000)})


def test_the_rate_has_to_be_said(session):
    with pytest.raises(ValueError, match="sample_rate"):
        session.run(["score"], {"audio": np.ones((2, 4000), np.float32)})


def test_the_shortest_clip_that_the_detector_takes_is_taken(detector, session):
    audio = np.random.default_rng(0).normal(scale=0.1, size=(2, 2000)).astype(np.float32)
    score = session.run(["score"], fed(audio))[0].item()
    assert score == pytest.approx(detector.score(audio, 16000).score, rel=1e-6)


def test_two_hundred_clips_get_the_same_score_and_decision(detector, session):
    spread = float(np.subtract(*np.quantile(detector.known().normals("written")["score"], [0.75, 0.25])))
    for audio, rate in made_up(200, 2, 16000, detector.known().seconds):
        verdict = detector.score(audio, rate)
        score, decision, p_value, branches = session.run(None, fed(audio, rate))
        assert abs(score.item() - verdict.score) <= 1e-4 * spread
        assert bool(decision.item()) == verdict.anomalous
        assert p_value.item() == pytest.approx(verdict.p_value)
        z = [verdict.branches[name].z for name in ("gauss", "knn", "rest")]
        assert branches == pytest.approx(z, rel=1e-4, abs=1e-4)


def test_train_normals_at_the_threshold_are_decided_alike(root, detector, session):
    """The threshold is the score of one of them."""
    for file in sorted((root / "data/fan/train").iterdir()):
        audio, rate = soundfile.read(file, dtype="float32")
        score, decision = session.run(["score", "decision"], fed(audio.T, rate))
        verdict = detector.score(audio.T, rate)
        assert (score.item(), bool(decision.item())) == (pytest.approx(verdict.score, abs=1e-6), verdict.anomalous)


@pytest.mark.parametrize("system", ["fisher", "frames", "largest", "mirrored"])
def test_other_fusions_and_mirrors(detector, tmp_path, system):
    file = asdcore.export_onnx(detector, tmp_path / "other.onnx", system=system, clips=20)
    assert (file.system, file.parity.clips, file.parity.decisions_changed) == (system, 20, 0)
    assert file.parity.share <= 1e-4


def test_the_file_says_what_it_is(root, detector, tmp_path):
    file = asdcore.export_onnx(detector, tmp_path / "about.onnx", parity=root / "data/fan/test")
    model = onnx.load(file.path)
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about["manifest_sha256"] == detector.manifest_sha256
    assert (about["machine"], about["section"], about["system"]) == ("fan", "00", "written")
    assert json.loads(about["branches"]) == ["gauss", "knn", "rest"]
    assert float(about["threshold"]) == detector.known().threshold("written")
    parity = json.loads(about["parity"])
    assert parity["given"] is True
    assert parity["clips"] == len(list((root / "data/fan/test").iterdir()))
    assert parity["share"] <= 1e-4
    assert [entry.name for entry in model.graph.input] == ["audio", "sample_rate"]
    assert (about["channels"], about["sample_rate"], about["shortest_samples"]) == ("2", "16000", "2000")
    assert (file.channels, file.sample_rate) == (2, 16000)


def test_all_that_cannot_be_written_is_named_at_once_with_what_can(detector, tmp_path, monkeypatch):
    monkeypatch.delattr("asdcore_plugins.normalizers.gamma.Gamma.to_onnx")
    monkeypatch.delattr("asdcore_plugins.scorers.temporal.Temporal.to_onnx")
    with pytest.raises(NotInOnnxError) as caught:
        asdcore.export_onnx(detector, tmp_path / "no.onnx", system="refused")
    first, *lines = str(caught.value).splitlines()
    assert first == "Nothing was written, for this cannot be ONNX:"
    for part, able in {
        "branch 'refused': normalizer 'gamma'": "Normalizers that can: ",
        "branch 'refused_too': scorer 'temporal'": "Scorers that can: autoencoder, ",
    }.items():
        assert any(line.startswith(f"{part}: it cannot be written as ONNX. {able}") for line in lines), lines
    assert not (tmp_path / "no.onnx").exists()


def test_what_only_has_formulas_of_its_own_is_written_too(detector, root, tmp_path):
    file = asdcore.export_onnx(detector, tmp_path / "formulas.onnx", system="formulas", parity=root / "data/fan/test")
    assert file.parity.share <= 1e-4


def test_a_file_that_differs_is_not_written(detector, tmp_path, monkeypatch):
    plain = writing.score_of
    monkeypatch.setattr(writing, "score_of", lambda *given: plain(*given) + 0.01)
    with pytest.raises(DataError, match=r"on 2 clips the ONNX file differs .* by up to 0.0.* is allowed"):
        asdcore.export_onnx(detector, tmp_path / "no.onnx", clips=2)
    monkeypatch.setattr(writing, "score_of", lambda *given: plain(*given) * -1.0)
    with pytest.raises(DataError, match=r"and in [12] decisions"):
        asdcore.export_onnx(detector, tmp_path / "no.onnx", clips=2)
    assert not any(tmp_path.iterdir())


def test_names_and_folders_that_do_not_fit_are_refused(detector, tmp_path):
    (tmp_path / "there.onnx").write_text("")
    with pytest.raises(StoreError, match="there.onnx exists and is not written over"):
        asdcore.export_onnx(detector, tmp_path / "there.onnx")
    with pytest.raises(StoreError, match="does not end in .onnx. Choose a name such as fan.onnx"):
        asdcore.export_onnx(detector, tmp_path / "fan.pb")
    with pytest.raises(DataError, match="holds no recordings"):
        asdcore.export_onnx(detector, tmp_path / "new.onnx", parity=tmp_path)
    with pytest.raises(DataError, match="is not a folder. Name a folder with recordings"):
        asdcore.export_onnx(detector, tmp_path / "new.onnx", parity=tmp_path / "none")
    soundfile.write(tmp_path / "other.wav", np.full((8000, 2), 0.1), 8000)
    with pytest.raises(DataError, match="has 8000 Hz, and the ONNX file takes 16000 Hz"):
        asdcore.export_onnx(detector, tmp_path / "new.onnx", parity=tmp_path)


def of_one_encoder(tmp_path, make_dataset, sample_rate):
    data = make_dataset(tmp_path / "data", ("fan",), source=8, target=4, test=1)
    branch = {"encoder": {"name": "logmel", "n_mels": 8, "sample_rate": sample_rate}, "scorer": "knn"}
    plan = asdcore.Portfolio(name="p", branches={"b": branch}, systems={"s": {"weights": {"b": 1.0}}})
    asdcore.run(plan, data, tmp_path / "run", task="dcase2026", store=tmp_path / "store")
    asdcore.freeze(tmp_path / "run", tmp_path / "f.json")
    return asdcore.load_detector(asdcore.export(tmp_path / "f.json", tmp_path / "f.asd"))


def test_sound_is_resampled_inside(tmp_path, make_dataset):
    detector = of_one_encoder(tmp_path, make_dataset, 8000)
    file = asdcore.export_onnx(detector, tmp_path / "f.onnx", clips=20)
    assert (file.sample_rate, file.parity.holds) == (16000, True)


def test_an_encoder_whose_rate_is_no_simple_part_of_the_recordings_is_refused(tmp_path, make_dataset):
    detector = of_one_encoder(tmp_path, make_dataset, 11026)
    message = "branch 'b': encoder 'logmel': it hears 11026 Hz and the recordings have 16000 Hz.*sample_rate = 16000"
    with pytest.raises(NotInOnnxError, match=message):
        asdcore.export_onnx(detector, tmp_path / "f.onnx")
