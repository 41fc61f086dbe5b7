"""Builds encoders, each once a process, and asks those that hear no sound for what they have of a recording."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Mapping
from typing import Any

from asdcore.components.build import build
from asdcore.compute.encoding.requests import Request
from asdcore.compute.scoring.restoring import restored
from asdcore.contract.plugins import Component, installed
from asdcore.errors import DataError, PluginError, blamed, located
from asdcore.portfolio import TrainedState


def built_encoder(request: Request, device: str | None) -> Any:
    """Return the encoder of a request, built once a process."""
    made_by = installed().components("encoder").get(request.encoder)
    encoder = _encoder(request.encoder, request.encoder_parameters, device, request.trained, made_by)
    if request.trained is None and hasattr(encoder, "fit"):
        raise PluginError(
            f"encoder {request.encoder!r} has to be trained, but what is registered has no 'fit'. Register its class."
        )
    return encoder


def build_encoder(name: str, parameters: str, device: str | None) -> Any:
    """Build an encoder from its parameters (JSON text); ``device`` reaches the encoders that take one."""
    values = json.loads(parameters)
    factory = installed().component("encoder", name).factory if device is not None else None
    if factory and "device" in inspect.signature(factory).parameters:
        values["device"] = device
    return build("encoder", name, values, installed())


def restored_encoder(name: str, parameters: str, device: str | None, learnt: Mapping[str, Any]) -> Any:
    """Build an encoder and restore what it has learnt. Raises PluginError if it refuses."""
    return restored(build_encoder(name, parameters, device), learnt, name)


@functools.lru_cache(maxsize=8)
def _encoder(name: str, parameters: str, device: str | None, trained: TrainedState | None, _: Component | None) -> Any:
    """Build an encoder once a process, as a view, and restore it if it was trained."""
    if trained is None:
        return build_encoder(name, parameters, device)
    return restored_encoder(name, parameters, device, trained.read())


def hears(encoder: str, parameters: str, device: str | None) -> Any:
    """Return how many seconds of a clip an encoder with these parameters (JSON text) declares to hear, or None."""
    with located(f"encoder {encoder!r}"), blamed("encoder", encoder):
        made_by = installed().components("encoder").get(encoder)
        return getattr(_encoder(encoder, parameters, device, None, made_by), "hears", None)


def knows_recordings(request: Request, device: str | None) -> bool:
    """Whether an encoder hears no sound, and knows recordings by the digests of their files."""
    with located(f"encoder {request.encoder!r}"), blamed("encoder", request.encoder):
        return hasattr(built_encoder(request, device), "prepare_recording")


def of_recording(request: Request, device: str | None, sha256: str | None) -> Any:
    """Return what an encoder has of a recording. Raises DataError if it has nothing."""
    where = f"encoder {request.encoder!r}"
    if sha256 is None:
        raise DataError(
            f"{where} hears no sound: it knows recordings by the SHA-256 of their files, and this sound comes without "
            "a file. Give the branch an encoder that hears, such as 'logmel'."
        )
    with located(where), blamed("encoder", request.encoder):
        return built_encoder(request, device).prepare_recording(sha256)
