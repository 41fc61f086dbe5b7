"""Says which recordings encoders do not know that hear no sound, and know recordings by the digests of their files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asdcore.components.checkpoints import CHECKPOINT
from asdcore.compute.encoding.built_encoders import built_encoder, knows_recordings
from asdcore.compute.encoding.requests import Request

IMPORT = "asdcore features import TABLE"
"""The command that brings features of recordings in."""


def any_knows_recordings(requests: Sequence[Request], device: str | None) -> bool:
    """Whether any encoder hears no sound, and knows recordings by the digests of their files."""
    return any(knows_recordings(request, device) for request in requests)


def unknown_recordings(
    requests: Sequence[Request], device: str | None, clips: Mapping[str, str | Path], what: str
) -> str:
    """Say of how many clips encoders have no features, and which clip is the first; "" if they know all.

    Parameters
    ----------
    requests : sequence of Request
        Of any encoders; those that hear are passed over.
    device : str or None
        As they are asked for elsewhere, so that none is built twice.
    clips : mapping of str to str or Path
        {SHA-256 of a recording's file: its name}.
    what : str
        What the clips are, such as "clips to embed".

    Returns
    -------
    str
        A clause for each set of features that lacks clips, without a full stop.
    """
    clauses = []
    for encoder in dict.fromkeys((request.encoder, request.encoder_parameters) for request in requests):
        request = next(each for each in requests if (each.encoder, each.encoder_parameters) == encoder)
        if not knows_recordings(request, device):
            continue
        digests = frozenset(built_encoder(request, device).recordings)
        if lost := [name for sha256, name in clips.items() if sha256 not in digests]:
            named = f"encoder {request.encoder!r}{_features(json.loads(request.encoder_parameters))}"
            clauses.append(f"{named} has no features of {len(lost)} of the {len(clips)} {what}, the first: {lost[0]}")
    return "; ".join(clauses)


def _features(parameters: Mapping[str, Any]) -> str:
    """Return by which name a portfolio calls the features: an entry of the registry is the folder of its file."""
    checkpoint = parameters.get(CHECKPOINT)
    if not isinstance(checkpoint, dict):
        return ""
    path = Path(checkpoint["path"])
    return f" with the features {path.parent.name if path.is_file() else path.name}"
