"""Folders of one's own recordings, whatever their files are called.

A clip's folders say all that is known of it. ``<machine>/train/`` holds normal sound, ``<machine>/test/`` what is to be
judged; a folder without machines is one machine, called ``machine``, so that another folder may take its place. Below
``train``, ``source`` and ``target`` are domains and any other folder is a condition, which becomes an attribute. Below
``test``, ``normal`` or ``good`` holds normal clips and any other folder is the name of a fault; without either, nothing
is known of a clip. The words are those of :mod:`asdcore_plugins.datasets.bases.own_names`.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl

from asdcore import DatasetError, index_clips, is_recording
from asdcore_plugins.datasets.bases.own_names import DOMAINS, FAULTY, LAYOUTS, TEST, TRAIN, is_normal

HIDDEN = (".", "__MACOSX")
DEPTH = 4
"""Folders between the root and a clip at most."""

ONLY = "machine"
"""The machine's name if no folder names one."""

OTHER_SOUND = (".aac", ".aif", ".aiff", ".m4a", ".mp3", ".ogg", ".opus", ".wma")
"""Endings of recordings that are not read, so that a message can name them."""


class Place(NamedTuple):
    """What the folders of a clip say. label: 0 normal, 1 faulty, None unknown."""

    machine: str | None
    split: str
    domain: str | None
    label: int | None
    attributes: str | None


def folder_clips(root: Path) -> pl.DataFrame:
    """Return the clip index of folders of one's own; every section is "00".

    Raises DatasetError with everything that is wrong, at once; with the layouts if nothing was understood.
    """
    placed, problems = _placed(root)
    entries = [
        {"clip": clip, "section": "00", **place._asdict(), "machine": place.machine or ONLY}
        for clip, place in placed.items()
    ]
    return index_clips(root, entries, problems=problems, names_repeat=True)


def folder_truth(root: Path) -> pl.DataFrame | None:
    """Return clip, label and domain of the machines whose every test clip has a label, None if there is none."""
    machines: dict[str | None, list[tuple[str, int | None, str | None]]] = defaultdict(list)
    for clip, place in _placed(root)[0].items():
        if place.split == "test":
            machines[place.machine].append((clip, place.label, place.domain))
    return labels_of_whole_machines(machines.values())


def labels_of_whole_machines(
    machines: Iterable[list[tuple[str, int | None, str | None]]],
) -> pl.DataFrame | None:
    """Return the ground truth of the machines that have no test clip without a label.

    machines : for each, its test clips with label and domain.
    """
    whole = [row for rows in machines if all(label is not None for _, label, _ in rows) for row in rows]
    schema = {"clip": pl.String, "label": pl.Int8, "domain": pl.String}
    return pl.DataFrame(sorted(whole), schema=schema, orient="row") if whole else None


def _placed(root: Path) -> tuple[dict[str, Place], list[str]]:
    """Return {clip: what its folders say}, and all problems; DatasetError if nothing was understood."""
    if not root.is_dir():
        what = "it is a file" if root.exists() else "there is no such folder"
        raise DatasetError(f"{root}: {what}. Give the folder that holds the recordings.", [], index_clips(root, []))
    placed: dict[str, Place] = {}
    strays: dict[str, list[str]] = defaultdict(list)
    problems: list[str] = []
    for parts in sorted(_sounds(root)):
        clip, place = "/".join(parts), _place(parts)
        if not clip.isprintable():
            problems.append(f"{clip!a}: its name has characters that cannot be printed, rename it")
        elif isinstance(place, Place):
            placed[clip] = place
        else:
            strays["/".join(parts[:-1]) or "."].append(f"{place}: {clip}")
    machines = {place.machine for place in placed.values()}
    if None in machines and len(machines) > 1:
        loose = sorted(clip for clip, place in placed.items() if place.machine is None)
        problems.append(
            f"{loose[0]}: {len(loose)} clips lie outside every machine's folder, and there are machines "
            f"({', '.join(sorted(filter(None, machines))[:3])}); move them into <machine>/train or <machine>/test"
        )
    problems += [f"{folder}: {len(of)} clip{'s' * (len(of) > 1)}, {of[0]}" for folder, of in strays.items()]
    if not placed:
        raise _not_understood(root, problems)
    return placed, problems


def _place(parts: tuple[str, ...]) -> Place | str:
    """Return what a clip's folders say, or why they say nothing. parts : its path below the root."""
    folders = parts[:-1]
    at = next((i for i, name in enumerate(folders) if name.lower() in (*TRAIN, *TEST)), None)
    if at is None and folders and is_normal(folders[-1]):
        at = len(folders) - 1
    if at is None:
        return Place(None, "train", "source", None, None) if not folders else "neither in a train nor in a test folder"
    machine, below = "-".join(folders[:at]) or None, folders[at + 1 :]
    domains = [name.lower() for name in below if name.lower() in DOMAINS]
    if len(domains) > 1:
        return "in folders of two domains"
    rest = [name for name in below if name.lower() not in DOMAINS]
    if folders[at].lower() in TEST:
        label = None if not rest else int(not all(map(is_normal, rest)))
        return Place(machine, "test", domains[0] if domains else None, label, None)
    if any(name.lower() in FAULTY for name in rest):
        return "in a train folder of faults, and train clips are normal"
    conditions = [name for name in rest if not is_normal(name)]
    return Place(machine, "train", domains[0] if domains else "source", None, "/".join(conditions) or None)


def _sounds(root: Path) -> Iterator[tuple[str, ...]]:
    """Yield the path below ``root``, in parts, of every sound file; a link is followed to a machine's folder only."""
    for folder, folders, names in os.walk(root, followlinks=True):
        parts = Path(folder).relative_to(root).parts
        yield from ((*parts, name) for name in sorted(names) if is_recording(name) and not name.startswith(HIDDEN))
        deeper = [name for name in sorted(folders) if not name.startswith(HIDDEN)]
        folders[:] = [name for name in deeper if not parts or not Path(folder, name).is_symlink()][
            : len(deeper) * (len(parts) < DEPTH)
        ]


def _not_understood(root: Path, problems: list[str]) -> DatasetError:
    """Say what is there instead, and the layouts that are read."""
    if not problems:
        held = sorted(path.name for path in root.iterdir() if not path.name.startswith("."))
        others = sorted({Path(name).suffix.lower() for name in held} & set(OTHER_SOUND))
        what = f"recordings that end in {', '.join(others)}" if others else ", ".join(held[:4]) or "nothing"
        problems = [f"no recording is in it that can be read, but {what}{', ...' if held[4:] and not others else ''}"]
    message = (
        f"{root}: these folders say nothing of the recordings.\n{LAYOUTS}\nOr describe them in a table: "
        f"'asdcore data index {root} --write-index {root}/clips.csv' writes one to fill in."
    )
    return DatasetError(message, problems, index_clips(root, []))
