"""Writes branches as ONNX: a waveform through views, encoders and poolings to features, scores and z."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_type_hints

from asdcore.components.build import build
from asdcore.compute.encoding.built_encoders import built_encoder
from asdcore.compute.encoding.encoding import layers_of
from asdcore.compute.encoding.requests import Output, Request
from asdcore.compute.scoring.scoring import Recipe, takes_distances
from asdcore.contract.onnx.onnx_graph import NotInOnnxError, OnnxValue
from asdcore.contract.plugins import Plugins
from asdcore.data.features.distances_as_onnx import distances_to_onnx
from asdcore.detector.as_onnx.poolings import pooled
from asdcore.detector.as_onnx.resampling import resampled
from asdcore.detector.as_onnx.rounding import on_grid
from asdcore.detector.branches import FrozenBranch
from asdcore.detector.systems import Scale
from asdcore.errors import DataError, located

Features = dict[Path, OnnxValue]
"""{folder of a feature set: the features (1, D) of the clip}."""


def features_of(
    audio: OnnxValue, request: Request, outputs: Sequence[Output], sample_rate: int, plugins: Plugins
) -> Features:
    """Write some outputs of a view and an encoder: audio (n_channels, n_samples) at ``sample_rate`` -> features.

    Raises NotInOnnxError, naming the part, for one that cannot be written.
    """
    view = build("view", request.view, json.loads(request.view_parameters), plugins)
    with blaming("view", request.view, view, "to_onnx", plugins):
        waveform = view.to_onnx(audio, sample_rate)
    encoder, features = built_encoder(request, None), Features()
    with blaming("encoder", request.encoder, encoder, "to_onnx", plugins):
        if encoder.sample_rate != sample_rate:
            waveform = _each_channel(waveform, getattr(view, "channels", 1), sample_rate, encoder.sample_rate)
        layers = layers_of(encoder, outputs)
        tokens = encoder.to_onnx(waveform, list(dict.fromkeys(layers.values())))
        for output in outputs:
            patches, special = tokens[layers[output]]
            features[output.folder] = pooled(output.pooling, patches, special, json.loads(output.pooling_parameters))
    return features


def _each_channel(waveform: OnnxValue, channels: int, sample_rate: int, wanted: int) -> OnnxValue:
    """Resample (n_samples,), or with several channels (n_channels, n_samples)."""
    if channels == 1:
        return resampled(waveform, sample_rate, wanted)
    each = [resampled(waveform.take(channel), sample_rate, wanted).reshape(1, -1) for channel in range(channels)]
    return each[0].op("Concat", *each[1:], axis=0)


def combined(recipe: Recipe, features: Features) -> OnnxValue:
    """Combine feature sets as a recipe says: the inner ones are added up, the outer ones set side by side."""
    blocks = []
    for (first, weight), *more in recipe:
        total = features[first] * weight if weight != 1 else features[first]
        for folder, share in more:
            total = total + share * features[folder]
        blocks.append(total)
    if len(blocks) == 1:
        return blocks[0]
    return blocks[0].op("Concat", *blocks[1:], axis=-1)


def z_of(name: str, branch: FrozenBranch, fold: int, scale: Scale, features: OnnxValue, plugins: Plugins) -> OnnxValue:
    """Write scorer and normalizer of a branch: features (1, ...) -> z (1,) by the scorer of a fold; FULL is no fold.

    Raises NotInOnnxError, naming the part, for one that cannot be written.
    """
    scorer, rows = branch.frozen(fold)
    if takes_distances(scorer) and branch.metric is not None:
        with blaming("scorer", branch.scorer, scorer, "distances_to_onnx", plugins):
            bank = branch.train[rows]
            scores = scorer.distances_to_onnx(distances_to_onnx(features, bank, branch.metric))
    else:
        with blaming("scorer", branch.scorer, scorer, "to_onnx", plugins):
            scores = scorer.to_onnx(features)
    rounded = {reference: on_grid(scores[reference], grid) for reference, grid in branch.grids(fold).items()}
    calibration = scale.calibrations[name]
    normalizer = calibration.normalizer()
    with blaming("normalizer", calibration.step.name, normalizer, "to_onnx", plugins):
        return on_grid(normalizer.to_onnx(rounded), calibration.grid)


@contextmanager
def blaming(kind: str, name: str, component: Any, method: str, plugins: Plugins) -> Iterator[None]:
    """Name the component in a NotInOnnxError raised inside, or raise one if it lacks the method."""
    with located(f"{kind} {name!r}"):
        if not hasattr(component, method):
            names = sorted(able(plugins, kind))
            raise NotInOnnxError(f"it cannot be written as ONNX. {kind.capitalize()}s that can: {', '.join(names)}")
        try:
            yield
        except NotInOnnxError:
            raise
        except DataError as error:
            raise NotInOnnxError(str(error)) from error
        except (TypeError, AttributeError) as error:
            raise NotInOnnxError(f"its formula cannot be written as ONNX ({error})") from error


def able(plugins: Plugins, kind: str) -> Iterator[str]:
    """Yield the names of components of a kind that can be written."""
    for name, component in plugins.components(kind).items():
        try:
            factory: Callable[..., Any] = component.factory
        except Exception:  # its library may not be installed
            continue
        made = factory if isinstance(factory, type) else get_type_hints(factory).get("return")
        if any(hasattr(made, method) for method in ("to_onnx", "distances_to_onnx")):
            yield name
