"""DCASE Challenge Task 2, 2020 to 2026: one reader, driven by two tables.

``FORMS`` has every form a clip's name takes, ``TASKS`` which forms, year and channel count each task has. A reader is
registered under the name of every task. ``dcase`` serves if the year is unknown: it accepts every form, follows the
rules of 2022 to 2026, and its ``detected`` is true.

Layouts: ``ROOT/<machine>/{train,test}/<name>`` (2021 also ``source_test`` and ``target_test``), machines being whatever
folders are there; or loose clips named ``<machine>_<train|test>_<name>``. Set aside, and no part of the index, are the
clips of ``<machine>/supplemental/`` (2025: machine or noise alone; :meth:`DcaseReader.supplemental` lists them),
``test_rename/``, hidden files and ``__MACOSX/``. The clips of 2020 have no domain: its train clips count as source.
"""

from __future__ import annotations

import functools
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from asdcore import DataError, DatasetError

if TYPE_CHECKING:
    import polars as pl

FIELDS = {
    "{section}": r"(?P<section>[0-9]{2})",
    "{domain}": r"(?P<domain>source|target)",
    "{split}": r"(?P<split>train|test)",
    "{label}": r"(?P<label>normal|anomaly)",
    "{index}": r"(?P<index>[0-9]{3,})",
    "{tail}": r"(?:_(?P<attributes>[^/\n]*))?",
}


@dataclass(frozen=True)
class ClipName:
    """What a clip's name and folder say; None where they do not say it. ``index`` keeps the digits as they stand."""

    section: str
    split: str | None
    domain: str | None
    label: str | None
    index: str
    attributes: str | None


@dataclass(frozen=True)
class Form:
    """One form of a clip's name. ``split`` is what the form itself says of it; None leaves it to name or folder."""

    template: str
    split: str | None = None

    @functools.cached_property
    def pattern(self) -> re.Pattern[str]:
        """The form as a regular expression for a name without its suffix."""
        return re.compile(functools.reduce(lambda text, field: text.replace(*field), FIELDS.items(), self.template))

    def spell(self, clip: ClipName) -> str:
        """Return the name, without suffix, that a clip has in this form."""
        tail = "" if clip.attributes is None else f"_{clip.attributes}"
        return self.template.format(**vars(clip), tail=tail)


FORMS = {
    "id": Form("{label}_id_{section}_{index}"),
    "hidden id": Form("id_{section}_{index}", split="test"),
    "full": Form("section_{section}_{domain}_{split}_{label}_{index}{tail}"),
    "without split": Form("section_{section}_{domain}_{label}_{index}{tail}"),
    "without label": Form("section_{section}_{domain}_test_{index}", split="test"),
    "hidden": Form("section_{section}_{index}", split="test"),
    "hidden as documented": Form("section_{section}_test_{index}", split="test"),
}
"""No name fits two of them. "without split" is how some names of 2024 (RoboticArm) were published by mistake."""


@dataclass(frozen=True)
class Task:
    """The forms, the year whose rules apply, and the channels every clip has (None: any, one count per machine)."""

    year: int
    forms: tuple[str, ...]
    channels: int | None = 1
    detected: bool = False


SINCE_2022 = ("full", "hidden", "hidden as documented")
TASKS = {
    "dcase2020": Task(2020, ("id", "hidden id")),
    "dcase2021": Task(2021, ("full", "without label")),
    "dcase2022": Task(2022, SINCE_2022),
    "dcase2023": Task(2023, SINCE_2022),
    "dcase2024": Task(2024, (*SINCE_2022, "without split")),
    "dcase2025": Task(2025, SINCE_2022),
    "dcase2026": Task(2026, SINCE_2022, channels=2),
    "dcase": Task(2026, tuple(FORMS), channels=None, detected=True),
}
FOLDERS: dict[str, tuple[str, str | None]] = {
    "train": ("train", None),
    "test": ("test", None),
    "source_test": ("test", "source"),
    "target_test": ("test", "target"),
}
"""What a clip's folder says: split and domain."""

SUPPLEMENTAL = "supplemental"
SET_ASIDE = (SUPPLEMENTAL, "test_rename")
HIDDEN = (".", "__MACOSX")
NO_ATTRIBUTES = ("", "noattribute", "noattributes")
LABELS = {"normal": 0, "anomaly": 1}
SUFFIXES = (".wav", ".flac")
DEPTH = 5  # folders down, so that a wrong root can be answered with the right one
LOOSE = re.compile(r"(?P<machine>.+?)_(?P<folder>train|test)_(?P<name>(?:section|(?:(?:normal|anomaly)_)?id)_.+)")


