"""Gives the Vega libraries that a page holds: bundled once for each version, and kept beside the store.

Bundling starts a JavaScript engine, which takes longer than all the rest of a small report.
"""

from __future__ import annotations

import functools
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from asdcore.errors import AsdcoreError
from asdcore.store.cache import default_store
from asdcore.store.digests.digest import bytes_digest
from asdcore.store.disk.atomic import write_text


@functools.cache
def libraries() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script."""
    return _kept() or _bundled()


def place() -> Path:
    """Return the file that keeps the script of the installed version, in the per-user store."""
    return default_store() / "libraries" / f"vega-of-vl-convert-{version('vl-convert-python')}.js"


def _kept() -> str | None:
    """Return the script if it is kept as it was written."""
    with suppress(OSError, ValueError, AsdcoreError):
        digest, _, script = place().read_bytes().partition(b"\n")
        if digest.decode() == bytes_digest(script):
            return script.decode()
    return None


def _bundled() -> str:
    from vl_convert import javascript_bundle

    script: str = javascript_bundle()  # type: ignore[call-arg]  # its stub lacks the default
    with suppress(AsdcoreError):  # it only saves time, so a full disk does not matter
        write_text(place(), f"{bytes_digest(script.encode())}\n{script}")
    return script
