"""What components write as ONNX is what they compute: on random banks, clips and parameters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asdcore

QUICK = settings(max_examples=6, deadline=None)
seeds = st.integers(0, 10_000)


def bank(seed, n=14, dim=5):
    """Train features with a repeated clip, and their domains."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(n, dim)).astype(np.float32) * draw.uniform(0.1, 10.0, dim).astype(np.float32)
    features[1] = features[0]
    return features, np.array(["source"] * (n - 5) + ["target"] * 5)


def same(written, scores):
    assert written.keys() == scores.keys()
    for reference in scores:
        assert written[reference] == pytest.approx(scores[reference], rel=1e-9, abs=1e-12)


BY_DISTANCES = [
    ("knn", {"k": 1}),
    ("knn", {"k": 3, "metric": "euclidean"}),
    ("knn", {"k": 50, "references": ["pooled", "target"]}),
    ("varmin", {"k": 2}),
    ("varmin", {"k": 2, "log": True}),
    ("ldn", {"k": 2}),
    ("aldn", {"k": 3}),
    ("smote_knn", {"ratio": 1.0}),
    ("smote_knn", {"ratio": 1.0, "k": 3, "metric": "euclidean", "seed": 1}),
    ("memmixup", {}),
    ("memmixup", {"k": 2, "k_source": 2, "metric": "cosine"}),
    ("memmixup", {"k": 200}),
    ("kde", {}),
    ("kde", {"width": 0.1, "metric": "cosine", "references": ["pooled", "target"]}),
    ("lof", {}),
    ("lof", {"k": 2, "metric": "euclidean"}),
]


@pytest.mark.parametrize(("name", "parameters"), BY_DISTANCES, ids=lambda value: str(value))
@QUICK
@given(seeds)
def test_scorers_of_distances(as_onnx, name, parameters, seed):
    features, domain = bank(seed)
    scorer = asdcore.load_scorer(name, **parameters).fit(features, domain)
    to_bank = asdcore.distances(features[:1] + np.float32(0.3), features, scorer.metric)
    same(as_onnx(scorer.distances_to_onnx, to_bank), scorer.score_distances(to_bank))


BY_FEATURES = [
    ("mahalanobis", {}),
    ("mahalanobis", {"covariance": "tied", "references": ["pooled", "source", "target"]}),
    ("mahalanobis", {"covariance": "selective", "shrinkage": "oas"}),
    ("mahalanobis", {"references": ["source", "target"], "shrinkage": 0.3}),
    ("kmeans", {"k": 2}),
    ("kmeans", {"k": 3, "metric": "euclidean", "references": ["pooled", "source"]}),
    ("pca_residual", {"components": 2}),
    ("pca_residual", {"components": 0.9, "references": ["pooled", "target"]}),
    ("gmm", {"components": 1}),
    ("gmm", {"components": 2, "references": ["pooled", "source", "target"]}),
    ("ocsvm", {"nu": 0.2, "references": ["pooled", "source", "target"]}),
    ("isolation_forest", {"trees": 5, "references": ["pooled", "target"]}),
    ("deep_svdd", {"epochs": 1}),
    ("beam", {"bands": 2}),
    ("beam", {"bands": 2, "reduce": "max", "metric": "euclidean", "references": ["pooled", "target"]}),
    ("beam", {"bands": 2, "varmin": 2}),
    ("beam", {"bands": 2, "varmin": 1, "reduce": "max", "metric": "euclidean"}),
]


@pytest.mark.parametrize(("name", "parameters"), BY_FEATURES, ids=lambda value: str(value))
@pytest.mark.parametrize("dim", [4, 30])
@QUICK
@given(seeds)
def test_scorers_of_features(as_onnx, name, parameters, dim, seed):
    features, domain = bank(seed, dim=dim)
    scorer = asdcore.load_scorer(name, **parameters).fit(features, domain)
    clip = features[:1] + np.float32(0.3)
    same(as_onnx(scorer.to_onnx, clip), scorer.score(clip))


SCOPES = ("pooled", "domain_min", "source", "target", "domain_soft")
KINDS = ("mse", "mahalanobis", "mahalanobis_paper")
BY_FRAMES = [("autoencoder", {"score": score, "epochs": 1}) for score in KINDS]
BY_FRAMES += [("autoencoder", {"predicts": "middle", "epochs": 1})]
BY_FRAMES += [("autoencoder", {"predicts": "last", "score": score, "epochs": 1}) for score in KINDS[1:]]


