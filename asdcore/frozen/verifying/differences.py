"""The result of verifying a manifest: every difference between what it pins and what is here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from asdcore.compute.kernels import KernelChange
from asdcore.frozen.manifest.statement import Subject
from asdcore.frozen.pinning.hashing import HashedFile

MISSING, EXTRA, CHANGED, VERSION = "missing", "extra", "changed", "wrong version"

GROUPS = {
    "audio": "recordings",
    "checkpoint": "checkpoints",
    "plugin": "plugins",
    "code": "asdcore's source",
    "portfolio": "portfolio",
    "record": "record of the run",
    "features": "features",
    "fitted": "fitted scorers",
    "trained": "trained encoders",
    "table": "tables",
    "environment": "environment",
    "recomputed": "recomputed tables",
    "kernels": "what this processor computes",
}
"""The kinds of artifact, in the order in which differences are listed, and what a person calls them."""


@dataclass(frozen=True)
class Difference:
    """One artifact that differs from the frozen one. ``artifact`` is a subject's name, or a name in the lineage."""

    kind: str
    group: str
    artifact: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.artifact}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True)
class Verification:
    """The result of :func:`asdcore.verify`.

    Attributes
    ----------
    manifest, sha256 : str
        The manifest's path, as given, and the SHA-256 of its bytes.
    pinned : int
        How many artifacts the manifest pins.
    differences : sequence of Difference
        Everything that is not as it was frozen.
    affected : sequence of str
        Results, as ``system/machine/section``, that depend on something that differs.
    notes : sequence of str
        What a person should know besides the differences.
    recomputed : sequence of dict
        One row for each table that was built anew.
    absent : mapping
        {root: folder} of the roots ("data", "run", "store") without a single pinned file: they may have been moved.
    kernels : sequence of KernelChange
        The kernels of libraries, and what else of the processor, that are not those of the freeze. They are no
        differences: a proof that other bytes come out is.
    """

    manifest: str
    sha256: str
    pinned: int
    differences: Sequence[Difference]
    affected: Sequence[str] = ()
    notes: Sequence[str] = ()
    recomputed: Sequence[dict[str, Any]] = field(default=())
    absent: Mapping[str, str] = field(default_factory=dict)
    kernels: Sequence[KernelChange] = ()

    @property
    def passed(self) -> bool:
        """Whether everything is as it was frozen."""
        return not self.differences

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "manifest": self.manifest,
            "sha256": self.sha256,
            "pinned": self.pinned,
            "passed": self.passed,
            "differences": [vars(difference) for difference in self.differences],
            "affected": list(self.affected),
            "notes": list(self.notes),
            "recomputed": list(self.recomputed),
            "absent": dict(self.absent),
            "kernels": [change._asdict() for change in self.kernels],
        }


def grouped(differences: Iterable[Difference]) -> dict[str, list[Difference]]:
    """Return differences by what a person calls their group, in the order of :data:`GROUPS`."""
    groups: dict[str, list[Difference]] = {title: [] for title in GROUPS.values()}
    for difference in differences:
        groups[GROUPS[difference.group]].append(difference)
    return {
        title: sorted(members, key=lambda difference: (difference.kind, difference.artifact))
        for title, members in groups.items()
        if members
    }


def compared_file(pinned: Subject, file: HashedFile) -> Iterator[Difference]:
    """Yield how a file differs from the one that was frozen, if it does."""
    if file.trouble == "missing":
        yield Difference(MISSING, pinned.kind, pinned.name)
    elif file.trouble:
        yield Difference(CHANGED, pinned.kind, pinned.name, file.trouble)
    elif file.size != pinned.size:
        yield Difference(CHANGED, pinned.kind, pinned.name, f"{pinned.size} bytes, here {file.size}")
    elif file.sha256 != pinned.sha256:
        detail = f"sha256 {str(pinned.sha256)[:12]}..., here {file.sha256[:12]}..."
        yield Difference(CHANGED, pinned.kind, pinned.name, detail)