def parse_name(name: str, folder: str | None = None, task: str = "dcase") -> ClipName:
    """Read a clip's file name (with or without its suffix) and the name of the folder it lies in, if known.

    Raises DataError, starting with the name, where it fits no form of the task or contradicts its folder.
    """
    stem = _stem(name)
    if not (found := _match(stem, task)):
        raise DataError(f"{name}: {_no_form([stem], task)}")
    form, said = found
    folder_split, folder_domain = FOLDERS.get(folder or "", (None, None))
    named = said.get("split") or form.split
    for own, lent in ((named, folder_split), (said.get("domain"), folder_domain)):
        if own and lent and own != lent:
            raise DataError(f"{name}: its name says {own}, its folder {folder} says {lent}")
    split = named or folder_split
    label, attributes = said.get("label"), said.get("attributes")
    if split == "train" and label == "anomaly":
        raise DataError(f"{name}: a train clip named anomaly, train clips are normal")
    return ClipName(
        section=said["section"],
        split=split,
        domain=said.get("domain") or folder_domain or ("source" if split == "train" else None),
        label=label,
        index=said["index"],
        attributes=None if (attributes or "").strip("_").lower() in NO_ATTRIBUTES else attributes,
    )


class DcaseReader:
    """Reads the clips of one task, and their labels where the names of development test clips spell them."""

    def __init__(self, task: str) -> None:
        self.task = task
        self.year, self.detected = TASKS[task].year, TASKS[task].detected

    def clips(self, root: Path) -> pl.DataFrame:
        """Return the clip index; raises DatasetError with everything that is wrong."""
        from asdcore import index_clips

        named, problems = self._named(root)
        # Train clips are numbered as they were recorded; of test clips index_clips keeps no order.
        entries = [vars(name) | file._asdict() | {"order": int(name.index)} for file, name in named if name]
        return index_clips(root, entries, channels=TASKS[self.task].channels, problems=problems)

    def ground_truth(self, root: Path) -> pl.DataFrame | None:
        """Return (clip, label, domain) of the machines whose every test clip is labelled, None if there is none."""
        import polars as pl

        machines: dict[str, list[tuple[str, int | None, str | None]]] = defaultdict(list)
        for file, name in self._named(root)[0]:
            if FOLDERS[file.folder][0] == "test":
                label = LABELS[name.label] if name and name.label else None
                machines[file.machine].append((file.clip, label, name.domain if name else None))
        whole = [row for rows in machines.values() if all(label is not None for _, label, _ in rows) for row in rows]
        schema = {"clip": pl.String, "label": pl.Int8, "domain": pl.String}
        return pl.DataFrame(sorted(whole), schema=schema, orient="row") if whole else None

    def supplemental(self, root: Path) -> list[str]:
        """Return the clips set aside in ``<machine>/supplemental/``, as paths relative to ``root``."""
        found = (path.relative_to(root) for path in root.glob(f"*/{SUPPLEMENTAL}/*") if _is_sound(path.name))
        return sorted(clip.as_posix() for clip in found if not any(part.startswith(HIDDEN) for part in clip.parts))

    def _named(self, root: Path) -> tuple[list[tuple[_File, ClipName | None]], list[str]]:
        """Return every clip with what its name says (None where it cannot be read), and all problems."""
        files, problems = _find(root)
        stems = [_stem(file.name) for file in files]
        if not any(_match(stem, self.task) for stem in stems):
            all_wrong = f"{files[0].clip} ({len(files)} clips in all): {_no_form(stems, self.task)}"
            raise _refusal(root, f"a dataset of {self.task}", [all_wrong, *problems])
        named: list[tuple[_File, ClipName | None]] = []
        for file in files:
            try:
                named.append((file, parse_name(file.name, file.folder, self.task)))
            except DataError as error:
                named.append((file, None))
                problems.append(f"{file.clip}{str(error).removeprefix(file.name)}")
        return named, problems


class _File(NamedTuple):
    clip: str
    machine: str
    folder: str
    name: str


