"""Another store gets links to everything frozen that lies in the store, and the frozen store stays as it is."""

from __future__ import annotations

from asdcore.frozen.manifest.locations import roots_of
from asdcore.frozen.verifying.linked_store import link_store


def test_every_pinned_file_of_the_store_is_linked_and_no_other(frozen, tmp_path):
    (frozen.home / "store" / "fitted" / "another.safetensors").write_bytes(b"not pinned")
    link_store(frozen.manifest, roots_of(frozen.manifest, {}), tmp_path / "other")
    linked = {path.relative_to(tmp_path / "other"): path for path in (tmp_path / "other").rglob("*") if path.is_file()}
    pinned = frozen.manifest.of_kind("features", "fitted")
    assert {f"store/{name.as_posix()}" for name in linked} == {subject.name for subject in pinned}
    assert all(path.is_symlink() and path.resolve() == frozen.home / "store" / name for name, path in linked.items())
    link_store(frozen.manifest, roots_of(frozen.manifest, {}), tmp_path / "other")
    assert frozen.verify().passed
