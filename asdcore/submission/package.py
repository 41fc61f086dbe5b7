"""Write the challenge's folder and zip: score files of up to four systems, each with its meta file.

A package is made beside its folder and moved in at once, so a kill leaves the old state or the new one. A finished
package is never written over: a person has filled in its meta files. The same command, given again, keeps those, adds
new files (the technical report), and makes the zip anew.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from asdcore.basics.paths import given_path
from asdcore.errors import AsdcoreError, DataError, StoreError, did_you_mean
from asdcore.portfolio import parse_portfolio
from asdcore.preflight.complexity import complexity as complexity_of
from asdcore.runs.folder import EVALUATION_FILE, Run
from asdcore.store.disk.atomic import check_writable, fresh_folder, write_bytes
from asdcore.submission.archive import pack, zip_bytes
from asdcore.submission.chosen_systems import chosen_systems, opened, shared_score_files
from asdcore.submission.layout import (
    DECISIONS,
    META,
    SCORES,
    TASK,
    Expected,
    expected_files,
    is_development,
    kinds,
    labels,
    team,
)
from asdcore.submission.meta import development_results, meta_text

FOLDER = "submission"
"""The default folder of a package, below its first run."""


@dataclass(frozen=True)
class Package:
    """A finished package.

    Attributes
    ----------
    folder, archive : Path
        The folder and the zip.
    systems : dict
        {label: the system's name in its run}.
    task, data : str
        Task and recordings of the runs.
    kept : bool
        Whether the folder existed before, so that its meta files were kept.
    notes : list of str
        What a person should know before sending it.
    """

    folder: Path
    archive: Path
    systems: dict[str, str]
    task: str
    data: str
    kept: bool
    notes: list[str]


def write_scores(
    folder: Path, clips: pl.DataFrame, systems: pl.DataFrame, decisions: pl.DataFrame, system: str, year: int
) -> list[Path]:
    """Write the score files of one system, decisions too from 2021 on, and return their paths.

    clips, systems, decisions : tables of a run. Every test clip has a line, sorted by name, in a file for its machine
    and section; a score is the shortest text that reads back as the same float64. Raises DataError if a test clip
    has no finite score or no decision.
    """
    files = _score_files(expected_files(clips, year), systems, decisions, system, year)
    for name, content in files.items():
        write_bytes(folder / name, content)
    return [folder / name for name in files]


def package(
    runs: Sequence[Run | str | Path],
    label: str,
    *,
    systems: Sequence[str] | None = None,
    out: str | Path | None = None,
    development: Run | str | Path | None = None,
    complexity: bool = False,
) -> Package:
    """Write the challenge's submission, a folder and a zip, of up to four systems.

    Parameters
    ----------
    runs : sequence of Run or path
        Inferences on evaluation data, or runs.
    label : str
        ``<Name>_<Institute>``, which gets a number for each system; or full labels with commas between them.
    systems : sequence of str, optional
        Names of systems, or ``<run>/<name>`` if two runs share a name; by default all, sorted by name.
    out : path, optional
        A new folder; by default ``submission`` in the folder of the first run.
    development : Run or path, optional
        A run whose ``evaluation.json`` holds the development results; by default each run's own, if it is of
        development data.
    complexity : bool, optional
        Count parameters and MACs; every encoder is built and run once.

    Returns
    -------
    Package
        The folder, the zip, and notes on what a person should know before sending it.

    Raises
    ------
    DataError
        If the systems or labels do not fit the challenge's rules, or a clip has no finite score.
    StoreError
        If the folder holds something else than a package of these scores. Nothing is written then.

    Examples
    --------
    >>> submitted = asdcore.package(["runs/first"], "Doe_Uni", out="submission")
    >>> submitted.systems
    {'Doe_Uni_task2_1': 'knn'}
    >>> submitted.archive.name
    'Doe_Uni.zip'
    """
    chosen = chosen_systems([opened(run) for run in runs], systems)
    named = dict(zip(labels(label, len(chosen)), chosen, strict=True))
    first = chosen[0][0]
    folder = given_path(out, "out") if out is not None else first.folder / FOLDER
    check_writable(folder)
    expected = shared_score_files(chosen)
    notes = [*_notes(expected, first.about["year"]), *_not_inferred([run for run, _ in chosen])]
    kept = folder.exists() and any(folder.iterdir())
    counted = _count([run for run, _ in chosen] if complexity and not kept else [], notes)
    files = _files(named, expected, development, counted)
    archive = folder / f"{team(next(iter(named)))}.zip"
    if kept:
        _check_same(folder, archive, files)
        write_bytes(archive, pack(folder))
    else:
        _write(folder, {**files, archive.name: zip_bytes(files)})
    about, given = first.about, {label: system for label, (_, system) in named.items()}
    return Package(folder, archive, given, about["task"], about["data"], kept, notes)


def _files(
    named: Mapping[str, tuple[Run, str]],
    expected: Expected,
    development: Run | str | Path | None,
    counted: Mapping[Path, Mapping[str, Mapping[str, int]]],
) -> dict[str, bytes]:
    """Return {path below the package: content} of every system's score and meta files."""
    files: dict[str, bytes] = {}
    for label, (run, system) in named.items():
        year = int(run.about["year"])
        results = _results(run, system, year, development)
        meta = meta_text(label, run, system, results=results, complexity=counted.get(run.folder, {}).get(system))
        made = _score_files(expected, run.systems, run.decisions, system, year) | {f"{label}{META}": meta.encode()}
        files |= {f"{TASK}/{label}/{name}": content for name, content in made.items()}
    return files


def _count(runs: list[Run], notes: list[str]) -> dict[Path, dict[str, dict[str, int]]]:
    """Return {run: {system: its complexity}}; a run whose counting fails is named in ``notes``."""
    counted = {}
    for run in {run.folder: run for run in runs}.values():
        try:
            cost = complexity_of(parse_portfolio(run.about["portfolio"]))
        except AsdcoreError as error:
            notes.append(f"parameters and MACs of {run.folder} are left open: {error}")
        else:
            counted[run.folder] = {system: total.submitted for system, total in cost.systems.items()}
    return counted


def _score_files(
    expected: Expected, systems: pl.DataFrame, decisions: pl.DataFrame, system: str, year: int
) -> dict[str, bytes]:
    """Return {name: content} of the score files of one system."""
    tested = systems.filter((pl.col("system") == system) & (pl.col("role") == "test"))
    if tested.is_empty():
        raise DataError(f"There are no scores of a system {system!r}. {did_you_mean(system, set(systems['system']))}")
    finite = tested.filter(pl.col("score").is_finite()).select("clip", "score")
    values_of = {SCORES: {clip: repr(score) for clip, score in finite.rows()}}
    if DECISIONS in kinds(year):
        decided = decisions.filter(pl.col("system") == system).select("clip", "decision")
        values_of[DECISIONS] = {clip: str(decision) for clip, decision in decided.rows()}
    files = {}
    for end, names in expected.items():
        for kind, values in values_of.items():
            if missing := [clip for clip in names if clip not in values]:
                raise DataError(
                    f"System {system!r} has no {'finite score' if kind == SCORES else 'decision'} for {len(missing)} "
                    f"of {len(names)} test clips: {', '.join(missing[:5])}. Run the portfolio again."
                )
            lines = sorted((name, values[clip]) for clip, name in names.items())
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(lines)
            files[f"{kind}_{end}.csv"] = text.getvalue().encode()
    return files


def _results(
    run: Run, system: str, year: int, development: Run | str | Path | None
) -> dict[str, dict[str, float]] | None:
    """Return the development results of a system, None without a development run."""
    if development is not None:
        return development_results(opened(development), system, year)
    own = is_development(expected_files(run.clips, year)) and (run.folder / EVALUATION_FILE).exists()
    return development_results(run, system, year) if own else None


def _notes(expected: Expected, year: int) -> list[str]:
    """Say what a person should know about a package."""
    notes = []
    if is_development(expected):
        notes.append("the names of the test clips say normal or anomaly: this is development data, not a submission.")
    if any(clip.lower().endswith(".flac") for names in expected.values() for clip in names):
        notes.append("clips in FLAC are named .wav, as the challenge publishes them.")
    if DECISIONS not in kinds(year):
        notes.append(f"{year} asks for no decisions: there are only scores.")
    return notes


def _not_inferred(runs: list[Run]) -> list[str]:
    """Say which runs are not inferences from a manifest."""
    plain = dict.fromkeys(str(run.folder) for run in runs if "manifest" not in run.about)
    return [
        f"{folder} is a run, not an inference: no manifest pins what made it. For a final submission: "
        f"asdcore freeze RUN --out NAME.json; asdcore infer NAME.json --data EVALUATION --out {folder}-inference"
        for folder in plain
    ]


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a new package atomically."""
    with fresh_folder(folder) as stage:
        for name, content in files.items():
            write_bytes(stage / name, content)
        stage.replace(folder.resolve())


def _check_same(folder: Path, archive: Path, files: Mapping[str, bytes]) -> None:
    """Raise StoreError unless a folder is a package of exactly these scores."""
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    ours = {name for name in there if Path(name).parts[0] == TASK and name.endswith((".csv", META))}
    changed = [
        name
        for name in files
        if name in ours and not name.endswith(META) and (folder / name).read_bytes() != files[name]
    ]
    if archive.name not in there or ours != set(files) or changed:
        what = f"other scores than this package's, in {changed[0]}" if changed else "files that are not this package's"
        raise StoreError(
            f"{folder} holds {what}. Nothing is written over, since a person may have filled in the meta files: "
            "choose a new folder with --out, or move this one away."
        )
