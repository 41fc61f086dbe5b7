"""k of n windows begin an alarm, calm windows end it, and it does not flap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore.errors import DataError
from asdcore.monitor.alarms import AlarmRule, Alarms, Heard

HIGH, NEAR, LOW = (0.9, 0.01), (0.45, 0.07), (0.1, 0.5)


def events(rule, windows):
    alarms = Alarms(rule)
    heard = (Heard(i, "r", float(i), i + 1.0, *window, {"b": 0.2}) for i, window in enumerate(windows))
    return [(i, event) for i, event in enumerate(map(alarms.hear, heard)) if event]


RULE = AlarmRule(2, 3, 0.5, 0.05)


def test_one_window_is_no_alarm_and_two_of_three_are():
    assert events(RULE, [LOW, HIGH, LOW, LOW, HIGH, LOW, LOW]) == []
    ((when, event),) = events(RULE, [LOW, HIGH, LOW, HIGH])
    assert (when, event["event"], event["alarm"], event["begin"], event["score"]) == (3, "alarm begins", 1, 1.0, 0.9)


def test_an_alarm_ends_after_n_calm_windows_and_says_where_it_began_ended_and_peaked():
    told = events(RULE, [HIGH, HIGH, (0.99, 0.01), LOW, LOW, LOW, LOW])
    assert [when for when, _ in told] == [1, 5]
    end = told[1][1]
    assert (end["event"], end["begin"], end["end"], end["peak"], end["score"]) == ("alarm ends", 0.0, 3.0, 2.0, 0.99)
    assert end["branches"] == {"b": 0.2}


def test_a_window_just_below_the_threshold_does_not_end_an_alarm():
    assert len(events(RULE, [HIGH, HIGH, NEAR, LOW, NEAR, LOW, NEAR, LOW])) == 1
    assert len(events(RULE, [HIGH, HIGH, NEAR, LOW, LOW, LOW])) == 2


@given(st.lists(st.sampled_from([HIGH, NEAR, LOW]), max_size=60), st.integers(1, 4), st.integers(1, 6))
def test_every_alarm_takes_k_windows_for_itself(windows, k, n):
    rule = AlarmRule(min(k, n), n, 0.5, 0.05)
    begun = [event for _, event in events(rule, windows) if event["event"] == "alarm begins"]
    assert len(begun) * rule.k <= sum(window is HIGH for window in windows)
    states = [event["event"] for _, event in events(rule, windows)]
    assert states == ["alarm begins", "alarm ends"] * (len(states) // 2) + ["alarm begins"] * (len(states) % 2)


@pytest.mark.parametrize(("k", "n"), [(0, 3), (4, 3)])
def test_a_rule_that_cannot_begin_is_refused(k, n):
    with pytest.raises(DataError, match=r"k of n with 1 <= k <= n"):
        AlarmRule(k, n, 0.5, 0.05)


@pytest.mark.parametrize("p_value", [0.05, 0.4, 0.5, 0.9])
def test_an_alarm_can_end_whatever_share_of_the_normals_lies_above_the_threshold(p_value):
    told = events(AlarmRule(2, 3, 0.5, p_value), [HIGH, HIGH, *[(0.1, 1.0)] * 3])
    assert [event["event"] for _, event in told] == ["alarm begins", "alarm ends"]
