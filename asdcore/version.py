"""The version of asdcore."""

from __future__ import annotations

__version__ = "0.1.0"
