"""What holds for many windows of a recording is said once, and nothing else is merged."""

from __future__ import annotations

from asdcore.basics.lines_by_recording import by_recording
from asdcore.errors import DatasetError


def test_windows_of_one_recording_make_one_line_and_others_stay():
    lines = [f"hall/a.wav#t={s}-{s + 1}&channel=2: cut short: 7 bytes" for s in range(300)]
    others = [
        "hall/b.wav: row 7: there is no such file",
        "hall/a.wav: cut short: 7 bytes",
        "fan section 00: no train clips",
    ]
    once = "hall/a.wav: cut short: 7 bytes (300 clips of it, from t=0-1&channel=2 on)"
    assert by_recording([*lines, *others]) == [once, *others]


def test_a_dataset_error_keeps_every_problem_and_says_it_once():
    error = DatasetError("Wrong.", [f"a.wav#t={s}-{s + 1}: NaN" for s in range(9)])
    assert len(error.problems) == 9
    assert str(error) == "Wrong.\n  - a.wav: NaN (9 clips of it, from t=0-1 on)"
