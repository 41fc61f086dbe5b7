"""What a person should know about how a dataset was read, before anything is computed."""

from __future__ import annotations

import re

import polars as pl

from asdcore.compute.recipes import takes_device
from asdcore.contract.plugins import installed
from asdcore.data.clip_index.noticed import Noticed
from asdcore.data.clip_index.remarks import remarks_on
from asdcore.errors import DataError
from asdcore.portfolio import DEFAULT_TASK, Portfolio
from asdcore.store.tables import CELL

FEW_TARGETS = 10

DEVICE = re.compile(r"[a-z]{1,20}(:[0-9]{1,4})?")
"""What torch calls a device."""


def notes_on(name: str, clips: pl.DataFrame, folds: int, noticed: Noticed | None = None) -> list[str]:
    """Say what a person should know about how this data was read."""
    notes = []
    if name == DEFAULT_TASK:
        notes.append("no task was named: file names may have any DCASE form, and the rules of 2022-2026 apply.")
    train = clips.filter(pl.col("split") == "train")
    tested = set(clips.filter(pl.col("split") == "test").select(CELL).unique().rows())
    for (machine, section), cell in train.group_by("machine", "section", maintain_order=True):
        source, target = (int((cell["domain"] == domain).sum()) for domain in ("source", "target"))
        where = f"{machine} section {section}"
        if not target:
            notes.append(f"{where} has no target train clips: its {source} source clips stand for both domains.")
        elif target < FEW_TARGETS:
            notes.append(
                f"{where} has {target} target train clips: normalizers draw a scale from so few toward the source's."
            )
        if (machine, section) not in tested:
            notes.append(f"{where} has no test clips: nothing of it will be evaluated.")
        if not source:
            notes.append(f"{where} has no source train clips: its {target} target clips stand for both domains.")
        if len(cell) < folds:
            few = f"{len(cell)} train clip{'s' * (len(cell) > 1)}"
            notes.append(f"{where} has {few}, fewer than the {folds} folds: each is its own fold.")
    return [*notes, *remarks_on(clips, noticed)]


def device_notes(portfolio: Portfolio, device: str | None) -> list[str]:
    """Say so if a device was named and no encoder takes one. Raises DataError for what names no device."""
    if device is not None and not DEVICE.fullmatch(device):
        raise DataError(f"device is {device[:40]!r}; a torch device such as 'cuda', 'cuda:1' or 'cpu' is allowed.")
    encoders = [installed().component("encoder", branch.encoder.name) for branch in portfolio.branches.values()]
    if device is None or any(map(takes_device, encoders)):
        return []
    return [f"no encoder of this portfolio takes a device: {device!r} changes nothing."]
