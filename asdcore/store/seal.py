"""A JSON file that knows its own digest, so that any changed byte of it shows.

The file holds, once, ``"sealed":"<text>sha256:<64 hex digits>"``. The digits are the SHA-256 of the file's bytes with
those digits replaced by zeros.
"""

from __future__ import annotations

import hashlib
import re

FIELD = "sealed"
BLANK = "0" * 64
_PATTERN = re.compile(rb'"sealed": ?"[^"]*sha256:([0-9a-f]{64})"')


def unsealed(text: str = "") -> str:
    """Return the value to write into the field before :func:`seal`; ``text`` comes first in it."""
    return f"{text} sha256:{BLANK}".lstrip()


def seal(content: bytes) -> bytes:
    """Return the file's bytes with the digits filled in. It must hold the field once, blank."""
    (match,) = _PATTERN.finditer(content)
    return content[: match.start(1)] + hashlib.sha256(content).hexdigest().encode() + content[match.end(1) :]


def is_sealed(content: bytes) -> bool:
    """Whether these are the bytes that were sealed."""
    matches = list(_PATTERN.finditer(content))
    if len(matches) != 1:
        return False
    match = matches[0]
    blank = content[: match.start(1)] + BLANK.encode() + content[match.end(1) :]
    return hashlib.sha256(blank).hexdigest().encode() == match[1]
