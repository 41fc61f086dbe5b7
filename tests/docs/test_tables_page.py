"""The page of tables names every table of a run, and every column of it."""

from __future__ import annotations

import re

from asdcore.runs.folder import TABLES
from docs.examples import PAGES

PAGE = (PAGES / "tables.md").read_text()


def test_every_table_has_its_row_and_every_column_its_own():
    assert set(re.findall(r"^\| `(\w+)\.parquet` \|", PAGE, re.MULTILINE)) == set(TABLES)
    named: dict[str, set[str]] = {name: set() for name in TABLES}
    for columns, tables in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ([\w, ]+) \|", PAGE, re.MULTILINE):
        for table in TABLES if tables == "all" else tables.split(", "):
            named[table] |= set(re.findall(r"`(\w+)`", columns))
    assert named == {name: {*table.columns, *table.if_known} for name, table in TABLES.items()}