@pytest.mark.parametrize(("name", "parameters"), BY_FRAMES, ids=lambda value: str(value))
def test_scorers_of_frames(as_onnx, name, parameters):
    draw = np.random.default_rng(0)
    train, domain = draw.normal(size=(8, 40, 2, 3)).astype(np.float32), np.array(["source", "target"] * 4)
    scorer = asdcore.load_scorer(name, **parameters).fit(train, domain)
    for time in (40, 57, 9):
        clip = draw.normal(size=(1, time, 2, 3)).astype(np.float32)
        same(as_onnx(scorer.to_onnx, clip), scorer.score(clip))
    with pytest.raises(Exception, match="out of data bounds"):  # no vector, no score
        as_onnx(scorer.to_onnx, clip[:, :4])


TEMPORAL = [
    {},
    {"metric": "euclidean", "pool": "max", "window": 3, "hop": 2},
    {"pool": "top", "share": 0.3, "window": 2, "hop": 1, "references": ["pooled", "target"]},
    {"pool": "top", "share": 0.25, "window": 4, "hop": 7},
]


@pytest.mark.parametrize("parameters", TEMPORAL, ids=str)
@pytest.mark.parametrize("time", [1, 3, 12, 13, 29])
def test_windows_of_a_clip_of_any_length(written_as_onnx, parameters, time):
    draw = np.random.default_rng(time)
    train, domain = draw.normal(size=(8, 15, 2, 3)).astype(np.float32), np.array(["source", "target"] * 4)
    scorer = asdcore.load_scorer("temporal", **parameters).fit(train, domain)
    clip = draw.normal(size=(1, time, 2, 3)).astype(np.float32)
    written = written_as_onnx(scorer.to_onnx, clip)
    same(written(clip), scorer.score(clip))
    same(written(0.0 * clip), scorer.score(0.0 * clip))


@pytest.mark.parametrize("share", [0.07, 0.1, 0.29, 0.35, 0.57])
def test_as_many_windows_count_as_the_share_that_is_written_says(as_onnx, share):
    scorer = asdcore.load_scorer("temporal", pool="top", share=share, window=1, hop=1, metric="euclidean")
    scorer.fit(np.zeros((2, 3, 1, 1), np.float32), np.array(["source"] * 2))
    for time in (1, 5, 10, 50, 150):
        clip = np.arange(1.0, 1.0 + time, dtype=np.float32).reshape(1, time, 1, 1)
        same(as_onnx(scorer.to_onnx, clip), scorer.score(clip))


BY_FRAMES_OF_ONE_LENGTH = [
    *(("linear_autoencoder", {"components": 2, "stacked": 3, "score": score}) for score in KINDS),
    ("linear_autoencoder", {"components": 1, "stacked": 1, "references": ["source", "target"]}),
    ("padim", {}),
    ("padim", {"channels": 2, "top": 0.3, "references": ["pooled", "target"]}),
    ("patchcore", {"fraction": 0.2}),
    ("patchcore", {"fraction": 1.0, "b": 3, "references": ["pooled", "source"]}),
    ("patchcore", {"fraction": 0.1, "b": 0}),
    ("patchcore", {"fraction": 0.001}),
]


@pytest.mark.parametrize(("name", "parameters"), BY_FRAMES_OF_ONE_LENGTH, ids=lambda value: str(value))
@QUICK
@given(seeds, st.sampled_from([1e-3, 1.0, 100.0]))
def test_scorers_of_frames_of_one_length(written_as_onnx, name, parameters, seed, scale):
    draw = np.random.default_rng(seed)
    train, domain = draw.normal(size=(8, 20, 2, 3)).astype(np.float32) * scale, np.array(["source", "target"] * 4)
    scorer = asdcore.load_scorer(name, **parameters).fit(train.astype(np.float32), domain)
    written = written_as_onnx(scorer.to_onnx, train[:1])
    for loudness in (0.3, 1.0, 40.0):
        clip = (draw.normal(size=(1, 20, 2, 3)) * scale * loudness).astype(np.float32)
        same(written(clip), scorer.score(clip))