def _find(root: Path) -> tuple[list[_File], list[str]]:
    """Return all that may be a clip, and what lies where no clip belongs; DatasetError where there is no clip."""
    files: list[_File] = []
    problems: list[str] = []
    strays: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for parts in _sounds(root, problems):
        loose = LOOSE.fullmatch(parts[0]) if len(parts) == 1 else None
        if not "/".join(parts).isprintable():
            problems.append(f"{'/'.join(parts)!a}: its name has characters that cannot be printed, rename it")
        elif loose:
            files.append(_File(parts[0], **loose.groupdict()))
        elif len(parts) == 3 and parts[1] in FOLDERS:
            files.append(_File("/".join(parts), *parts))
        else:
            strays[parts[:-1]].append(parts[-1])
    if not files:
        raise _refusal(root, "a dataset", [_no_dataset(root, strays), *problems])
    problems += [f"{held}, where no clip belongs: move it away, or hide its folder" for held in _held(strays)]
    return files, problems


def _sounds(root: Path, problems: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield the path below ``root``, in parts, of everything that is named as sound and is not set aside."""
    unreadable: list[OSError] = []
    for folder, folders, names in os.walk(root, onerror=unreadable.append, followlinks=True):
        parts = Path(folder).relative_to(root).parts
        kept = sorted(name for name in (*folders, *names) if not name.startswith(HIDDEN))
        yield from ((*parts, name) for name in kept if _is_sound(name))
        deeper = [name for name in kept if name in folders and name not in SET_ASIDE and not _is_sound(name)]
        # Links are followed to a machine and its folders only: further down they could lead round in circles.
        near, far = len(parts) < 2, len(parts) == DEPTH
        folders[:] = [name for name in deeper if near or not (far or Path(folder, name).is_symlink())]
    problems += (f"{error.filename}: cannot be read ({error.strerror})" for error in unreadable if root.is_dir())


def _no_dataset(root: Path, strays: dict[tuple[str, ...], list[str]]) -> str:
    """Say what was found instead of a dataset, what a dataset looks like, and which folder to give instead."""
    here = root.resolve()
    homes = {here.joinpath(*folder): names[0] for folder, names in strays.items()}
    instead = {str(home.parent.parent) for home in homes if home.name in FOLDERS}
    instead |= {str(home) for home, name in homes.items() if LOOSE.fullmatch(name)}
    if not root.is_dir():
        found = "it is a file" if root.exists() else "there is no such folder"
    elif strays:
        found = "it is the folder of one machine, " if str(here.parent) in instead else ""
        found += f"no clip lies where one belongs, but {'; '.join(_held(strays)[:4])}"
    else:
        held = sorted(path.name for path in root.iterdir()) if os.access(root, os.R_OK) else []
        found = f"no .wav or .flac file is in it, but {', '.join(held[:4]) or 'nothing'}{', ...' if held[4:] else ''}"
    expected = "Expected are ROOT/<machine>/train/<clip>.wav (or .flac) and ROOT/<machine>/test/<clip>.wav"
    return f"{root}: {found}. {expected}." + (f" Give {' or '.join(sorted(instead))} instead." if instead else "")


def _held(strays: dict[tuple[str, ...], list[str]]) -> list[str]:
    return [f"{'/'.join(folder) or '.'} holds sound ({len(names)}: {names[0]})" for folder, names in strays.items()]


def _refusal(root: Path, what: str, problems: list[str]) -> DatasetError:
    from asdcore import index_clips

    return DatasetError(f"{root} is not {what}.", problems, index_clips(root, []))


def _match(stem: str, task: str) -> tuple[Form, dict[str, Any]] | None:
    if task not in TASKS:
        raise DataError(f"No task is named {task!r}. Known: {', '.join(TASKS)}.")
    for form in TASKS[task].forms:
        if found := FORMS[form].pattern.fullmatch(stem):
            return FORMS[form], found.groupdict()
    return None


def _no_form(stems: list[str], task: str) -> str:
    """Say that names are none of this task's, and which tasks' they are, or else which forms the task has."""
    years = (other for other, rules in TASKS.items() if not rules.detected)
    if others := [year for year in years if all(_match(stem, year) for stem in stems)]:
        return f"not named as in {task}, but as in {' or '.join(others)}"
    forms = (FORMS[form].template.replace("{tail}", "[_<attributes>]") for form in TASKS[task].forms)
    return f"not named as in {task}: {', '.join(forms)}".replace("{", "<").replace("}", ">")


def _stem(name: str) -> str:
    return name[: name.rindex(".")] if _is_sound(name) else name


def _is_sound(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


DCASE = functools.partial(DcaseReader, "dcase")
DCASE2020, DCASE2021, DCASE2022, DCASE2023, DCASE2024, DCASE2025, DCASE2026 = (
    functools.partial(DcaseReader, f"dcase{year}") for year in range(2020, 2027)
)
