"""Names what a trained encoder has learnt: a file, and the digest of what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asdcore.errors import StoreError
from asdcore.store.digests.digest import bytes_digest
from asdcore.store.fitted_state import Kept, pack, read_state

KIND = "trained encoder"


@dataclass(frozen=True)
class TrainedState:
    """The file of a trained state, and the SHA-256 of what was learnt.

    path : of the file. sha256 : of the state alone, so that it does not change with what the file says about it.
    """

    path: Path
    sha256: str

    def read(self) -> Mapping[str, Any]:
        """Return what was learnt. Raises StoreError if the file is missing, damaged or another's."""
        kept = read_trained(self.path)
        if kept.about["state_sha256"] != self.sha256:
            raise StoreError(f"{self.path} holds another trained state than this run's. {repair(self.path)}")
        learnt: Mapping[str, Any] = kept.state["state"]
        return learnt


def read_trained(path: Path) -> Kept:
    """Read the file of a trained state; raises StoreError if it does not hold what its name says."""
    kept = read_state(path, repair(path))
    about = kept.about
    if about.get("kind") != KIND or about.get("recipe") != path.stem or not isinstance(kept.state.get("state"), dict):
        raise StoreError(f"{path} does not hold the trained state that its name says. {repair(path)}")
    return kept


def learnt_digest(state: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what an encoder has learnt. Raises PluginError if it cannot be kept."""
    return bytes_digest(pack({"state": state}, {}))


def repair(path: Path) -> str:
    """Say what to do with a damaged file."""
    return f"Remove it with 'rm {path}' and run again: the encoder is then trained anew."
