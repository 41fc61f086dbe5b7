"""The checks of one kind each: for every check there is a fault, put into a bundled component, that it finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from asdcore import DataError, Tokens, load_encoder, load_guard, load_normalizer, load_scorer, load_view
from asdcore.authoring.conformance import trained
from asdcore.authoring.conformance.one_clip_alone import ROW_CHECKS
from asdcore.authoring.conformance.restoring import restores
from asdcore.testing import checks, run_checks

Method = Callable[..., Any]


class Changed:
    """A component in which some methods are replaced by functions of (this object, the component, arguments)."""

    train: Any

    def __init__(self, component: Any, **methods: Method) -> None:
        self._component, self._methods = component, methods

    def __getattr__(self, name: str) -> Any:
        if name in self._methods:
            return lambda *given: self._methods[name](self, self._component, *given)
        return getattr(self._component, name)

    def __call__(self, *given: Any) -> Any:
        return self._methods["call"](self, self._component, *given)


def changed(build: Method, name: str, **methods: Method) -> Method:
    """Return a factory of the named component with the methods changed, whose fit returns the changed object."""

    def fit(self: Changed, component: Any, *given: Any) -> Changed:
        component.fit(*given)
        return self

    return lambda: Changed(build(name), **{"fit": fit, **methods})


def view(call: Method, channels: int = 1) -> Method:
    class Channelled(Changed):
        pass

    Channelled.channels = channels
    return lambda: Channelled(load_view("mean"), call=lambda self, mean, audio, rate: call(mean(audio, rate)))


def encoder(encode: Method) -> Method:
    """encode : (patches, layers) -> {layer: Tokens}."""

    def encoded(self: Changed, logmel: Any, audio: Any, layers: Any) -> Any:
        return encode(logmel.encode(audio, [0])[0].patches, layers)

    return lambda: Changed(load_encoder("logmel"), encode=encoded)


def with_attributes(encode: Method | None = None, **attributes: Any) -> Method:
    class Attributed(Changed):
        pass

    for name, value in attributes.items():
        setattr(Attributed, name, value)
    return lambda: Attributed(load_encoder("logmel"), **({"encode": encode} if encode else {}))


def kept_in_place(self: Changed, logmel: Any, audio: Any, layers: Any) -> dict[Any, Tokens]:
    patches = logmel.encode(audio, [0])[0].patches
    kept = {}
    for layer in range(max(layers) + 1):
        patches += 1.0
        if layer in layers:
            kept[layer] = Tokens(patches)
    return kept


def only_long_clips(self: Changed, logmel: Any, audio: Any, layers: Any) -> Any:
    if audio.shape[1] < 10 * 16000:
        raise DataError("too short")
    return logmel.encode(audio, layers)


def first_block(self: Changed, mean: Any, sound: Any, sample_rate: int, temporary: Any) -> Any:
    yield mean(sound.read(0, len(sound) - 1), sample_rate)


def whole_at_once(self: Changed, sound: Any, layers: Any) -> Any:
    tokens = load_encoder("logmel").encode(0.5 * sound.read(0, len(sound))[None], layers)
    yield tokens


def scorer(**methods: Method) -> Method:
    return changed(load_scorer, "knn", **methods)


def scores(change: Method) -> Method:
    return scorer(score=lambda self, knn, features: {k: change(v) for k, v in knn.score(features).items()})


def fit_on_all_so_far(self: Changed, component: Any, *given: Any) -> Changed:
    before = self.__dict__.setdefault("given", [])
    before.append(given)
    if isinstance(given[0], dict):
        scores = {name: np.concatenate([one[0][name] for one in before]) for name in given[0]}
        component.fit(scores, np.concatenate([one[1] for one in before]))
    elif len(given) == 3:
        aux = np.concatenate([one[1]["aux"] for one in before])
        component.fit(np.concatenate([one[0] for one in before]), {"aux": aux}, None)
    else:
        component.fit(*(np.concatenate(parts) for parts in zip(*before, strict=True)))
    return self


def fit_on_the_first(self: Changed, knn: Any, features: Any, domain: Any) -> Changed:
    last = domain == "target"
    last[:50] = True
    knn.fit(features[last], domain[last])
    return self


def remember_train(self: Changed, knn: Any, features: Any, domain: Any) -> Changed:
    self.train = features.copy()
    knn.fit(features, domain)
    return self


def fit_distances(self: Changed, knn: Any, *given: Any) -> Changed:
    knn.fit_distances(*given)
    return self


def with_metric(metric: str) -> Method:
    class Measured(Changed):
        pass

    Measured.metric = metric
    return lambda: Measured(load_scorer("knn"))


def left_out(change: Method) -> Method:
    return scorer(score_left_out=lambda self, knn: change(knn.score_left_out()))


def told(change: Method, base: type[Changed] = Changed) -> Method:
    """change : (knn, without) -> the left-out scores of a scorer that can be told what else to leave out."""

    class Told(base):  # type: ignore[misc, valid-type]
        def score_left_out(self, without: Any = None) -> Any:
            return change(self._component, without)

    return lambda: Told(load_scorer("knn"), fit=remember_train, fit_distances=fit_distances)


class Deaf(Changed):
    """Takes in ``fit`` what its ``score_left_out`` does not take."""

    def fit(self, features: Any, domain: Any, without: Any = None) -> Deaf:
        self._component.fit(features, domain)
        return self

    def score_left_out(self) -> Any:
        return self._component.score_left_out()


def only(change: Method, **others: Method) -> Method:
    """change : z of the normalizer -> z."""
    return changed(
        load_normalizer, "median_iqr", transform=lambda self, iqr, scores: change(iqr.transform(scores)), **others
    )


def transform_with_targets_only(self: Changed, iqr: Any, scores: Any) -> Any:
    return iqr.transform(scores) + np.median(scores["target"][:0] if "target" in scores else np.array([np.nan]))


def guard(change: Method, **others: Method) -> Method:
    """change : (R, base) -> R."""
    return changed(
        lambda name: load_guard(name, support="aux"),
        "tail",
        penalty=lambda self, tail, base, z: change(tail.penalty(base, z), base),
        **others,
    )


def none(*_: Any) -> None:
    return None


def zeros_like_first(self: Changed, component: Any, first: Any, *_: Any) -> Any:
    n = len(next(iter(first.values()))) if isinstance(first, dict) else len(first)
    return np.zeros(n)


def louder(self: Changed, prepared: Any, layers: Any) -> list[dict[Any, Tokens]]:
    return [{0: Tokens(2 * self.encode(clip, [0])[0].patches)} for clip in prepared]


def without_an_onnx_form(*_: Any) -> Any:
    raise DataError("it has no ONNX form")


def doubled(self: Changed, component: Any, first: Any, *more: Any) -> Any:
    """Write something else as ONNX than what the component gives."""
    written = component.to_onnx(first, *more)
    if hasattr(component, "encode"):
        return {layer: (2.0 * tokens[0],) for layer, tokens in written.items()}
    return {name: 2.0 * value for name, value in written.items()} if isinstance(written, dict) else 2.0 * written + 1.0


def weights_of_other_distances(self: Changed, knn: Any, distances: Any) -> Any:
    return {name: weights[:, ::-1] for name, weights in knn.distance_weights(distances).items()}


def shares_of_a_half(self: Changed, mahalanobis: Any, features: Any) -> Any:
    return {name: shares / 2 for name, shares in mahalanobis.feature_shares(features).items()}


FAULTS: dict[str, dict[str, Method]] = {
    "view": {
        "check_onnx_form": lambda: Changed(
            load_view("mean"), call=lambda self, mean, *given: mean(*given), to_onnx=doubled
        ),
        "check_channels": view(lambda waveform: waveform, channels=3),
        "check_waveform_shape_and_type": view(lambda waveform: waveform.astype(np.float64)),
        "check_view_in_blocks": lambda: Changed(
            load_view("mean"), call=lambda self, mean, *given: mean(*given), hear_blocks=first_block
        ),
        "check_waveform_is_finite": view(lambda waveform: 1e6 * waveform),
    },
    "encoder": {
        "check_onnx_form": lambda: Changed(load_encoder("logmel"), to_onnx=doubled),
        "check_sample_rate": with_attributes(sample_rate=16000.0),
        "check_layers": with_attributes(layers=[]),
        "check_channels": with_attributes(channels=True),
        "check_gain": with_attributes(gain="none"),
        "check_one_tokens_per_layer": encoder(lambda patches, layers: {0: Tokens(patches[..., 0])}),
        "check_one_clip_and_a_batch": encoder(lambda patches, layers: {0: Tokens(patches[:1])}),
        "check_short_and_long_clips": with_attributes(only_long_clips),
        "check_encoder_in_blocks": with_attributes(encode_blocks=whole_at_once),
        "check_tokens_are_finite": encoder(lambda patches, layers: {0: Tokens(patches / np.float32(0))}),
        "check_unknown_layer_is_refused": encoder(lambda patches, layers: dict.fromkeys(layers, Tokens(patches))),
        "check_layers_together_equal_single": with_attributes(kept_in_place, layers=[0, 1]),
        "check_bands_have_frequencies": with_attributes(band_hertz=lambda self, layer: [(0.0, 8000.0)]),
        "check_halves_make_the_whole": with_attributes(prepare=lambda self, audio: audio, encode_prepared=louder),
    },
    "scorer": {
        "check_onnx_form": changed(load_scorer, "mahalanobis", to_onnx=doubled),
        "check_onnx_form_by_distances": scorer(
            fit_distances=fit_distances, distances_to_onnx=lambda self, knn, given: knn.distances_to_onnx(2.0 * given)
        ),
        "check_fit_returns_self": scorer(fit=none),
        "check_refuses_before_fit": scorer(score=lambda *given: {"pooled": zeros_like_first(*given)}),
        "check_refit_forgets": scorer(fit=fit_on_all_so_far),
        "check_references": scorer(score=lambda self, knn, rows: {"all": knn.score(rows)["pooled"]}),
        "check_scores_are_float64_rows": scores(lambda values: values.astype(np.float32)),
        "check_scores_are_finite": scores(lambda values: np.where(values > 0.4, np.inf, values)),
        "check_outlier_outranks_normals": scores(lambda values: -values),
        "check_train_order_is_irrelevant": scorer(fit=fit_on_the_first),
        "check_left_out_has_every_train_clip": left_out(lambda scores: {"pooled": scores["pooled"]}),
        "check_left_out_matches_refit": left_out(lambda scores: {k: 1.00001 * v for k, v in scores.items()}),
        "check_left_out_is_not_the_self_match": scorer(
            fit=remember_train, score_left_out=lambda self, knn: knn.score(self.train)
        ),
        "check_without_is_taken_as_a_whole": lambda: Deaf(load_scorer("knn")),
        "check_left_out_without_matches_refit": told(lambda knn, without: knn.score_left_out()),
        "check_distances_agree_without_clips": told(
            lambda knn, without: knn.score_left_out(without if knn._nearest is not None else None)
        ),
        "check_distances_come_whole": with_metric("manhattan"),
        "check_distances_agree_with_features": scorer(
            fit_distances=fit_distances, score_distances=lambda self, knn, given: knn.score_distances(2.0 * given)
        ),
        "check_distances_are_weighted": scorer(distance_weights=weights_of_other_distances),
        "check_shares_add_up": changed(load_scorer, "mahalanobis", feature_shares=shares_of_a_half),
    },
    "normalizer": {
        "check_onnx_form": only(lambda z: z, to_onnx=doubled),
        "check_fit_returns_self": only(lambda z: z, fit=none),
        "check_refuses_before_fit": changed(load_normalizer, "median_iqr", transform=zeros_like_first),
        "check_refit_forgets": only(lambda z: z, fit=fit_on_all_so_far),
        "check_z_is_float64_rows": only(lambda z: z[:, None]),
        "check_z_is_finite": only(lambda z: np.where(z > 50, np.inf, z)),
        "check_z_is_non_decreasing": only(lambda z: np.sin(z)),
        "check_few_target_clips": only(lambda z: z * np.nan),
        "check_no_target_clips": changed(load_normalizer, "median_iqr", transform=transform_with_targets_only),
    },
    "guard": {
        "check_onnx_form": guard(lambda penalty, base: penalty, to_onnx=doubled),
        "check_fit_returns_self": guard(lambda penalty, base: penalty, fit=none),
        "check_refuses_before_fit": changed(
            lambda name: load_guard(name, support="a"), "tail", penalty=zeros_like_first
        ),
        "check_refit_forgets": guard(lambda penalty, base: penalty, fit=fit_on_all_so_far),
        "check_penalty_is_float64_rows": guard(lambda penalty, base: penalty > 0),
        "check_penalty_is_finite_and_not_negative": guard(lambda penalty, base: penalty - 1e-9),
        "check_penalty_is_zero_below_the_tail": guard(lambda penalty, base: penalty + 1e-12),
        "check_ranking_below_the_tail_is_kept": guard(
            lambda penalty, base: penalty + np.where(base < np.median(base), np.arange(len(base)) % 2, 0)
        ),
    },
}


@pytest.mark.parametrize(("kind", "check"), [(kind, check) for kind, faults in FAULTS.items() for check in faults])
def test_fault_fails_its_check(kind: str, check: str) -> None:
    with np.errstate(all="ignore"), pytest.raises((AssertionError, DataError)):
        checks(kind)[check](FAULTS[kind][check])


def test_a_view_that_says_two_channels_must_give_two() -> None:
    with pytest.raises(AssertionError, match=r"gave \(16000,\) float32, not \(2, 16000\) float32"):
        checks("view")["check_waveform_shape_and_type"](view(lambda waveform: waveform, channels=2))


@pytest.mark.parametrize(
    ("gain", "said"), [("dB", "gain is 'dB', none of 'none', 'offset', 'factor'"), ("factor", "0")]
)
def test_what_an_encoder_says_of_gain_is_tried(gain: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        checks("encoder")["check_gain"](with_attributes(gain=gain))
    checks("encoder")["check_gain"](with_attributes(gain=None))


def test_an_encoder_of_two_channels_is_given_two() -> None:
    heard = []

    def mixed(self: Changed, logmel: Any, audio: Any, layers: Any) -> Any:
        heard.append(audio.shape[1:-1])
        return logmel.encode(audio.mean(axis=1), layers)

    two_channels = with_attributes(mixed, channels=2, encode_blocks=None, to_onnx=without_an_onnx_form)
    assert [result for result in run_checks("encoder", two_channels) if not result.passed] == []
    assert set(heard) == {(2,)}


@pytest.mark.parametrize("kind", FAULTS)
def test_every_check_of_the_kind_has_a_fault(kind: str) -> None:
    elsewhere = {check.__name__ for check in (*ROW_CHECKS, *restores.CHECKS, *trained.CHECKS)}
    assert set(FAULTS[kind]) == set(checks(kind)) - elsewhere


@pytest.mark.parametrize("kind", FAULTS)
def test_messages_say_what_was_found_why_it_matters_and_the_cause(kind: str) -> None:
    name = next(reversed(FAULTS[kind]))
    with pytest.raises(AssertionError, match=r"\nWhy it matters: .*\nLikely cause: "):
        checks(kind)[name](FAULTS[kind][name])
