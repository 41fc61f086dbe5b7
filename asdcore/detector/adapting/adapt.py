"""Adapts a detector to normal sound that has changed, such as after maintenance: a second baseline, or another first.

The new recordings go through the portfolio as in a run of their own: scorers, normalizers, guards and threshold are
fitted on them alone, and they are scored out of fold with the neighbours that their data set names. The run is frozen
and exported like any other. So any scorer will do: nothing that was fitted before has to be extended.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from asdcore.basics.paths import given_path, path_or
from asdcore.components.readers import in_windows, reader_of, year_of
from asdcore.compute.component_checks.recordings_out_of_reach import check_apart
from asdcore.contract.interfaces import Dataset
from asdcore.contract.plugins import installed
from asdcore.detector.adapted import AdaptedDetector
from asdcore.detector.adapted_file import CellName, part_name, write_adapted
from asdcore.detector.adapting.faults_among_normals import Heard, heard_by, refusal
from asdcore.detector.adapting.heard_before import check_no_known_faults, learnt_before, learnt_note
from asdcore.detector.detector import Detector
from asdcore.detector.export import SUFFIX, export
from asdcore.detector.load import load_detector
from asdcore.errors import DataError, StoreError
from asdcore.frozen.freeze import freeze
from asdcore.frozen.manifest.statement import Manifest
from asdcore.pipeline import Work
from asdcore.portfolio import parse_portfolio
from asdcore.progress import EachNoteOnce, Progress, Silent
from asdcore.store.cache import Store, default_store
from asdcore.store.disk.atomic import check_writable, disk_trouble, working_folder

WAYS = ("second", "replacement")


class Adaptation(NamedTuple):
    """What an adaptation made.

    Attributes
    ----------
    path : Path
        The new detector.
    clips : int
        How many normals were added.
    above : list of str
        Those of them that the old detector calls anomalous.
    learnt : list of str
        Those of them that it has among its own train normals: the same file, or another of the same sound.

    Examples
    --------
    >>> asdcore.Adaptation(path="pump-2.asd", clips=80, above=[], learnt=[]).above
    []
    """

    path: Path
    clips: int
    above: list[str]
    learnt: list[str]


def adapt(
    detector: str | Path,
    normals: str | Path,
    out: str | Path,
    *,
    way: str = "second",
    machine: str | None = None,
    section: str | None = None,
    system: str | None = None,
    accept_faults: bool = False,
    store: str | Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Adaptation:
    """Adapt a detector to new normals, and write it as a new detector.

    Parameters
    ----------
    detector : path
        The detector (``.asd``); it is not changed.
    normals : path
        A folder of normal sound, read as the data of a run are: its train clips. They may be of one machine only.
    out : path
        The new detector (``.asd``), which must not exist.
    way : str
        "second": the machine has another baseline, and only what exceeds every baseline's threshold is anomalous.
        "replacement": the new normals take the place of all earlier ones.
    machine, section : str, optional
        Which machine they are of. Not needed if the detector knows one only.
    system : str, optional
        The system that is asked whether the normals sound normal; by default as in :meth:`Detector.score`.
    accept_faults : bool
        Go on though the detector calls some of the normals anomalous.
    store : path, optional
        The folder of cached features. Default: as of a run.
    workers : int
        How many local processes share the work.
    progress : Progress, optional
        Reports progress; silent by default.

    Returns
    -------
    Adaptation
        Its file, and the normals that the old detector calls anomalous.

    Raises
    ------
    DataError
        If the normals are not of one machine, some of them are known faults that have chosen the detector's weights,
        the old detector calls some of them anomalous, or there are too few.
    StoreError
        If ``out`` exists.

    Examples
    --------
    >>> manifest = asdcore.freeze("runs/first", "first.json")
    >>> path = asdcore.export("first.json", "first.asd")
    >>> import shutil
    >>> normals = shutil.copytree("data/SynFan", "after repair/SynFan")
    >>> asdcore.adapt(path, "after repair", "second.asd", machine="SynFan").clips
    50
    """
    if way not in WAYS:
        raise DataError(f"the new normals are added as {way!r}; {' or '.join(WAYS)} is allowed")
    source, root, target = given_path(detector, "the detector"), given_path(normals, "normals"), given_path(out, "out")
    _check_place(target)
    old = load_detector(source)
    frozen = old.known(machine, section)
    judge = old.chosen_system(system)
    kept = Store(path_or(store, "store", default_store()))
    shown = EachNoteOnce(progress or Silent())
    work = _Adapt(old, (frozen.machine, frozen.section), judge, root, kept, workers, shown)
    return work.write(target, way, accept_faults)


def _check_place(path: Path) -> None:
    """Raise StoreError unless a new detector can be written here."""
    if path.suffix != SUFFIX:
        raise StoreError(f"{path} does not end in {SUFFIX}. Choose a name such as {path.stem}{SUFFIX}.")
    if path.exists() or path.is_symlink():
        raise StoreError(f"{path} exists, and is not written over. Choose another name, or remove it.")


class _OneMachine:
    """A dataset reader whose train clips are all of one machine and section, whatever their folder calls it."""

    def __init__(self, reader: Dataset, cell: CellName) -> None:
        self._reader, self._cell = reader, cell
        self.year = year_of(reader) or None

    def clips(self, root: Path) -> pl.DataFrame:
        """Return the index of the train clips, under the name that the detector has for the machine."""
        clips = self._reader.clips(root)
        cells = clips.select("machine", "section").unique().sort("machine", "section").rows()
        machine, section = self._cell
        if len(cells) > 1:
            there = ", ".join(f"{name} section {number}" for name, number in cells)
            raise DataError(f"{root} holds the machines {there}; give the folder of {machine} section {section} alone")
        return clips.filter(pl.col("split") == "train").with_columns(machine=pl.lit(machine), section=pl.lit(section))

    def ground_truth(self, root: Path) -> pl.DataFrame | None:
        """Return None: nothing is evaluated."""
        return None


@dataclass
class _Adapt:
    """One adaptation under way."""

    old: Detector
    cell: CellName
    system: str
    root: Path
    store: Store
    workers: int
    progress: Progress

    def write(self, target: Path, way: str, accept_faults: bool) -> Adaptation:
        """Fit the new normals, and write the new detector."""
        with disk_trouble(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with working_folder(target.parent, "adapting") as folder:
                manifest, heard, learnt = self._fitted(folder, way, accept_faults)
                part = folder / part_name(manifest.sha256)
                inside = bool(self.old._container.checkpoints)
                export(manifest.path, part, with_checkpoints=inside, progress=self.progress)
                self._join(target, way, part, heard)
        return Adaptation(target, len(heard), [clip.name for clip in heard if clip.is_above(self.system)], list(learnt))

    def _fitted(self, folder: Path, way: str, accept_faults: bool) -> tuple[Manifest, list[Heard], dict[str, str]]:
        """Run the portfolio on the new normals.

        Returns the frozen run, what the old detector says of the normals, and those that it has learnt before.
        """
        frozen = self.old._container.manifest.predicate
        plan = parse_portfolio(frozen["portfolio"])
        task, reader = reader_of(None, self.root, installed())
        check_apart(plan.choices(), self.root, installed())
        check_writable(self.store.root)
        device = None if frozen["run"]["device"] == "cpu" else str(frozen["run"]["device"])
        work = Work(plan, task, self.root, self.store, self.workers, device, self.progress)
        one_machine = in_windows(_OneMachine(reader, self.cell), plan.windows)
        clips, noticed = work.listed(one_machine)
        check_no_known_faults(clips, plan, self.root)
        if learnt := learnt_before(clips, self.old.known(*self.cell)):
            self.progress.note(learnt_note(learnt, len(clips), way))
        heard = heard_by(self.old, self.cell, clips, self.root, self.progress)
        if way == "second" and (trouble := next((clip for clip in heard if clip.trouble), None)):
            raise DataError(
                f"{self.root}: the earlier baseline cannot judge {trouble.name}: {trouble.trouble}. Convert it to what "
                "the detector learnt from, or begin anew with it: --as replacement"
            )
        if (why := refusal(heard, self.system, self.old.known(*self.cell), self.root)) and not accept_faults:
            raise DataError(why)
        run = work.run(one_machine, clips, noticed, folder / "run")
        return freeze(run, folder / "frozen.json", progress=self.progress), heard, learnt

    def _join(self, target: Path, way: str, part: Path, heard: list[Heard]) -> None:
        """Write the new detector: the new baseline, and of the old detector whatever is still needed."""
        parts, baselines, history, margins = self._before(part.parent)
        baselines[self.cell] = [*(baselines[self.cell] if way == "second" else []), part.name]
        if way == "second":
            margins[part.name] = {
                name: {clip.sha256: clip.margins[name] for clip in heard} for name in self.old.systems
            }
        step = {
            "as": way,
            "machine": self.cell[0],
            "section": self.cell[1],
            "from": {"file": self.old.path.name, "sha256": _sha256(self.old.path)},
            "added": part.name,
            "recordings": [{"clip": clip.name, "sha256": clip.sha256} for clip in heard],
            "anomalous_before": [clip.name for clip in heard if clip.is_above(self.system)],
        }
        needed = {name for names in baselines.values() for name in names}
        files = {name: file for name, file in {**parts, part.name: part}.items() if name in needed}
        write_adapted(target, files, baselines, [*history, step], {n: m for n, m in margins.items() if n in needed})

    def _before(self, folder: Path) -> tuple[dict[str, Path], dict[CellName, list[str]], list[Any], dict[str, Any]]:
        """Return detectors inside, baselines, history and margins of the old detector."""
        if isinstance(self.old, AdaptedDetector):
            adapted = self.old.adapted
            return self.old.files, dict(adapted.baselines), adapted.history, dict(adapted.margins)
        name = part_name(self.old.manifest_sha256)
        shutil.copyfile(self.old.path, folder / name)
        return {name: folder / name}, {cell: [name] for cell in self.old.machines}, [], {}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
