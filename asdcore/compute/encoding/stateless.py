"""Checks that views and encoders remember no other clips: encodes a clip again after others, and compares.

A clip's features may depend on that clip alone. A part that goes on learning, or carries a state from clip to clip,
gives one of the first clips of a chunk other features after the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asdcore.compute.encoding import encoding
from asdcore.compute.encoding.requests import Array, Features, Request
from asdcore.errors import PluginError

ELSEWHERE = 1e-3
"""Difference allowed on other devices, relative to the largest feature, since batches round differently there.

On the CPU none is allowed."""


def check_forgets(
    clip: tuple[str, str], audio: Array, rate: int, before: Features, requests: Sequence[Request], device: str | None
) -> None:
    """Encode a clip again; raises PluginError, naming view or encoder, if its features are no longer the same.

    clip : its path, and the digest of its file. audio : (n_channels, n_samples) at ``rate`` Hz. before : its features
    when it was heard first.
    """
    (again,) = encoding.encode([encoding.prepare(audio, rate, requests, device, clip[1])], requests, device)
    allowed = 0.0 if device in (None, "cpu") else ELSEWHERE
    for request in requests:
        for output in request.outputs:
            if not _same(before[output], again[output], allowed):
                raise PluginError(
                    f"{_culprit(request, audio, rate)} gives {clip[0]} other features after it has heard other clips: "
                    "it remembers them. A clip's features must depend on that clip alone, so reset for each clip what "
                    "it keeps (a model's state, a running mean, a buffer). 'asdcore check-plugin NAME' may show more."
                )


def _same(before: Array, after: Array, allowed: float) -> bool:
    if before.shape != after.shape:
        return False
    if not allowed:
        return before.tobytes() == after.tobytes()
    return bool(np.abs(before - after).max() <= allowed * np.abs(before).max())


def _culprit(request: Request, audio: Array, rate: int) -> str:
    """Name the view if a new one of its kind gives another waveform, else the encoder."""
    used, new = (
        encoding.waveform(request.view, request.view_parameters, audio, rate, new=new) for new in (False, True)
    )
    if used.tobytes() != new.tobytes():
        return f"view {request.view!r}"
    return f"encoder {request.encoder!r}"
