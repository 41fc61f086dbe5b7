"""Turns the numbers that an MDF file holds of a channel into its unit, in float64.

asammdf (8.8.28) computes rational and algebraic conversions in the integers of the file: a square that passes their
range becomes negative. Of a formula that numexpr does not read, it returns what SymPy makes of the integers, or the
integers themselves where SymPy is not installed. So formulas are evaluated here, by numexpr alone, or refused.
"""

from __future__ import annotations

import ast
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.errors import DataError

_OF_BITS = re.compile(r"[&|~]|<<|>>")
"""What only integers have."""

_NAMES = {"ln": "log", "asin": "arcsin", "acos": "arccos", "atan": "arctan"}
"""Functions that numexpr has by another name."""


def formula_of(conversion: Any) -> str:
    """Return the formula of an algebraic conversion, such as "X*X"; "" for other conversions and for None."""
    return str(conversion.formula) if _kind(conversion) == "algebraic" else ""


def is_computed(conversion: Any) -> bool:
    """Whether in_unit is to convert the channel's raw numbers, since asammdf would compute with them as integers."""
    return _kind(conversion) != ""


def in_unit(raw: NDArray[Any], conversion: Any) -> NDArray[Any]:
    """Return the raw numbers (n,) of a channel in its unit, and what are no numbers as they are.

    Raises
    ------
    DataError
        If numexpr does not read the formula. The message lacks the channel's name: "is given by the formula ...".
    """
    if raw.dtype.kind not in "iuf":
        return raw
    if formula := formula_of(conversion):
        return _evaluated(formula, raw)
    return np.asarray(conversion.convert(raw.astype(np.float64)), dtype=np.float64)


def _kind(conversion: Any) -> str:
    from asammdf.blocks import v2_v3_constants as mdf3
    from asammdf.blocks import v4_constants as mdf4
    from asammdf.blocks.v4_blocks import ChannelConversion

    if conversion is None:
        return ""
    if isinstance(conversion, ChannelConversion):
        kinds = {mdf4.CONVERSION_TYPE_RAT: "rational", mdf4.CONVERSION_TYPE_ALG: "algebraic"}
    else:
        kinds = {mdf3.CONVERSION_TYPE_RAT: "rational", mdf3.CONVERSION_TYPE_FORMULA: "algebraic"}
    return kinds.get(conversion.conversion_type, "")


def _evaluated(formula: str, raw: NDArray[Any]) -> NDArray[np.float64]:
    import numexpr

    x = raw.astype(np.int64 if _OF_BITS.search(formula) else np.float64)
    names = {"X": x, "X1": x, "INF": np.inf, "NaN": np.nan}
    try:
        written = ast.unparse(_ForNumexpr().visit(ast.parse(formula.strip(), mode="eval")))
        values = numexpr.evaluate(written, local_dict=names, global_dict={}, sanitize=True)
    except Exception:
        raise DataError(
            f"is given by the formula {formula!r}, and what numexpr computes from X is allowed, powers by ** or pow. "
            "Save the channel in its unit, as WAV or HDF5"
        ) from None
    return np.asarray(values, dtype=np.float64) if np.ndim(values) else np.full(raw.shape, float(values))


class _ForNumexpr(ast.NodeTransformer):
    """Writes the functions of a formula as numexpr has them."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name):
            if node.func.id == "pow" and len(node.args) == 2:
                return ast.BinOp(node.args[0], ast.Pow(), node.args[1])
            node.func.id = _NAMES.get(node.func.id, node.func.id)
        return node
