"""Another store gets links to everything frozen that lies in the store, and the frozen store stays as it is."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from asdcore.frozen.manifest.locations import roots_of
from asdcore.frozen.verifying.linked_store import link_store
from asdcore.store.digests.digest import file_digest


def test_every_pinned_file_of_the_store_is_linked_and_no_other(frozen, tmp_path):
    (frozen.home / "store" / "fitted" / "another.safetensors").write_bytes(b"not pinned")
    link_store(frozen.manifest, roots_of(frozen.manifest, {}), tmp_path / "other")
    linked = {path.relative_to(tmp_path / "other"): path for path in (tmp_path / "other").rglob("*") if path.is_file()}
    pinned = frozen.manifest.of_kind("features", "fitted")
    assert {f"store/{name.as_posix()}" for name in linked} == {subject.name for subject in pinned}
    assert all(path.is_symlink() and path.resolve() == frozen.home / "store" / name for name, path in linked.items())
    link_store(frozen.manifest, roots_of(frozen.manifest, {}), tmp_path / "other")
    assert frozen.verify().passed


@pytest.mark.parametrize("hard", [True, False])
def test_where_links_cannot_be_followed_a_file_is_linked_otherwise_or_copied(frozen, tmp_path, monkeypatch, hard):
    link_to = Path.symlink_to

    def nowhere(link, _):
        """Make a link as some file systems do: it is there, and to follow it is refused."""
        link_to(link, "nowhere")

    def refused(*_):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "symlink_to", nowhere)
    if not hard:
        monkeypatch.setattr(Path, "hardlink_to", refused)
    link_store(frozen.manifest, roots_of(frozen.manifest, {}), tmp_path / "other")
    for subject in frozen.manifest.of_kind("features", "fitted"):
        link = tmp_path / "other" / subject.name.removeprefix("store/")
        assert file_digest(link) == file_digest(frozen.home / subject.name)
        assert not link.is_symlink()
