"""The names that a person gives to a portfolio, its branches and its systems."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

LONGEST_NAME = 100
"""Bytes of a name: a file may have 255, and names of files have more in them than one name."""


def _check_length(name: str) -> str:
    length = len(name.encode())
    if length > LONGEST_NAME:
        raise ValueError(
            f"a name of {length:,} bytes is too long, since names of files are made of it; {LONGEST_NAME} are allowed"
        )
    return name


Name = Annotated[str, AfterValidator(_check_length)]
"""A name that becomes part of names of files."""

Label = Annotated[Name, Field(pattern=r"^\.*[^\s/.][^\s/]*$")]
"""A name of a branch or a system; it becomes a name in tables and files."""
