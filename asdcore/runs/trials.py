"""Trials: one portfolio run with several seeds, each of them an ordinary run folder, and a file that joins them.

    OUT/trials.json   written last: the seeds, and the digest of what each run says it is
    OUT/seed-0/       a run folder like any other: it can be frozen, inferred with, reported by itself
    OUT/seed-1/

A trial that was run again with the same result still belongs; one that differs is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asdcore.basics.paths import given_path
from asdcore.errors import DataError, StoreError
from asdcore.runs.folder import EVALUATION_FILE, REPORT_FILE, RUN_FILE, TRIALS_FILE, Run, load_run
from asdcore.store.digests.digest import recipe_digest
from asdcore.store.digests.sealed_json import FIELD, is_sealed, is_sealed_file, is_sealed_page, seal, unsealed
from asdcore.store.disk.atomic import check_writable, json_text, write_bytes

SCHEMA = 1
FOLDER = "seed-"
"""The first part of the name of a trial's folder; its seed follows."""

OURS = {TRIALS_FILE: is_sealed_file, EVALUATION_FILE: is_sealed_file, REPORT_FILE: is_sealed_page}
"""The files beside the trials, and the check that asdcore wrote them."""


@dataclass(frozen=True)
class Trials:
    """The trials of one portfolio.

    :func:`asdcore.run` with ``trials`` and :func:`asdcore.load_trials` return one.

    Attributes
    ----------
    folder : Path
        The folder that holds the run folders.
    runs : dict of int to Run
        The run of every seed, in the order of the seeds.

    Examples
    --------
    >>> trials = asdcore.load_trials("runs/trials")
    >>> trials.seeds
    (0, 1)
    >>> trials.runs[1].folder.name, trials.runs[1].about["portfolio"]["seed"]
    ('seed-1', 1)
    """

    folder: Path
    runs: Mapping[int, Run] = field(repr=False)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds."""
        return tuple(self.runs)

    @property
    def first(self) -> Run:
        """The run of the first seed."""
        return next(iter(self.runs.values()))

    @property
    def digest(self) -> str:
        """SHA-256 over the seeds and their tables of systems, which an evaluation of the trials looks at."""
        return recipe_digest({str(seed): run.about["tables"]["systems"] for seed, run in self.runs.items()})

    def notes(self) -> list[str]:
        """Say so if no seed changed a result: the trials then tell nothing about chance."""
        if len(self.runs) < 2 or len({run.about["tables"]["systems"] for run in self.runs.values()}) > 1:
            return []
        return [
            f"all {len(self.runs)} trials are equal: nothing here draws random numbers, or each part has a seed of its "
            "own in the portfolio."
        ]


def trial_folder(out: Path, seed: int) -> Path:
    """Return the run folder of one trial."""
    return out / f"{FOLDER}{seed}"


def load_trials(folder: str | Path) -> Trials:
    """Open finished trials.

    Parameters
    ----------
    folder : path
        The folder that :func:`asdcore.run` wrote trials to.

    Returns
    -------
    Trials
        ``runs`` holds the run of every seed.

    Raises
    ------
    DataError
        If the folder holds no finished trials.
    StoreError
        If ``trials.json`` is damaged, or a trial is not the one that it names.

    Examples
    --------
    >>> trials = asdcore.load_trials("runs/trials")
    >>> [run.about["portfolio"]["seed"] for run in trials.runs.values()]
    [0, 1]
    """
    home = given_path(folder, "the folder of trials")
    again = f"Run the portfolio again with --trials and --out {folder}: what the store holds is not computed twice."
    if not (home / TRIALS_FILE).is_file():
        there = sorted(path.name for path in home.glob(f"{FOLDER}*"))
        what = f"holds the trials {', '.join(there)}, which are not finished" if there else "holds no trials"
        raise DataError(f"{folder} {what}: it has no {TRIALS_FILE}. {again}")
    try:
        content = (home / TRIALS_FILE).read_bytes()
        about = json.loads(content.decode())
        if not is_sealed(content) or about["schema"] != SCHEMA:
            raise ValueError("it has changed since it was written, or another version of asdcore wrote it")
        named = {int(seed): str(digest) for seed, digest in about["trials"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(f"{home / TRIALS_FILE} cannot be read ({error}). {again}") from error
    runs = {seed: load_run(trial_folder(home, seed)) for seed in sorted(named)}
    for seed, run in runs.items():
        if _meaning(run) != named[seed]:
            raise StoreError(
                f"{run.folder} is not the trial that {home / TRIALS_FILE} names: it was run again since, with another "
                f"portfolio, other recordings or other code. {again}"
            )
    return Trials(home, runs)


def is_trials(folder: str | Path) -> bool:
    """Whether a folder holds trials, finished or not, rather than one run."""
    home = Path(folder)
    return (home / TRIALS_FILE).exists() or (not (home / RUN_FILE).exists() and any(home.glob(f"{FOLDER}*")))


def opened(given: Run | Trials | str | Path) -> Run | Trials:
    """Open a run or trials, whichever a folder holds."""
    if isinstance(given, Run | Trials):
        return given
    return load_trials(given) if given and is_trials(given) else load_run(given)


def begin_trials(folder: Path) -> None:
    """Take away what says that earlier trials in a folder are finished, and what was made of them."""
    for name in OURS:
        (folder / name).unlink(missing_ok=True)


def write_trials(folder: Path, runs: Iterable[Run], say: Callable[[str], None]) -> Trials:
    """Write the file that joins finished runs of one portfolio; ``say`` gets the notes on them."""
    of_seeds = {int(run.about["portfolio"]["seed"]): run for run in runs}
    about: dict[str, Any] = {
        "schema": SCHEMA,
        "portfolio": next(iter(of_seeds.values())).about["portfolio"]["name"],
        "trials": {str(seed): _meaning(run) for seed, run in of_seeds.items()},
        FIELD: unsealed(),
    }
    write_bytes(folder / TRIALS_FILE, seal(json_text(about).encode()))
    trials = load_trials(folder)
    for note in trials.notes():
        say(note)
    return trials


def check_trials_out(folder: Path, seeds: Iterable[int]) -> None:
    """Raise StoreError if trials would be written among other files, or beside trials that do not belong to them."""
    check_writable(folder)
    if not folder.is_dir():
        return
    wanted = {trial_folder(folder, seed).name for seed in seeds}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in wanted:
            continue
        if path.name in OURS:
            with suppress(OSError):
                if OURS[path.name](path):
                    continue
        if path.name.startswith(FOLDER) and path.is_dir():
            raise StoreError(
                f"{path} is a trial that does not belong to those asked for ({', '.join(sorted(wanted))}). Remove it, "
                "ask for its seed, too, or choose another --out."
            )
        raise StoreError(
            f"{folder} holds files that no trials wrote, such as {path.name}. Choose an empty or new folder with --out."
        )


def _meaning(run: Run) -> str:
    return recipe_digest(run.meaning)
