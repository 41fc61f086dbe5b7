"""Results as frames: intervals are two columns, nothing nested is left, and pandas is asked for by name."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from asdcore.errors import AsdcoreError
from asdcore.evidence.data_frames import flat, frame
from asdcore.evidence.selection.outcome import Outcome


def outcome(rows):
    return Outcome("lomo", "what was done", {}, rows, "done")


def test_intervals_become_two_columns_and_nested_values_go():
    row = {"system": "a", "score": 0.5, "ci95": [0.4, 0.6], "files": ["x", "y"], "more": {"k": 1}, "none": None}
    assert flat(row) == {"system": "a", "score": 0.5, "ci95_low": 0.4, "ci95_high": 0.6, "none": None}


def test_rows_may_lack_a_column():
    assert frame([{"a": 1}, {"a": 2, "b": "x"}]).rows() == [(1, None), (2, "x")]


def test_a_result_is_a_polars_frame():
    table = outcome([{"machine": "fan", "gain": 0.1}, {"machine": "valve", "gain": -0.2}]).to_polars()
    assert table.columns == ["machine", "gain"]
    assert table["gain"].to_list() == [0.1, -0.2]


def test_a_pandas_frame_holds_the_same_or_pandas_is_asked_for_by_name():
    result = outcome([{"machine": "fan", "gain": 0.1}])
    if find_spec("pandas") is None:
        with pytest.raises(AsdcoreError, match="needs pandas, which is not installed: pip install pandas"):
            result.to_pandas()
    else:
        assert result.to_pandas().to_dict("records") == [{"machine": "fan", "gain": 0.1}]
