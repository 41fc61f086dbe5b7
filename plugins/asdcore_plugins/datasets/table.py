"""Recordings that a table describes: one row for each clip, in ``clips.csv`` or ``clips.parquet`` of their folder.

Needed are the columns ``path`` (below the folder), ``machine`` and ``split``. Others are optional: ``section``,
``domain``, ``label``, ``attributes``, and, for train clips cut side by side, ``order`` and ``recording``. What a cell
leaves empty is unknown. ``start`` and ``end`` (seconds) and ``channel`` (its name, or its number counted from 1) say
that a clip is a part of its file, ``rate`` (Hz) and ``unit`` what a logger's file does not say;
:mod:`asdcore_plugins.datasets.bases.table_parts` reads them. A folder without a
table is read by :mod:`~asdcore_plugins.datasets.bases.folders`, so that new recordings of machines that a table
described need none. A label is 0, ``normal`` or another word of
:data:`~asdcore_plugins.datasets.bases.own_names.NORMAL`; 1 or the name of a fault.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from asdcore import DatasetError, index_clips, is_recording, read_spreadsheet
from asdcore_plugins.datasets.bases.folders import folder_clips, folder_truth, labels_of_whole_machines
from asdcore_plugins.datasets.bases.own_names import DOMAINS, NORMAL, TEST, TRAIN, UNKNOWN, is_normal
from asdcore_plugins.datasets.bases.table_parts import (
    PART,
    clip_of,
    mixed_channels,
    overlaps,
    part_problems,
    with_recordings,
)

TABLES = ("clips.csv", "clips.parquet")
NEEDED = ("path", "machine", "split")
OPTIONAL = ("section", "domain", "label", "attributes", "order", "recording", *PART)

Row = dict[str, str | None]


class TableReader:
    r"""Recordings that a table describes, in ``clips.csv`` or ``clips.parquet`` of their folder.

    Examples
    --------
    >>> import asdcore, numpy as np, soundfile, tempfile
    >>> from pathlib import Path
    >>> reader = asdcore.load_dataset("index")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("a.wav", "b.wav"):
    ...         soundfile.write(Path(folder) / name, np.full(800, 0.1), 16000)
    ...     table = "path,machine,split,label\na.wav,pump,train,\nb.wav,pump,test,bearing\n"
    ...     _ = Path(folder, "clips.csv").write_text(table)
    ...     index, truth = reader.clips(Path(folder)), reader.ground_truth(Path(folder))
    >>> index.select("clip", "machine", "section", "split", "domain").rows()
    [('a.wav', 'pump', '00', 'train', 'source'), ('b.wav', 'pump', '00', 'test', None)]
    >>> truth.rows()
    [('b.wav', 1, None)]
    """

    year = None
    """No challenge's rules apply."""

    def recognizes(self, root: Path) -> int:
        """Say how surely a table describes these recordings: 3 if it is there, since somebody wrote it for this."""
        return 3 * bool(_tables(root))

    def clips(self, root: Path) -> pl.DataFrame:
        """Return the clip index.

        Parameters
        ----------
        root : Path
            The folder that holds the table, and the recordings that it names.

        Returns
        -------
        polars.DataFrame
            A row for each clip, as :func:`asdcore.index_clips` makes it. Without a section it is "00", without a
            domain a train clip counts as source.

        Raises
        ------
        DatasetError
            With everything that is wrong, at once, each line naming the row.
        """
        if not _tables(root):
            return folder_clips(root)
        rows, problems = _read(root)
        entries: list[dict[str, Any]] = []
        for row in rows:
            split = _split(row["split"])
            order = row["order"]
            entries.append(
                {
                    "clip": row["clip"],
                    "machine": row["machine"],
                    "section": row["section"] or "00",
                    "split": split,
                    "domain": row["domain"] or ("source" if split == "train" else None),
                    "attributes": row["attributes"] if split == "train" else None,
                    "order": _number(order) if order is not None else None,
                    "recording": row["recording"],
                }
            )
        return index_clips(root, with_recordings(entries), problems=problems, names_repeat=True)

    def ground_truth(self, root: Path) -> pl.DataFrame | None:
        """Return the labels of the table.

        Parameters
        ----------
        root : Path
            As in :meth:`clips`.

        Returns
        -------
        polars.DataFrame or None
            clip, label (0 normal, 1 faulty) and domain (null if the table does not say it) of the machines whose every
            test clip has a label, and ``recording`` if the table names that of a test clip; None if there is no such
            machine.
        """
        if not _tables(root):
            return folder_truth(root)
        machines: dict[str | None, list[tuple[str, int | None, str | None]]] = defaultdict(list)
        for row in _read(root)[0]:
            if _split(row["split"]) == "test":
                label = None if row["label"] is None else int(_is_fault(row["label"]))
                machines[row["machine"]].append((str(row["clip"]), label, row["domain"]))
        labels, recordings = labels_of_whole_machines(machines.values()), self.recordings(root)
        if labels is None or not recordings:
            return labels
        named = pl.col("clip").replace_strict(recordings, default=None, return_dtype=pl.String)
        return labels.with_columns(recording=named)

    def recordings(self, root: Path) -> dict[str, str]:
        """Return {test clip: its recording}, for those of which the table names one; labels are not looked at.

        Parameters
        ----------
        root : Path
            As in :meth:`clips`.
        """
        if not _tables(root):
            return {}
        named = (row for row in _read(root)[0] if _split(row["split"]) == "test" and row["recording"] is not None)
        return {str(row["clip"]): str(row["recording"]) for row in named}


