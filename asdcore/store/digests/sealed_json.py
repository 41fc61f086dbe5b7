"""Seal a JSON file or an HTML page with its own digest, so that any changed byte shows.

The file holds, once, ``"sealed":"<text>sha256:<64 hex digits>"``. The digits are the SHA-256 of the file's bytes with
those digits replaced by zeros. An HTML page ends with a comment that holds the SHA-256 of all that stands before it.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

FIELD = "sealed"
BLANK = "0" * 64
_PATTERN = re.compile(rb'"sealed": ?"[^"]*sha256:([0-9a-f]{64})"')
_PAGE = re.compile(rb"<!-- Made by asdcore, sha256:([0-9a-f]{64}) -->\n\Z")


def unsealed(text: str = "") -> str:
    """Return the value to write into the field before :func:`seal`; ``text`` comes first in it."""
    return f"{text} sha256:{BLANK}".lstrip()


def seal(content: bytes) -> bytes:
    """Return the file's bytes with the digits filled in. It must hold the field once, blank."""
    (match,) = _PATTERN.finditer(content)
    return content[: match.start(1)] + hashlib.sha256(content).hexdigest().encode() + content[match.end(1) :]


def is_sealed(content: bytes) -> bool:
    """Whether the seal of these bytes is intact."""
    matches = list(_PATTERN.finditer(content))
    if len(matches) != 1:
        return False
    match = matches[0]
    blank = content[: match.start(1)] + BLANK.encode() + content[match.end(1) :]
    return hashlib.sha256(blank).hexdigest().encode() == match[1]


def is_sealed_file(path: Path) -> bool:
    """Whether a file exists and its seal is intact."""
    return path.is_file() and is_sealed(path.read_bytes())


def was_sealed(content: bytes) -> bool:
    """Whether these bytes hold a seal, intact or broken."""
    return len(_PATTERN.findall(content)) == 1


def seal_page(text: str) -> str:
    """Return the text of an HTML page with a last line that seals everything before it."""
    return f"{text}<!-- Made by asdcore, sha256:{hashlib.sha256(text.encode()).hexdigest()} -->\n"


def is_sealed_page(path: Path) -> bool:
    """Whether a file exists and is exactly as :func:`seal_page` made it."""
    if not path.is_file():
        return False
    content = path.read_bytes()
    match = _PAGE.search(content)
    return match is not None and hashlib.sha256(content[: match.start()]).hexdigest().encode() == match[1]
