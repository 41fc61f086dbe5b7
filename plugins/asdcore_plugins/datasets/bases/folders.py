"""Folders of one's own recordings, whatever their files are called.

A clip's folders say all that is known of it. ``<machine>/train/`` holds normal sound, ``<machine>/test/`` what is to be
judged; a folder without machines is one machine, called ``machine``, so that another folder may take its place. Below
``train``, ``source`` and ``target`` are domains and any other folder is a condition, which becomes an attribute. Below
``test``, ``normal`` or ``good`` holds normal clips, in folders of their own too, and any other folder is the name of a
fault, but for days, hours, numbers and words such as ``unknown``; without either, nothing is known of a clip. The
words are those of :mod:`asdcore_plugins.datasets.bases.own_names`. Clips may lie as deep as they like.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl

from asdcore import DatasetError, index_clips, is_recording
from asdcore_plugins.datasets.bases.own_names import DOMAINS, FAULTY, LAYOUTS, TEST, TRAIN, UNKNOWN, is_normal

HIDDEN = (".", "__MACOSX")
TIME = re.compile(r"[^A-Za-z]*(?:[Tt][^A-Za-z]+)?[Zz]?")
"""A folder of a day or an hour, or a mere number: it says nothing of its clips' health."""

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


def unheard(root: Path) -> list[str]:
    """Return the recordings of formats that are not read: paths relative to ``root``, sorted."""
    return sorted("/".join(parts) for parts in _sounds(root, [], _is_other_sound))


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
    halls: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for parts in sorted(_sounds(root, problems)):
        clip, place = "/".join(parts), _place(parts)
        if not clip.isprintable():
            problems.append(f"{clip!a}: its name has characters that cannot be printed, rename it")
        elif isinstance(place, Place):
            placed[clip] = place
            halls[place.machine or ""].add(_of_machine(parts))
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
    problems += [
        f"{' and '.join(sorted('/'.join(hall) for hall in of))} would both be the machine {machine}: rename one"
        for machine, of in halls.items()
        if len(of) > 1
    ]
    if not placed:
        raise _not_understood(root, problems)
    return placed, problems


def _place(parts: tuple[str, ...]) -> Place | str:
    """Return what a clip's folders say, or why they say nothing. parts : its path below the root."""
    folders, at = parts[:-1], _split_at(parts)
    if at is None:
        return Place(None, "train", "source", None, None) if not folders else "neither in a train nor in a test folder"
    machine, below = "-".join(_of_machine(parts)) or None, folders[at + 1 :]
    if {*map(str.lower, below)} & {*(TRAIN[:2] if folders[at].lower() in TEST else TEST[:1])}:
        return "in a train folder and in a test folder at once; name the machine's folder otherwise"
    domains = [name.lower() for name in below if name.lower() in DOMAINS]
    if len(domains) > 1:
        return "in folders of two domains"
    rest = [name for name in below if name.lower() not in DOMAINS]
    if folders[at].lower() in TEST:
        words = [name for name in rest if not TIME.fullmatch(name)]
        label = None if not words or words[0].lower() in UNKNOWN else int(not is_normal(words[0]))
        if any(is_normal(name) if label else name.lower() in FAULTY for name in words[1:]):
            return f"in {words[0]}/, which says {'faulty' if label else 'normal'}, and below it a folder says the other"
        return Place(machine, "test", domains[0] if domains else None, label, None)
    if any(name.lower() in FAULTY for name in rest):
        return "in a train folder of faults, and train clips are normal"
    conditions = [name for name in rest if not is_normal(name)]
    return Place(machine, "train", domains[0] if domains else "source", None, "/".join(conditions) or None)


def _split_at(parts: tuple[str, ...]) -> int | None:
    """Return which folder of a clip's path says whether it is for training or for a test; None if none does."""
    folders = parts[:-1]
    at = next((i for i, name in enumerate(folders) if name.lower() in (*TRAIN, *TEST)), None)
    return len(folders) - 1 if at is None and folders and is_normal(folders[-1]) else at


def _of_machine(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the folders of a clip's path that name its machine."""
    return parts[: _split_at(parts) or 0]


def _is_other_sound(name: str) -> bool:
    return name.lower().endswith(OTHER_SOUND)


def _sounds(root: Path, problems: list[str], wanted: Callable[[str], bool] = is_recording) -> Iterator[tuple[str, ...]]:
    """Yield the path below ``root``, in parts, of every sound file; note the folders that cannot be read.

    Links are followed, but for those that lead round in circles, and those below a machine's folder that lead to what
    lies below ``root`` anyway.
    """
    unreadable: list[OSError] = []
    entered: dict[Path, tuple[Path, ...]] = {}
    top = root.resolve()
    for folder, folders, names in os.walk(root, onerror=unreadable.append, followlinks=True):
        here, parts = Path(folder), Path(folder).relative_to(root).parts
        way = (*entered.pop(here, ()), here.resolve())
        yield from ((*parts, name) for name in sorted(names) if wanted(name) and not name.startswith(HIDDEN))
        problems += lost_links(here, parts, names)
        folders[:] = [name for name in sorted(folders) if not name.startswith(HIDDEN)]
        folders[:] = [name for name in folders if not _is_led_to_anyway(here / name, way, top if parts else None)]
        entered |= {here / name: way for name in folders}
    problems += (f"{error.filename}: cannot be read ({error.strerror})" for error in unreadable if root.is_dir())


def lost_links(folder: Path, parts: tuple[str, ...], names: Iterable[str]) -> list[str]:
    """Return a problem for each name in a folder that may be a link to a folder, and leads nowhere.

    parts : the folder's own path below the root. A share that is not mounted must not drop a machine in silence.
    """
    kept = (name for name in sorted(names) if not name.startswith(HIDDEN) and "." not in name)
    lost = (name for name in kept if (folder / name).is_symlink() and not (folder / name).exists())
    return [f"{'/'.join((*parts, name))}: is a link that leads nowhere. Is a share not mounted?" for name in lost]


def _is_led_to_anyway(folder: Path, way: tuple[Path, ...], top: Path | None) -> bool:
    """Whether a folder is a link to a folder on the ``way`` to it or above that, or to what lies below ``top``."""
    if not folder.is_symlink():
        return False
    leads_to = folder.resolve()
    return any(at.is_relative_to(leads_to) for at in way) or (top is not None and leads_to.is_relative_to(top))


def _not_understood(root: Path, problems: list[str]) -> DatasetError:
    """Say what is there instead, and the layouts that are read."""
    if not problems and (others := unheard(root)):
        endings = ", ".join(sorted({Path(name).suffix.lower() for name in others}))
        return DatasetError(
            f"{root}: no recording is in it that can be read. Convert these to WAV or FLAC.",
            [f"{len(others)} recording{'s' * (len(others) > 1)} ending in {endings}, such as {others[0]}"],
            index_clips(root, []),
        )
    if not problems:
        held = sorted(path.name for path in root.iterdir() if not path.name.startswith("."))
        what = ", ".join(held[:4]) or "nothing"
        problems = [f"no recording is in it that can be read, but {what}{', ...' if held[4:] else ''}"]
    message = (
        f"{root}: these folders say nothing of the recordings.\n{LAYOUTS}\nOr describe them in a table: "
        f"'asdcore data index {root} --write-index {root}/clips.csv' writes one to fill in."
    )
    return DatasetError(message, problems, index_clips(root, []))