@pytest.mark.parametrize(
    "parameters", [{}, {"components": 1, "context": 0, "bands": 2}, {"bands": 1, "references": ["pooled", "source"]}]
)
@QUICK
@given(seeds)
def test_relations_of_two_channels(written_as_onnx, parameters, seed):
    draw = np.random.default_rng(seed)
    train, domain = draw.normal(size=(16, 9, 5, 6)).astype(np.float32), np.array(["source", "target"] * 8)
    scorer = asdcore.load_scorer("normal_relation", **parameters).fit(train, domain)
    written = written_as_onnx(scorer.to_onnx, train[:1])
    for loudness in (0.3, 1.0, 40.0):
        clip = (draw.normal(size=(1, 9, 5, 6)) * loudness).astype(np.float32)
        same(written(clip), scorer.score(clip))


def test_pooled_features_are_read_as_bands(as_onnx):
    features, domain = bank(3, dim=6)
    scorer = asdcore.load_scorer("padim", bands=2).fit(features, domain)
    same(as_onnx(scorer.to_onnx, features[:1]), scorer.score(features[:1]))


NORMALIZERS = [(name, {"scope": scope}) for name in ("median_iqr", "mean_std", "mad", "qn") for scope in SCOPES]
NORMALIZERS += [
    (name, {"scope": scope, "output": output})
    for name in ("ecdf", "conformal", "gamma", "gpd")
    for scope in SCOPES[:4]
    for output in ("probability", "normal", "surprise")
    if (name, output) not in (("conformal", "normal"), ("gamma", "normal"))
]


@pytest.mark.parametrize(("name", "parameters"), NORMALIZERS, ids=lambda value: str(value))
@QUICK
@given(seeds, st.floats(-20, 20, allow_subnormal=False))
def test_normalizers(written_as_onnx, name, parameters, seed, score):
    draw = np.random.default_rng(seed)
    scores = {reference: draw.gamma(2.0, size=300) for reference in ("pooled", "source", "target")}
    scores["target"][250] = scores["target"][260]  # a tie
    scores = {reference: np.maximum(values, 1e-6) for reference, values in scores.items()}
    domain = np.array(["source"] * 200 + ["target"] * 100)
    normalizer = asdcore.load_normalizer(name, **parameters).fit(scores, domain)
    references, one_clip = list(scores), [np.zeros(1)] * len(scores)
    run = written_as_onnx(lambda *clip: normalizer.to_onnx(dict(zip(references, clip, strict=True))), *one_clip)
    for value in (score, scores["pooled"][0], scores["source"].max(), scores["target"][250], scores["target"].min()):
        clip = {reference: np.array([value + i]) for i, reference in enumerate(references)}
        assert run(*clip.values()) == pytest.approx(normalizer.transform(clip), rel=1e-9, abs=1e-12)


GUARDS = [
    ("tail", {"support": "b", "quantile": 0.8}),
    ("tail_calibration", {"quantile": 0.8}),
    ("target_proximity", {"support": "b", "proximity": "c", "quantile": 0.8}),
    ("channel_disagreement", {"branches": ["b", "c"], "quantile": 0.8, "disagreement_quantile": 0.5}),
]


@pytest.mark.parametrize(("name", "parameters"), GUARDS, ids=lambda value: str(value))
@QUICK
@given(seeds, st.floats(-5, 20, allow_subnormal=False), st.floats(-5, 20, allow_subnormal=False))
def test_guards(as_onnx, name, parameters, seed, base, support):
    draw = np.random.default_rng(seed)
    normals, z = draw.gamma(2.0, size=20), {"b": draw.normal(size=20), "c": draw.normal(size=20)}
    guard = asdcore.load_guard(name, **parameters).fit(normals, z, np.array(["source", "target"] * 10))
    written = as_onnx(lambda base, b, c: guard.to_onnx(base, {"b": b, "c": c}), [base], [support], [0.3])
    penalty = guard.penalty(np.array([base]), {"b": np.array([support]), "c": np.array([0.3])})
    assert written == pytest.approx(penalty, rel=1e-9, abs=1e-12)


