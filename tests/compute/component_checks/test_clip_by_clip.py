"""A test clip is scored alone: whatever hangs on other clips, on earlier calls or on chance is refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdcore.compute.component_checks import clip_by_clip
from asdcore.compute.component_checks.clip_by_clip import Looks, Step
from asdcore.errors import PluginError

CLIPS = [f"fan/test/{i:03}.wav" for i in range(48)]
SCORES = np.random.default_rng(0).gamma(2.0, size=48)
SEEN: list[float] = []


def honest(columns):
    return np.log1p(columns["x"]) * 3.0


def ranks(columns):
    return np.argsort(np.argsort(columns["x"])).astype(float)


def batch_mean(columns):
    return columns["x"] - columns["x"].mean()


def batch_quantile(columns):
    return np.maximum(columns["x"] - np.quantile(columns["x"], 0.9), 0.0)


def of_many(columns):
    x = columns["x"]
    return x / x.std() if len(x) > 30 else x


def sign_of_the_batch(columns):
    """Coarse: halves of a batch mostly agree, single clips do not."""
    return columns["x"] + np.sign(columns["x"].mean() - 1.0)


def tiny_part_of_the_batch(columns):
    return columns["x"] * (1.0 + 1e-9 * columns["x"].mean())


def chance(columns):
    return columns["x"] * (1.0 + 1e-9 * np.random.default_rng().standard_normal(len(columns["x"])))


class Running:
    def __init__(self):
        self.total, self.n = 0.0, 0

    def __call__(self, columns):
        z = []
        for x in columns["x"]:
            self.total, self.n = self.total + x, self.n + 1
            z.append(x - self.total / self.n)
        return np.array(z)


class First:
    first = None

    def __call__(self, columns):
        if self.first is None:
            self.first = columns["x"][0]
        return columns["x"] - self.first


class InAModule:
    """Fits on whatever any call before left behind."""

    def __init__(self):
        self.offset = np.mean(SEEN[:20]) if len(SEEN) >= 20 else 0.0

    def __call__(self, columns):
        SEEN.extend(columns["x"])
        return columns["x"] - self.offset


LEAKS = {
    "ranks": lambda: ranks,
    "batch mean": lambda: batch_mean,
    "batch quantile": lambda: batch_quantile,
    "of many": lambda: of_many,
    "sign": lambda: sign_of_the_batch,
    "tiny": lambda: tiny_part_of_the_batch,
    "chance": lambda: chance,
    "running": Running,
    "first": First,
    "in a module": InAModule,
}


def looked(fit, ours=False, scores=SCORES):
    SEEN.clear()
    step, looks = Step("normalizer", "planted", fit, ours), Looks()
    clips = [f"fan/test/{i:03}.wav" for i in range(len(scores))]
    values = looks.first(step, step.fit(), {"x": scores}, clips, "branch 'b'")
    looks.second()
    return values


@pytest.mark.parametrize("name", LEAKS)
def test_what_hangs_on_other_clips_is_refused_naming_it_and_a_clip(name):
    said = r"branch 'b': normalizer 'planted' gives fan/test/\d+\.wav the value .*of 48 test clips \d+ differ.*fit"
    with pytest.raises(PluginError, match=said):
        looked(LEAKS[name])


@pytest.mark.parametrize("name", ["ranks", "batch mean", "batch quantile", "of many", "tiny", "chance"])
def test_of_many_clips_it_is_refused_by_slices(name, monkeypatch):
    monkeypatch.setattr(clip_by_clip, "MANY", 40)
    with pytest.raises(PluginError, match=r"normalizer 'planted' gives fan/test/\d+\.wav"):
        looked(LEAKS[name], ours=True)


def test_what_others_wrote_meets_every_clip_alone_however_many(monkeypatch):
    monkeypatch.setattr(clip_by_clip, "MANY", 40)
    with pytest.raises(PluginError):
        looked(LEAKS["sign"])


@pytest.mark.parametrize("ours", [False, True])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 48, 100])
def test_a_clips_value_is_what_it_gets_alone(n, ours, monkeypatch):
    monkeypatch.setattr(clip_by_clip, "MANY", 40)
    scores = np.random.default_rng(1).gamma(2.0, size=n)
    expected = [honest({"x": scores[i : i + 1]}).item() for i in range(n)]
    assert looked(lambda: honest, ours, scores).tolist() == expected


def test_a_clip_is_a_copy_that_leads_to_no_other():
    def kept(columns):
        given.append(columns["x"])
        return columns["x"] * 2.0

    given = []
    looked(lambda: kept)
    assert all(x.base is None for x in given)
    assert len({id(x) for x in given}) == 49


@pytest.mark.parametrize("ours", [False, True])
def test_what_arithmetic_rounds_away_is_no_fault_and_the_value_is_that_of_the_clip_alone(ours, monkeypatch):
    def rounds(columns):
        return columns["x"] * (1.0 + 2e-16 * (len(columns["x"]) > 1))

    monkeypatch.setattr(clip_by_clip, "MANY", 40)
    assert looked(lambda: rounds, ours).tolist() == SCORES.tolist()


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 300), st.data())
def test_for_any_two_clips_there_is_a_slice_with_the_one_and_without_the_other(n, data):
    one, other = data.draw(st.lists(st.integers(0, n - 1), min_size=2, max_size=2, unique=True))
    assert any(one in some and other not in some for some in map(set, clip_by_clip._slices(n)))


def test_the_parts_of_asdcore_get_slices_of_the_first_cell_and_a_few_clips_alone_of_every_other(monkeypatch):
    monkeypatch.setattr(clip_by_clip, "MANY", 40)
    monkeypatch.setattr(clip_by_clip, "ALONE", 4)
    sizes: list[list[int]] = []

    def counted(columns):
        sizes[-1].append(len(columns["x"]))
        return honest(columns)

    step, looks = Step("normalizer", "planted", lambda: counted, ours=True), Looks()
    for _ in range(3):
        sizes.append([])
        looks.first(step, step.fit(), {"x": SCORES}, CLIPS, "branch 'b'")
    looks.second()
    first, *others = sizes
    assert first[:5] == [48, 1, 1, 1, 1]
    assert sum(first[5:]) == 3 * 48
    assert others == [[48, 1, 1, 1, 1]] * 2


@pytest.mark.parametrize("name", ["ranks", "batch mean", "batch quantile", "of many", "tiny", "chance"])
def test_a_leak_in_a_later_cell_alone_is_refused_as_well(name, monkeypatch):
    monkeypatch.setattr(clip_by_clip, "MANY", 40)
    call = honest
    step, looks = Step("normalizer", "planted", lambda: call, ours=True), Looks()
    looks.first(step, step.fit(), {"x": SCORES}, CLIPS, "branch 'b'")
    call = LEAKS[name]()
    with pytest.raises(PluginError, match=r"normalizer 'planted' gives fan/test/\d+\.wav"):
        looks.first(step, step.fit(), {"x": SCORES}, CLIPS, "branch 'c'")


def test_a_failure_at_the_second_look_is_told_of_the_plugin():
    def one_at_a_time(columns):
        (x,) = columns["x"]
        return np.array([x])

    with pytest.raises(PluginError, match="branch 'b': normalizer 'planted' failed with ValueError"):
        looked(lambda: one_at_a_time)
