"""Do views and encoders keep something of the clips that they hear? A clip is heard again after others, and compared.

A clip's features may depend on that clip alone. What goes on learning, or carries a state from clip to clip, gives one
of the first clips of a chunk other features once it has heard the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asdcore.compute import encoding
from asdcore.compute.encoding import Array, Features, Request
from asdcore.errors import PluginError

ELSEWHERE = 1e-3
"""Difference allowed off the CPU, relative to the largest feature: there clips go in batches, which round differently.

On the CPU none is."""


def check_forgets(
    clip: str, audio: Array, rate: int, before: Features, requests: Sequence[Request], device: str | None
) -> None:
    """Hear a clip again; raises PluginError, naming view or encoder, where its features are no longer the same.

    audio : (n_channels, n_samples) at ``rate`` Hz. before : its features when it was heard first.
    """
    (again,) = encoding.encode([encoding.prepare(audio, rate, requests, device)], requests, device)
    allowed = 0.0 if device in (None, "cpu") else ELSEWHERE
    for request in requests:
        for output in request.outputs:
            if not _same(before[output], again[output], allowed):
                raise PluginError(
                    f"{_culprit(request, audio, rate)} gives {clip} other features after it has heard other clips: "
                    "it keeps something of them. A clip must be heard alone, so make what is kept anew for each clip "
                    "(a model's state, a running mean, a buffer), or learn it before. 'asdcore check-plugin NAME' may "
                    "show more."
                )


def _same(before: Array, after: Array, allowed: float) -> bool:
    if before.shape != after.shape:
        return False
    if not allowed:
        return before.tobytes() == after.tobytes()
    return bool(np.abs(before - after).max() <= allowed * np.abs(before).max())


def _culprit(request: Request, audio: Array, rate: int) -> str:
    """Say which of view and encoder it is: a view makes of a clip what a new one of its kind makes of it."""
    used, new = (
        encoding.waveform(request.view, request.view_parameters, audio, rate, new=new) for new in (False, True)
    )
    if used.tobytes() != new.tobytes():
        return f"view {request.view!r}"
    return f"encoder {request.encoder!r}"
