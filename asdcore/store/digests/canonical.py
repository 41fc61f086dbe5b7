"""Write canonical JSON (RFC 8785, JCS): the same value always gives the same bytes, so that they can be hashed.

Keys are sorted by their UTF-16 code units, numbers are written as ECMAScript writes them, and there is no white space.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

MAX_INTEGER = 2**53 - 1
"""The largest whole number that every reader of JSON gets exactly."""


def canonical_json(value: Any) -> bytes:
    """Return a JSON value as canonical UTF-8; ValueError for NaN, infinities and whole numbers beyond 2^53 - 1."""
    return "".join(_parts(value)).encode()


def _parts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for i, key in enumerate(sorted(value, key=lambda key: str(key).encode("utf-16-be"))):
            yield f"{',' if i else '{'}{_text(key)}:"
            yield from _parts(value[key])
        yield "}" if value else "{}"
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield "," if i else "["
            yield from _parts(item)
        yield "]" if value else "[]"
    elif isinstance(value, bool) or value is None:
        yield json.dumps(value)
    elif isinstance(value, int | float):
        yield _number(value)
    else:
        yield _text(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"JSON cannot hold {value!r}, only text, numbers, booleans, null, lists and tables")
    return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    """Write a number as ECMA-262 Number::toString does: its shortest digits, with an exponent only if far from 1."""
    if abs(value) > MAX_INTEGER if isinstance(value, int) else not math.isfinite(value):
        raise ValueError(f"JSON cannot hold the number {value!r} exactly")
    if value == 0:
        return "0"
    sign, value = ("-", -value) if value < 0 else ("", value)
    mantissa, _, exponent = f"{float(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)
    digits = f"{whole}{fraction}"
    point -= len(digits) - len(digits.lstrip("0"))
    digits = digits.strip("0")
    if len(digits) <= point <= 21:
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" * (len(digits) > 1)
    return f"{sign}{digits[0]}{tail}e{point - 1:+d}"
