"""Names for the arrays that scorers and their statistics pass around.

A docstring says the shape; (n_clips,) means one value a clip.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]

DistanceRows = Callable[[slice | Indices], Floats]
"""Some train normals -> their distances to all train normals (n, n_train). The array must not be written to."""
