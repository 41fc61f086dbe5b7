"""A pipe or a device in place of a file that a person names is refused in one message, and not read for ever."""

from __future__ import annotations

import os

import pytest

from asdcore.basics.spreadsheets import read_spreadsheet
from asdcore.basics.table_files import read_parquet
from asdcore.cluster.connection import _scheduler_of
from asdcore.data.recordings.audio import inspect_audio
from asdcore.errors import AsdcoreError
from asdcore.evidence.imported_results import import_results
from asdcore.evidence.labels.files import _content
from asdcore.evidence.selection.audit import audit_decide
from asdcore.evidence.selection.fault_clips import _of_table
from asdcore.exchange.vectors import read_vectors
from asdcore.portfolio import load_portfolio


def _folder_of_vectors(path):
    return read_vectors(path.parent)


READERS = {
    "clip.npy": [_folder_of_vectors],
    "table.parquet": [read_parquet, read_vectors, _of_table, import_results],
    "table.csv": [read_spreadsheet, _of_table, import_results],
    "vectors.npz": [read_vectors],
    "clip.wav": [inspect_audio],
    "plan.json": [audit_decide, _scheduler_of],
    "truth.csv": [_content],
    "portfolio.toml": [load_portfolio],
}


@pytest.mark.parametrize("device", ["pipe", "/dev/zero"])
@pytest.mark.parametrize(("name", "read"), [(name, read) for name, readers in READERS.items() for read in readers])
def test_what_never_ends_is_refused(tmp_path, name, read, device):
    path = tmp_path / name
    if device == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(device)
    with pytest.raises((AsdcoreError, OSError)) as refused:
        read(path)
    assert str(path) in str(refused.value) or name in str(refused.value)
