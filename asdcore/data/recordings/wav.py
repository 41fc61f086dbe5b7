"""Checks the header of a wav against the bytes and against itself, which libsndfile does not do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from asdcore.data.recordings.file_content import BytesOnDisk

Order = Literal["big", "little"]

FORMS = (b"RIFF", b"RIFX", b"RF64")

OPEN_SIZE = 0x7FFFF000
"""From this size on a header promises nothing: a program that wrote into a pipe could not go back to fill it in."""

PLAIN = (1, 3)
"""Format tags of whole numbers and of floating point, whose samples all have the size that the header names."""

COMPANDED = (6, 7)
"""Format tags of A-law and mu-law: a byte a sample."""

EXTENSIBLE = 0xFFFE


@dataclass(frozen=True)
class WavHeader:
    """A wav's header compared with its bytes.

    missing : bytes of samples that it promises and that are not there. rest : bytes after the last whole sample of all
    channels. contradiction : what in it does not go together, in words; "" if all does. second : whether another chunk
    of samples follows the first; a wav has one.
    """

    missing: int = 0
    rest: int = 0
    contradiction: str = ""
    second: bool = False


def wav_header(content: bytes | BytesOnDisk) -> WavHeader | None:
    """Read the chunks of a wav after any ID3v2 tags; None if there is no such header."""
    start = behind_tags(content)
    form, position, long_size, block, wrong = content[start : start + 4], start + 12, 0, 0, ""
    if form not in FORMS:
        return None
    order: Order = "big" if form == b"RIFX" else "little"
    while position + 8 <= len(content):
        tag, body = content[position : position + 4], position + 8
        size = int.from_bytes(content[position + 4 : body], order)
        if tag == b"ds64":
            long_size = int.from_bytes(content[body + 8 : body + 16], "little")
        if tag == b"fmt ":
            fields = [int.from_bytes(content[body + at : body + at + 2], order) for at in (0, 2, 12, 14, 24)]
            block, wrong = fields[2], _contradiction(*fields)
        if tag == b"data":
            promised = long_size if form == b"RF64" else size if size < OPEN_SIZE else 0
            there = len(content) - body if not promised else min(promised, len(content) - body)
            rest = there % block if block else 0
            missing = max(0, body + promised - len(content))
            length = promised or size
            return WavHeader(
                missing, rest if promised else 0, wrong, _has_data(content, body + length + length % 2, order)
            )
        position = body + size + size % 2
    return WavHeader(contradiction=wrong)


def _has_data(content: bytes | BytesOnDisk, position: int, order: Order) -> bool:
    """Whether a chunk of samples begins at this position or after it."""
    while position + 8 <= len(content):
        if content[position : position + 4] == b"data":
            return True
        size = int.from_bytes(content[position + 4 : position + 8], order)
        position += 8 + size + size % 2
    return False


def _contradiction(tag: int, channels: int, block: int, bits: int, inner: int) -> str:
    """Explain how format tag, channels, bytes of a block and bits of a sample contradict one another; "" if not."""
    kind = inner if tag == EXTENSIBLE else tag
    bits = 8 if kind in COMPANDED else bits
    whole = channels * -(-bits // 8)
    if kind not in (*PLAIN, *COMPANDED) or block == whole:
        return ""
    return (
        f"{channels} channel{'s' * (channels != 1)} of {bits} bits make {whole} bytes a sample, and it says {block} "
        "(block align)"
    )


def behind_tags(content: bytes | BytesOnDisk) -> int:
    """Return where the file begins after its ID3v2 tags (id3.org, ID3v2.4, section 3.1: 7 bits of each size byte).

    libsndfile skips such a tag too, and then reads as many bytes too few as the tag has, so the end of the sound would
    be lost.
    """
    start = 0
    while content[start : start + 3] == b"ID3" and start + 10 <= len(content):
        size = 0
        for byte in content[start + 6 : start + 10]:
            size = size << 7 | byte & 0x7F
        footer = 10 if content[start + 5] & 0x10 else 0
        start += 10 + size + footer
    return start
