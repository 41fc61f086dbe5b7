"""What results look like on a terminal."""

from __future__ import annotations

import json

import pytest

from asdcore.cli.output import terminal
from asdcore.frozen.verifying.differences import Verification


def verified(*distances):
    rows = [
        {"table": f"table{i}", "pinned": 64 * "a", "found": 64 * "b", "same": far == 0, "max_abs_diff": far}
        for i, far in enumerate(distances)
    ]
    return Verification("first.json", 64 * "c", 3, [], recomputed=rows)


@pytest.mark.parametrize(
    ("far", "shown"),
    [
        (0.0, "yes   0"),
        (5.4e-11, "NO    5.4e-11"),
        (1.4e-11, "NO    1.4e-11"),
        (5e-324, "NO    4.9e-324"),
        (0.0123, "NO    1.2e-02"),
        (250.0, "NO    2.5e+02"),
        (None, "NO    -"),
    ],
)
def test_how_far_a_rebuilt_table_is_from_the_frozen_one_has_its_exponent(far, shown):
    line = next(line for line in terminal.verification(verified(far)) if line.startswith("  table0"))
    assert line == f"  table0  aaaaaaaaaaaa  {shown}"


def test_json_has_every_digit_of_it():
    (row,) = json.loads(json.dumps(verified(5.400124791776761e-11).as_json()))["recomputed"]
    assert row["max_abs_diff"] == 5.400124791776761e-11


def test_numbers_stand_to_the_right_also_where_some_are_missing():
    rows = [{"share": 0.5, "bound": None, "name": "a"}, {"share": None, "bound": None, "name": None}]
    assert terminal.table(rows, ("share", "bound", "name")) == [
        "share  bound  name",
        " 0.50  -      a",
        "    -  -      -",
    ]
