"""Products of float32 rows with a float64 vector, at the speed of reading the rows: by a loop that numba compiles.

NumPy multiplies two arrays of one precision, so float32 rows are converted first, which takes as long as to multiply. A
compiled loop converts a value where it multiplies it. numba is an extra (``pip install 'asdcore[compiled]'``). Sums are
in any order and may be fused with products, so use them where their rounding is bounded and no bit hangs on it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module

import numpy as np

from asdcore_plugins.stats.arrays import Floats, Floats32
from asdcore_plugins.stats.neighbours.prepared_rows import Features

Products = Callable[[Features, Floats, Floats], None]
"""(m, D) rows, (D,) vector, (m,) products to write."""

MOST_VECTORS = 2
"""Of more vectors at a time, converted rows are multiplied by all of them, which costs less than to read them anew."""

WORTH = 1 << 31
"""Values multiplied until a loop is compiled: by then it would have saved the 0.3 s that numba and compiling take."""


class CompiledProducts:
    """Products of a bank with few vectors at a time; none before enough have been asked for.

    Parameters
    ----------
    bank
        (m, D) features, which are not copied.

    Examples
    --------
    >>> products = CompiledProducts(np.ones((2, 3), np.float32))
    >>> products.of(np.ones((1, 3))) is None
    True
    """

    def __init__(self, bank: Features) -> None:
        self._bank, self._asked = bank, 0
        self._can_be_read = bank.dtype == np.float32 and bank.flags.c_contiguous

    def of(self, vectors: Floats) -> Floats | None:
        """Return the products (n, m) of vectors (n, D); None where converted rows cost less, or without numba."""
        if len(vectors) > MOST_VECTORS or not self._can_be_read:
            return None
        self._asked += len(vectors) * self._bank.size
        multiply = compiled() if self._asked > WORTH else None
        if multiply is None:
            return None
        products = np.empty((len(vectors), len(self._bank)))
        for i in range(len(vectors)):
            multiply(self._bank, np.ascontiguousarray(vectors[i], np.float64), products[i])
        return products


@cache
def compiled() -> Products | None:
    """Return the compiled loop; None where numba is not installed, or does not work with this NumPy."""
    try:
        numba = import_module("numba")  # an import statement would pin it, and no result hangs on it
    except ImportError:
        return None

    def multiply(rows: Floats32, vector: Floats, products: Floats) -> None:
        for i in range(rows.shape[0]):
            product = 0.0
            for j in range(rows.shape[1]):
                product += rows[i, j] * vector[j]
            products[i] = product

    bank = numba.types.Array(numba.float32, 2, "C", readonly=True)  # takes what may be written as well
    vector = numba.types.Array(numba.float64, 1, "C", readonly=True)
    # Sums may be split ("reassoc") and fused ("contract"); infinite values and nan stay what they are.
    compile_now = numba.njit(numba.void(bank, vector, numba.float64[::1]), fastmath={"reassoc", "contract"})
    loop: Products = compile_now(multiply)
    return loop
