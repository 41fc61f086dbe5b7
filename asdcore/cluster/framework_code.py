"""Loads all code of asdcore that a result may depend on, and says which code that was.

A worker outlives changes of the files. What it imports first when a change has come would be new, and the rest old. So
all of it is imported at once, and the digest is taken before and after.
"""

from __future__ import annotations

import importlib

from asdcore.contract.source_code.files import files_digest, framework_files


def _load() -> str:
    """Import every module and return the digest of their files; "mixed" if they changed meanwhile."""
    top, files = framework_files()
    before = files_digest(top, files)
    for file in files:
        parts = file.relative_to(top).with_suffix("").parts
        if parts[0] == __name__.split(".")[1]:  # this room is being imported
            continue
        importlib.import_module(".".join((top.name, *parts)).removesuffix(".__init__"))
    return before if before == files_digest(*framework_files()) else "mixed"


FRAMEWORK = _load()
"""SHA-256 of the code of asdcore, as this process has loaded it."""