ENCODERS = [
    ("logmel", {"n_mels": 16, "n_fft": 512, "hop": 160}),
    ("logmel", {"n_mels": 8, "power": 1.0}),
    ("logmel", {"n_mels": 8, "log": False, "sample_rate": 8000}),
    ("melspec", {"n_mels": 16}),
    ("melspec", {"n_mels": 16, "log": True, "hop": 300}),
    ("melspec", {"n_mels": 16, "seconds": [0.5, 1.5]}),
    ("psd_shape", {}),
    ("psd_shape", {"n_fft": 1000, "n_bands": 20, "sample_rate": 8000}),
    ("modulation", {}),
    ("modulation", {"n_mels": 4, "seconds": 0.3, "hop": 50}),
]


@pytest.mark.parametrize(("name", "parameters"), ENCODERS, ids=lambda value: str(value))
@pytest.mark.parametrize("samples", [1, 700, 5000, 8000, 13001, 30000])
def test_encoders_without_weights(as_onnx, name, parameters, samples):
    encoder = asdcore.load_encoder(name, **parameters)
    clip = np.random.default_rng(samples).normal(scale=0.1, size=samples).astype(np.float32)
    tokens = encoder.encode(clip[None], [0])[0].patches[0]
    written = as_onnx(lambda audio: encoder.to_onnx(audio, [0])[0][0], clip)
    assert written.shape == tokens.shape
    assert written == pytest.approx(tokens, rel=1e-6, abs=1e-6 * float(np.abs(tokens).max()))


TWO_CHANNELS = [
    ("stereo_logmel", {}),
    ("stereo_logmel", {"n_mels": 8, "n_fft": 256, "hop": 100, "seconds": 0.2}),
    ("coherence", {}),
    ("coherence", {"n_bands": 8, "n_fft": 256, "hop": 100, "seconds": 0.1}),
]


@pytest.mark.parametrize(("name", "parameters"), TWO_CHANNELS, ids=lambda value: str(value))
@pytest.mark.parametrize("samples", [9000, 20000, 37001])
def test_encoders_of_two_channels(as_onnx, written_as_onnx, name, parameters, samples):
    encoder, draw = asdcore.load_encoder(name, **parameters), np.random.default_rng(samples)
    heard = draw.normal(scale=0.1, size=(2, samples)).astype(np.float32)
    heard[1, 3:] += heard[0, :-3]
    run = written_as_onnx(lambda audio: encoder.to_onnx(audio, [0])[0][0], heard)
    for clip in (heard, heard[::-1].copy(), heard * np.array([[1.0], [0.0]], np.float32), np.stack([heard[0]] * 2)):
        tokens = encoder.encode(clip[None])[0].patches[0]
        written = run(clip)
        assert written.shape == tokens.shape
        assert written == pytest.approx(tokens, rel=1e-6, abs=1e-6)
    too_short = clip[:, : parameters.get("n_fft", 1024) + 7 * parameters.get("hop", 512) - 1]
    with pytest.raises(asdcore.DataError, match="too short for a coherence"):
        encoder.encode(too_short[None])
    with pytest.raises(Exception, match="out of data bounds"):
        as_onnx(lambda audio: encoder.to_onnx(audio, [0])[0][0], too_short)


@pytest.mark.parametrize("name", ["near", "far", "mean", "difference", "stereo"])
def test_views(as_onnx, name):
    view, audio = asdcore.load_view(name), np.random.default_rng(0).normal(size=(2, 50)).astype(np.float32)
    assert np.array_equal(as_onnx(lambda given: view.to_onnx(given, 16000), audio), view(audio, 16000))


@pytest.mark.parametrize("name", ["w1", "spectral_subtraction", "wiener"])
@pytest.mark.parametrize("parameters", [{}, {"n_fft": 300, "hop": 70}], ids=str)
@pytest.mark.parametrize("samples", [1024, 5001])
def test_views_by_spectra(written_as_onnx, name, parameters, samples):
    parameters = {**parameters, "n_mels": 8} if name == "wiener" else parameters
    view, draw = asdcore.load_view(name, **parameters), np.random.default_rng(samples)
    audio = draw.normal(scale=0.1, size=(2, samples)).astype(np.float32)
    audio[1] += audio[0]
    silent_far = audio * np.array([[1.0], [0.0]], np.float32)
    run = written_as_onnx(lambda given: view.to_onnx(given, 16000), audio)
    for heard in (audio, silent_far, np.zeros_like(audio)):
        written = run(heard)
        assert written.shape == (samples,)
        assert written == pytest.approx(view(heard, 16000), abs=1e-7)
