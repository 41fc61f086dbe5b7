"""Refuses parameters that tell a component where the recordings lie: it could read labels from names and folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from asdcore.components.checkpoints import CHECKPOINT, checkpoint_path
from asdcore.components.named_files import paths_named
from asdcore.contract.plugins import Plugins
from asdcore.contract.source_code.folder_files import tree_folders
from asdcore.errors import PortfolioError
from asdcore.portfolio import Choice


def check_apart(choices: Iterable[Choice], root: Path, plugins: Plugins) -> None:
    """Raise PortfolioError for a parameter that names the recordings' root, or a folder within or above it.

    A file among the recordings is refused too, unless it is a checkpoint. Links are followed.
    """
    home = Path(os.path.realpath(root))
    problems = []
    for choice in choices:
        component = plugins.component(choice.kind, choice.named.name)
        values = choice.named.parameters
        if path := checkpoint_path(values):
            values[CHECKPOINT] = path
        for key, path in paths_named(component, values):
            if why := _relation(path, home, is_checkpoint=key == CHECKPOINT):
                problems.append(f"{choice.where}: {key} = {str(path)!r} {why}")
    if problems:
        raise PortfolioError(
            "\n  - ".join(
                [
                    f"A component must not know where the recordings lie ({root}): it could read labels from them. "
                    "Put what it needs into a folder of its own, and name that.",
                    *dict.fromkeys(problems),
                ]
            )
        )


def _relation(path: Path, home: Path, *, is_checkpoint: bool) -> str:
    """Describe how a file or folder overlaps with the recordings; "" if it does not."""
    if not path.is_dir():
        within = Path(os.path.realpath(path)).is_relative_to(home) or Path(os.path.abspath(path)).is_relative_to(home)  # noqa: PTH100
        return "" if is_checkpoint or not within else "is a file among the recordings."
    for folder in _folders(path):
        if folder == home:
            return "is the folder of the recordings, or holds a link to it."
        if folder.is_relative_to(home):
            return "lies in the folder of the recordings, or holds a link into it."
        if home.is_relative_to(folder):
            return "holds the folder of the recordings."
    return ""


def _folders(path: Path) -> Iterator[Path]:
    """Yield the folder itself, as named and as it really lies, then every folder below it, through links."""
    yield Path(os.path.abspath(path))  # noqa: PTH100
    yield from tree_folders(path)
