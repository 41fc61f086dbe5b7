"""What somebody else wrote ends in a ValueError where it cannot be used, however deeply it is nested."""

from __future__ import annotations

import math
import sys

import pytest

from asdcore.basics.parse import DEEPEST, is_number, parse_json, parse_toml, shallow

DEPTHS = (DEEPEST + 1, 300, 900, 1100, 20_000)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("shape", ["lists", "tables", "tables in a list"])
def test_json_that_is_nested_too_deeply_is_refused(depth, shape):
    text = {"lists": nested(depth), "tables": '{"a":' * depth + "1" + "}" * depth}
    text["tables in a list"] = f"[1, {text['tables']}]"
    with pytest.raises(ValueError, match=f"nested more than {DEEPEST} deep"):
        parse_json(text[shape])


@pytest.mark.parametrize("depth", [DEEPEST + 1, 900, 2000])
@pytest.mark.parametrize("shape", ["list", "table", "dotted key", "header", "array of tables"])
def test_toml_that_is_nested_too_deeply_is_refused(depth, shape):
    dotted = ".".join("a" * depth)
    text = {
        "list": f"x = {nested(depth)}",
        "table": "x = " + "{a=" * depth + "1" + "}" * depth,
        "dotted key": f"{dotted} = 1",
        "header": f"[{dotted}]",
        "array of tables": f"[[{dotted}]]",
    }
    with pytest.raises(ValueError, match=f"nested more than {DEEPEST} deep"):
        parse_toml(text[shape])


def test_what_is_nested_as_deeply_as_allowed_is_read():
    assert str(parse_json(nested(DEEPEST))) == nested(DEEPEST)
    assert str(parse_toml(f"x = {nested(DEEPEST - 1)}")["x"]) == nested(DEEPEST - 1)


@pytest.mark.parametrize("text", ["", "{", "[1,", '{"a": 1} 2', "nul", "1" * 5000, b"\xff"])
def test_what_is_no_json_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


@pytest.mark.parametrize("text", ["a", "a = ", "[a", "a = 1\na = 2", "a = " + "1" * 5000])
def test_what_is_no_toml_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        parse_toml(text)


def test_one_value_in_many_places_is_looked_at_once():
    """Ten lists, each of ten times the one before it, are ten lists; written out they would be 10^40 places."""
    value: list[object] = []
    for _ in range(40):
        value = [value] * 10
    assert shallow(value) is value


def test_a_value_that_holds_itself_is_refused():
    value: list[object] = []
    value.append(value)
    with pytest.raises(ValueError, match="nested"):
        shallow(value)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0, True),
        (-2.5, True),
        (sys.float_info.max, True),
        (int(sys.float_info.max) * 2, False),
        (-(10**400), False),
        (math.inf, False),
        (math.nan, False),
        (True, False),
        ("1", False),
        (None, False),
    ],
)
def test_a_number_is_finite_and_fits_float64(value, number):
    assert is_number(value) is number
