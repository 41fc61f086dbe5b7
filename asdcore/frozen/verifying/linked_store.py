"""Link frozen features and states into another store, so that the frozen store never changes."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from asdcore.frozen.manifest.locations import Roots
from asdcore.frozen.manifest.statement import Manifest
from asdcore.store.disk.atomic import disk_trouble


def link_store(
    manifest: Manifest, roots: Roots, store: Path, kinds: tuple[str, ...] = ("features", "fitted", "trained")
) -> None:
    """Link every file of a store that a manifest pins into the store at ``store``.

    Parameters
    ----------
    manifest : Manifest
        The frozen run.
    roots : Roots
        Where its files are.
    store : Path
        The folder of another store.
    kinds : tuple of str
        The kinds of subject to link.
    """
    with disk_trouble(store):
        for subject in manifest.of_kind(*kinds):
            if source := roots.locate(subject.name):
                link = store / subject.name.removeprefix("store/")
                link.parent.mkdir(parents=True, exist_ok=True)
                link.unlink(missing_ok=True)
                _link(link, source.resolve())


def _link(link: Path, source: Path) -> None:
    """Make a link that can be followed; some file systems have no symbolic links, or refuse those that lead outside."""
    with suppress(OSError):
        link.symlink_to(source)
        if link.is_file():
            return
    with suppress(OSError):
        link.unlink(missing_ok=True)
        link.hardlink_to(source)
        return
    shutil.copyfile(source, link)
