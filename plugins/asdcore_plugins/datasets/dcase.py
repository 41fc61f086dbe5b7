"""The folders of DCASE Challenge Task 2, 2020 to 2026: one reader for all years.

A reader is registered under the name of every task. ``dcase`` serves if the year is unknown: it accepts every form of
name, follows the rules of 2022 to 2026, and its ``detected`` is true. The names are those of
:mod:`asdcore_plugins.datasets.bases.dcase_names`.

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
from pathlib import Path

import polars as pl

from asdcore import DataError, DatasetError, index_clips
from asdcore_plugins.datasets.bases.dcase_columns import read_names
from asdcore_plugins.datasets.bases.dcase_names import (
    FOLDERS,
    TASKS,
    is_sound,
    match_form,
    no_form,
    parse_name,
    stem_of,
)
from asdcore_plugins.datasets.bases.folders import labels_of_whole_machines, lost_links

SUPPLEMENTAL = "supplemental"
SET_ASIDE = (SUPPLEMENTAL, "test_rename")
HIDDEN = (".", "__MACOSX")
LABELS = {"normal": 0, "anomaly": 1}
DEPTH = 5  # folders down, so that a wrong root can be answered with the right one
LOOSE = re.compile(r"(?P<machine>.+?)_(?P<folder>train|test)_(?P<name>(?:section|(?:(?:normal|anomaly)_)?id)_.+)")

FILE = ("clip", "machine", "folder", "name")


class DcaseReader:
    """DCASE Challenge Task 2, 2020 to 2026: one reader, driven by two tables.

    Parameters
    ----------
    task : str
        "dcase2020" to "dcase2026", or "dcase", which accepts the names of all years.

    Examples
    --------
    >>> import asdcore, tempfile
    >>> from pathlib import Path
    >>> reader = asdcore.load_dataset("dcase2026")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sound = asdcore.synthesize(Path(folder) / "data", profile="tiny")
    ...     index, truth = reader.clips(Path(folder) / "data"), reader.ground_truth(Path(folder) / "data")
    >>> sorted(index["split"].unique()), truth.columns
    (['test', 'train'], ['clip', 'label', 'domain'])
    """

    def __init__(self, task: str) -> None:
        self.task = task
        self.year, self.detected = TASKS[task].year, TASKS[task].detected

    def recognizes(self, root: Path) -> int:
        """Say how surely this is a dataset of the challenge: 2 if any file is named so; 0 of the reader of one year."""
        names = (name for _, in_folder in _sounds(root, []) for name in in_folder)
        return 2 * (self.detected and any(match_form(stem_of(name), self.task) for name in names))

    def clips(self, root: Path) -> pl.DataFrame:
        """Return the clip index.

        Parameters
        ----------
        root : Path
            The folder of the machines.

        Returns
        -------
        polars.DataFrame
            A row for each clip, as :func:`asdcore.index_clips` makes it.

        Raises
        ------
        DatasetError
            With everything that is wrong, at once.
        """
        named, problems = self._named(root)
        # Train clips are numbered as they were recorded; of test clips index_clips keeps no order.
        entries = named.drop_nulls("section").with_columns(order=pl.col("index").cast(pl.Float64))
        return index_clips(root, entries, channels=TASKS[self.task].channels, problems=problems)

    def ground_truth(self, root: Path) -> pl.DataFrame | None:
        """Return the labels that the names of test clips spell.

        Parameters
        ----------
        root : Path
            As in :meth:`clips`.

        Returns
        -------
        polars.DataFrame or None
            clip, label (0 normal, 1 anomaly) and domain of the machines whose every test clip is labelled; None if
            there is no such machine.
        """
        named = self._named(root, ("test",))[0]
        label = pl.col("label").replace_strict(LABELS, default=None, return_dtype=pl.Int64)
        machines = named.select("machine", "clip", label, "domain").rows_by_key("machine")
        return labels_of_whole_machines(machines.values())

    def supplemental(self, root: Path) -> list[str]:
        """Return the clips set aside in ``<machine>/supplemental/``: paths relative to ``root``, sorted."""
        clips = (path.relative_to(root) for path in root.glob(f"*/{SUPPLEMENTAL}/*") if is_sound(path.name))
        return sorted(clip.as_posix() for clip in clips if not any(part.startswith(HIDDEN) for part in clip.parts))

    def _named(self, root: Path, splits: tuple[str, ...] = ("train", "test")) -> tuple[pl.DataFrame, list[str]]:
        """Return every clip of some splits with what its name says (null if it cannot be read), and all problems."""
        files, problems = _find(root)
        if not any(match_form(stem_of(name), self.task) for name in files["name"]):
            stems = [stem_of(name) for name in files["name"]]
            all_wrong = f"{files['clip'][0]} ({len(files)} clips in all): {no_form(stems, self.task)}"
            raise _refusal(root, f"a dataset of {self.task}", [all_wrong, *problems])
        of_splits = [folder for folder, (split, _) in FOLDERS.items() if split in splits]
        named = read_names(files.filter(pl.col("folder").is_in(of_splits)), self.task)
        for clip, folder, name in named.filter(pl.col("section").is_null()).select("clip", "folder", "name").rows():
            try:
                parse_name(name, folder, self.task)
            except DataError as error:
                problems.append(f"{clip}{str(error).removeprefix(name)}")
        return named, problems


def _find(root: Path) -> tuple[pl.DataFrame, list[str]]:
    """Return all that may be a clip: its path, machine, folder and name; and what lies where no clip belongs.

    Raises DatasetError where there is no clip.
    """
    files: dict[str, list[str]] = {name: [] for name in FILE}
    problems: list[str] = []
    strays: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for folder, names in _sounds(root, problems):
        above = "".join(f"{part}/" for part in folder)
        if not f"{above}{''.join(names)}".isprintable():
            odd = [name for name in names if not f"{above}{name}".isprintable()]
            problems += (
                f"{f'{above}{name}'!a}: its name has characters that cannot be printed, rename it" for name in odd
            )
            names = [name for name in names if name not in odd]
        if len(folder) == 2 and folder[1] in FOLDERS:
            columns = [[above + name for name in names], *([part] * len(names) for part in folder), names]
        else:
            loose = [] if folder else [match for name in names if (match := LOOSE.fullmatch(name))]
            columns = [[match[part] for match in loose] for part in (0, *FILE[1:])]
            if stray := sorted(set(names) - set(columns[0])):
                strays[folder] = stray
        for column, more in zip(files.values(), columns, strict=True):
            column += more
    if not files["clip"]:
        raise _refusal(root, "a dataset", [_no_dataset(root, strays), *problems])
    problems += [f"{held}, where no clip belongs: move it away, or hide its folder" for held in _held(strays)]
    return pl.DataFrame(files, schema=dict.fromkeys(FILE, pl.String)), problems


def _sounds(root: Path, problems: list[str]) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Yield every folder below ``root``, in parts, with all in it that is named as sound and is not set aside."""
    unreadable: list[OSError] = []
    for folder, folders, names in os.walk(root, onerror=unreadable.append, followlinks=True):
        parts = Path(folder).relative_to(root).parts
        kept = sorted(name for name in (*folders, *names) if not name.startswith(HIDDEN))
        yield parts, [name for name in kept if is_sound(name)]
        if len(parts) < 2:
            problems += lost_links(Path(folder), parts, names)
        deeper = [name for name in kept if name in folders and name not in SET_ASIDE and not is_sound(name)]
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
        problem = "it is a file" if root.exists() else "there is no such folder"
    elif strays:
        problem = "it is the folder of one machine, " if str(here.parent) in instead else ""
        problem += f"no clip lies where one belongs, but {'; '.join(_held(strays)[:4])}"
    else:
        held = sorted(path.name for path in root.iterdir()) if os.access(root, os.R_OK) else []
        problem = f"no .wav or .flac file is in it, but {', '.join(held[:4]) or 'nothing'}{', ...' if held[4:] else ''}"
    expected = "Expected are ROOT/<machine>/train/<clip>.wav (or .flac) and ROOT/<machine>/test/<clip>.wav"
    return f"{root}: {problem}. {expected}." + (f" Give {' or '.join(sorted(instead))} instead." if instead else "")


def _held(strays: dict[tuple[str, ...], list[str]]) -> list[str]:
    return [f"{'/'.join(folder) or '.'} holds sound ({len(names)}: {names[0]})" for folder, names in strays.items()]


def _refusal(root: Path, what: str, problems: list[str]) -> DatasetError:
    return DatasetError(f"{root} is not {what}.", problems, index_clips(root, []))


DCASE = functools.partial(DcaseReader, "dcase")
DCASE2020, DCASE2021, DCASE2022, DCASE2023, DCASE2024, DCASE2025, DCASE2026 = (
    functools.partial(DcaseReader, f"dcase{year}") for year in range(2020, 2027)
)
