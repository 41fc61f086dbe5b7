"""Features that still have a time axis, for scorers that look inside a clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asdcore import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def frames(features: NDArray[np.float32], scorer: str, bands: int | None = None) -> NDArray[np.float32]:
    """Return features as (n_clips, time, band, dim); pooled ones (n_clips, bands * dim) become one frame.

    Raises DataError for pooled features where ``bands`` is not given or does not divide them.
    """
    import numpy as np

    if features.ndim == 4:
        return np.ascontiguousarray(features)
    width = features.shape[-1]
    if bands is None:
        raise DataError(
            f"{scorer} reads frames (n_clips, time, band, dim), and these features are pooled to {width} values a "
            "clip. Set the encoder's pooling to 'frames'."
        )
    if width % bands:
        raise DataError(
            f"features of {width} values a clip are not {bands} bands of one size. "
            "Set bands to the number of bands of the encoder."
        )
    return np.ascontiguousarray(features.reshape(len(features), 1, bands, width // bands))
