"""Open several runs that are used together: each of them once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from asdcore.errors import EvaluationError
from asdcore.runs.folder import Run, load_run
from asdcore.runs.trials import Trials


def each_run_once(runs: Sequence[Run | Trials | str | Path]) -> list[Run]:
    """Open runs, and refuse one that is given twice.

    Parameters
    ----------
    runs : sequence of Run, str or Path
        Finished runs, or their folders. The same folder under another path is the same run.

    Returns
    -------
    list of Run
        The runs, in the order given.

    Raises
    ------
    EvaluationError
        If a run is given twice, or several trials are given as one.
    DataError
        If a folder holds no finished run.
    """
    if trials := next((each for each in runs if isinstance(each, Trials)), None):
        raise EvaluationError(f"{trials.folder} holds trials. Name one of them, such as {trials.first.folder}.")
    opened = [run if isinstance(run, Run) else load_run(run) for run in runs if not isinstance(run, Trials)]
    times = Counter(run.folder.resolve() for run in opened)
    if twice := [str(folder) for folder, count in times.items() if count > 1]:
        raise EvaluationError(f"The run {twice[0]} is given twice. Name every run once.")
    return opened