def _read(root: Path) -> tuple[list[Row], list[str]]:
    """Return the rows that may be clips, with every column as text or None, and the problems of all rows."""
    table = _table(root)
    rows: list[Row] = []
    problems: list[str] = []
    first: dict[str, int] = {}
    empty: dict[str, list[tuple[int, str]]] = {}
    for number, cells in enumerate(table.iter_rows(named=True), start=2):
        row: Row = {name: _text(cells.get(name)) for name in (*NEEDED, *OPTIONAL)}
        if missing := " and ".join(name for name in NEEDED if row[name] is None):
            empty.setdefault(missing, []).append((number, row["path"] or "(no path)"))
        wrong = list(_problems(root, row))
        if row["path"] is not None and not wrong and not missing:
            row["clip"] = clip = clip_of(row)
            if clip in first:
                wrong.append(f"row {first[clip]} names it too, and a clip has one row")
            first.setdefault(clip, number)
        problems += [f"{row['path'] or '(no path)'}: row {number}: {problem}" for problem in wrong]
        if not wrong and not missing:
            rows.append(row)
    return rows, [*_empty_cells(empty), *problems, *mixed_channels(first), *overlaps(first)]


def _empty_cells(empty: Mapping[str, Sequence[tuple[int, str]]]) -> Iterator[str]:
    """Yield one problem for all rows that lack the same: a table that nobody has filled in lacks it in every row."""
    for missing, where in empty.items():
        number, path = where[0]
        if where[1:]:
            yield f"{path}: row {number}, and {len(where) - 1} more up to row {where[-1][0]}: their {missing} are empty"
        else:
            yield f"{path}: row {number}: its {missing} {'are' if ' and ' in missing else 'is'} empty"


def _table(root: Path) -> pl.DataFrame:
    """Read the table, all columns as text; raises DatasetError if it is not one of these columns."""
    file, *others = _tables(root)
    if others:
        raise DatasetError(f"{root} holds both {' and '.join(TABLES)}: remove one.", [], index_clips(root, []))
    try:
        if file.suffix == ".csv":
            table = read_spreadsheet(file)
        else:
            # Of some damaged pages polars asks for all memory there is, which ends the process.
            list(pq.ParquetFile(file).iter_batches())
            with file.open("rb") as opened:
                table = pl.read_parquet(opened)
        table = table.rename({name: name.strip().lower() for name in table.columns})
    except (OSError, ValueError, pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        why = str(error).splitlines()[0]
        raise DatasetError(f"{file} is not a table that can be read ({why}).", [], index_clips(root, [])) from error
    allowed = (*NEEDED, *OPTIONAL)
    problems = [
        f"the column {name!r} is missing; needed are {', '.join(NEEDED)}" for name in NEEDED if name not in table
    ]
    problems += [
        f"no column is called {name!r}. Known: {', '.join(allowed)}." for name in table.columns if name not in allowed
    ]
    if problems:
        raise DatasetError(f"{file} has other columns than an index of clips.", problems, index_clips(root, []))
    if table.is_empty():
        raise DatasetError(f"{file} has no rows. Write one for each clip.", [], index_clips(root, []))
    return table


def _tables(root: Path) -> list[Path]:
    return [root / name for name in TABLES if (root / name).is_file()]


def _problems(root: Path, row: Row) -> Iterator[str]:
    """Yield what is wrong with one row."""
    if path := row["path"]:
        parts = PurePosixPath(path).parts
        if path.startswith("/") or ".." in parts or "\\" in path or str(PurePosixPath(path)) != path:
            yield "its path must lie below the table's folder and be written with '/', such as hall2/pump.wav"
        elif not is_recording(path, named=True):
            yield "its ending is that of no recording; .wav, .flac and the files of loggers are read"
        elif not (root / path).is_file():
            yield "there is no such file"
    yield from part_problems(row)
    if row["machine"] and "/" in row["machine"]:
        yield f"its machine is {row['machine']!r}, and a machine's name has no '/'"
    split = _split(row["split"])
    if row["split"] and split is None:
        yield f"its split is {row['split']!r}; allowed are train and test"
    if row["domain"] not in (None, *DOMAINS):
        yield f"its domain is {row['domain']!r}; allowed are {', '.join(DOMAINS)} and nothing"
    yield from _label_problems(row["label"], split)
    if row["order"] is not None and _number(row["order"]) is None:
        yield f"its order is {row['order']!r}; a number is allowed, such as an index or a time in seconds"


def _label_problems(label: str | None, split: str | None) -> Iterator[str]:
    """Yield what is wrong with a label."""
    if label is None:
        return
    if label.lower() in UNKNOWN:
        yield f"its label is {label!r}, which is the name of no fault; leave the cell empty if it is unknown"
    elif (_number(label) or 0.0) < 0:
        yield f"its label is {label!r}; allowed are 0 or normal, 1 or the name of a fault, and nothing"
    elif split == "train" and _is_fault(label):
        allowed = ", ".join(NORMAL)
        yield f"its label is {label!r}, and train clips are normal; allowed are {allowed}, 0 and nothing"


def _text(value: Any) -> str | None:
    """Return a cell as text, None if it is empty; a column of whole numbers with gaps may be one of floats."""
    value = int(value) if isinstance(value, float) and value.is_integer() else value
    text = "" if value is None or value != value else str(value).strip()
    return text or None


def _split(word: str | None) -> str | None:
    lower = (word or "").lower()
    return "train" if lower in TRAIN else "test" if lower in TEST else None


def _is_fault(label: str) -> bool:
    return not (is_normal(label) or label.lower() in ("0", "0.0", "false"))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
