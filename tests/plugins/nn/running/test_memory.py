"""How many clips go together: as many as fit, fewer where they did not, and none on the CPU."""

from __future__ import annotations

import weakref

import pytest
import torch

from asdcore import DataError
from asdcore_plugins.nn.running import memory
from asdcore_plugins.nn.running.memory import MOST, Portions


@pytest.fixture
def device(monkeypatch):
    """A pretended device with room for a number of clips; what it holds at once is counted."""

    class Device(Portions):
        def __init__(self, room):
            super().__init__(torch.device("cpu"))
            self.room, self.runs, self.failed = room, [], 0

        def _room(self, before):
            return 8

        def work(self, batch):
            if len(batch) > self.room:
                self.failed += 1
                raise torch.OutOfMemoryError("no room")
            self.runs.append(len(batch))
            return [float(one.sum()) for one in batch]

    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    return Device


def clips(*lengths):
    return [torch.full((1, n), float(i)) for i, n in enumerate(lengths)]


def test_on_the_cpu_each_clip_goes_alone():
    sizes = []
    found = Portions(torch.device("cpu")).run(clips(4, 4, 4), lambda batch: sizes.append(len(batch)) or [0])
    assert (found, sizes) == ([0, 0, 0], [1, 1, 1])


def test_the_first_of_a_length_goes_alone_and_the_others_together(device):
    held = device(room=100)
    assert held.run(clips(*[2] * 10), held.work) == [2.0 * i for i in range(10)]
    assert held.runs == [1, 8, 1]
    held.run(clips(2, 2), held.work)
    assert held.runs[3:] == [2], "the length is known by now"


def test_clips_of_different_lengths_never_go_together(device):
    held = device(room=100)
    assert held.run(clips(2, 2, 3, 3, 2), held.work) == [0.0, 2.0, 6.0, 9.0, 8.0]
    assert held.runs == [1, 1, 1, 1, 1]


def test_out_of_memory_halves_the_portion_and_goes_on(device):
    held = device(room=3)
    assert held.run(clips(*[1] * 9), held.work) == [float(i) for i in range(9)]
    assert held.failed == 2, "8, then 4, were too many"
    assert held.runs == [1, 2, 2, 2, 2]


def test_one_clip_that_does_not_fit_is_an_error(device):
    held = device(room=0)
    with pytest.raises(DataError, match="a clip alone takes more memory than cpu has left.*--device cpu"):
        held.run(clips(1), held.work)


def test_clips_that_do_not_even_get_onto_the_device_are_halved_too(device, monkeypatch):
    held = device(room=100)
    moved = held._moved

    def narrow(clips):
        if len(clips) > 2:
            raise torch.OutOfMemoryError("no room")
        return moved(clips)

    monkeypatch.setattr(held, "_moved", narrow)
    assert held.run(clips(*[1] * 6), held.work) == [float(i) for i in range(6)]
    assert held.runs == [1, 2, 2, 1]


def test_what_did_not_fit_is_let_go_before_the_memory_is_emptied(device, monkeypatch):
    held, alive, seen = device(room=1), [], []

    def work(batch):
        alive.append(weakref.ref(batch))
        return held.work(batch)

    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: seen.append([ref() for ref in alive]))
    held.run(clips(1, 1, 1), work)
    assert seen == [[None, None]]


def test_what_a_clip_takes_tells_how_many_fit(monkeypatch):
    held = Portions(torch.device("cpu"))
    held.device = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 150)
    for free, expected in ((1000, 14), (10, 1), (10**9, MOST)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free: (free, 0))
        assert held._room(100) == expected == max(1, min(MOST, int(memory.SHARE * free / 50)))


def test_clips_reach_a_gpu_from_pinned_memory(monkeypatch):
    steps = []

    class Batch:
        def pin_memory(self):
            steps.append("pinned")
            return self

        def to(self, device, non_blocking=False):
            steps.append((device.type, non_blocking))
            return self

    held = Portions(torch.device("cpu"))
    held.device = torch.device("cuda")
    monkeypatch.setattr(torch, "cat", lambda _: Batch())
    held._moved([torch.zeros(1)])
    assert steps == ["pinned", ("cuda", True)]
