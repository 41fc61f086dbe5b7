"""List every file of a checkpoint."""

from __future__ import annotations

from pathlib import Path

from asdcore.contract.plugins import Component
from asdcore.contract.source_code.folder_files import tree_files
from asdcore.errors import blamed


def checkpoint_files(path: Path, component: Component | None = None) -> list[Path]:
    """Return every file of a checkpoint: all in a folder, or the file and those that its component reads beside it."""
    if path.is_dir():
        return [file for _, file in tree_files(path)]
    if component is None or not callable(ask := getattr(component.factory, "files", None)):
        return [path]
    with blamed(component.kind, component.name):
        return [path, *(file for file in map(Path, ask(path)) if file != path)]
