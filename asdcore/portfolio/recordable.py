"""Values that the record of a run can hold: whole numbers that JSON keeps exactly, and text."""

from __future__ import annotations

from typing import Any

from asdcore.store.digests.canonical import MAX_INTEGER


def check_recordable(value: Any, where: str = "") -> None:
    """Raise ValueError, which names the key, for a whole number beyond 2^53 - 1, or text that is not Unicode.

    Examples
    --------
    >>> from asdcore.portfolio.recordable import check_recordable
    >>> check_recordable({"branches": {"a": {"scorer": {"k": 2**53}}}})
    Traceback (most recent call last):
    ValueError: branches.a.scorer.k: got 9007199254740992; whole numbers from -(2^53 - 1) to 2^53 - 1 are allowed.
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            check_recordable(key, where)
            check_recordable(inner, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list | tuple):
        for i, inner in enumerate(value):
            check_recordable(inner, f"{where}.{i}")
    elif isinstance(value, int) and abs(value) > MAX_INTEGER:
        shown = str(value) if abs(value) < 10**40 else "one of more than 40 digits"
        raise ValueError(f"{where}: got {shown}; whole numbers from -(2^53 - 1) to 2^53 - 1 are allowed.")
    elif isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{where}: got {value[:40]!r}, which is not text in Unicode.") from None
