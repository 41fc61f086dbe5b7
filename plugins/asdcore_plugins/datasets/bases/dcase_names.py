"""What the names of DCASE Task 2 clips say, 2020 to 2026.

``FORMS`` has every form that a clip's name takes; ``TASKS`` says which forms, year and channel count each task has.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

from asdcore import DataError

FIELDS = {
    "{section}": r"(?P<section>[0-9]{2})",
    "{domain}": r"(?P<domain>source|target)",
    "{split}": r"(?P<split>train|test)",
    "{label}": r"(?P<label>normal|anomaly)",
    "{index}": r"(?P<index>[0-9]{3,})",
    "{tail}": r"(?:_(?P<attributes>[^/\n]*))?",
}


@dataclass
class ClipName:
    """What a clip's name and folder say; None if they do not say it. ``index`` keeps the digits as they stand."""

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

NO_ATTRIBUTES = ("", "noattribute", "noattributes")
SUFFIXES = (".wav", ".flac")


def parse_name(name: str, folder: str | None = None, task: str = "dcase") -> ClipName:
    """Read what a clip's file name and folder say.

    Parameters
    ----------
    name : str
        The file's name, with or without its suffix.
    folder : str, optional
        The name of the folder that it lies in.
    task : str
        Whose forms of names are allowed.

    Returns
    -------
    ClipName

    Raises
    ------
    DataError
        Starting with the name, if it has no form of the task, or contradicts its folder.

    Examples
    --------
    >>> clip = parse_name("section_00_source_train_normal_0001_speed_5.wav", folder="train")
    >>> clip.section, clip.domain, clip.label, clip.attributes
    ('00', 'source', 'normal', 'speed_5')
    """
    stem = stem_of(name)
    if not (match := match_form(stem, task)):
        raise DataError(f"{name}: {no_form([stem], task)}")
    form, fields = match
    folder_split, folder_domain = FOLDERS.get(folder or "", (None, None))
    named = fields.get("split") or form.split
    for own, lent in ((named, folder_split), (fields.get("domain"), folder_domain)):
        if own and lent and own != lent:
            raise DataError(f"{name}: its name says {own}, its folder {folder} says {lent}")
    split = named or folder_split
    label, attributes = fields.get("label"), fields.get("attributes")
    if split == "train" and label == "anomaly":
        raise DataError(f"{name}: a train clip named anomaly, train clips are normal")
    return ClipName(
        section=fields["section"],
        split=split,
        domain=fields.get("domain") or folder_domain or ("source" if split == "train" else None),
        label=label,
        index=fields["index"],
        attributes=None if (attributes or "").strip("_").lower() in NO_ATTRIBUTES else attributes,
    )


def match_form(stem: str, task: str) -> tuple[Form, dict[str, Any]] | None:
    """Return the form that a name without its suffix has under a task, and its fields; None if it has none.

    Raises
    ------
    DataError
        If there is no such task.
    """
    if task not in TASKS:
        raise DataError(f"No task is named {task!r}. Known: {', '.join(TASKS)}.")
    for form in TASKS[task].forms:
        if match := FORMS[form].pattern.fullmatch(stem):
            return FORMS[form], match.groupdict()
    return None


def no_form(stems: list[str], task: str) -> str:
    """Say that names are none of this task's, and which tasks' they are, or else which forms the task has."""
    years = (other for other, rules in TASKS.items() if not rules.detected)
    if others := [year for year in years if all(match_form(stem, year) for stem in stems)]:
        return f"not named as in {task}, but as in {' or '.join(others)}"
    forms = (FORMS[form].template.replace("{tail}", "[_<attributes>]") for form in TASKS[task].forms)
    return f"not named as in {task}: {', '.join(forms)}".replace("{", "<").replace("}", ">")


def stem_of(name: str) -> str:
    """Return a file's name without the suffix of a sound file.

    Examples
    --------
    >>> stem_of("section_00_0001.wav")
    'section_00_0001'
    """
    return name[: name.rindex(".")] if is_sound(name) else name


def is_sound(name: str) -> bool:
    """Whether a file is named as a sound file."""
    return name.lower().endswith(SUFFIXES)
