"""What tests of the monitor share: a judge that scores a window by its loudness, and recordings of steps."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from asdcore.detector.verdict import Verdict
from asdcore.monitor.alarms import AlarmRule
from asdcore.monitor.journal import Journal
from asdcore.monitor.keep_audio import AudioKept
from asdcore.monitor.monitor import Monitor
from asdcore.monitor.past import Settings

RATE = 8000
SETTINGS = Settings(0.25, 0.25, AlarmRule(2, 3, 0.5, 0.05), np.linspace(0.0, 0.5, 40))


def _judge(sound, rate):
    """Score a window by its peak: 0.9 is anomalous, 0.1 is normal."""
    score = float(np.abs(sound).max())
    return Verdict("pump", "00", "loud", score, 0.02 if score > 0.5 else 0.6, 0.5, score > 0.5, {}, {})


def _recording(path, peaks, seconds=0.25):
    """Write a recording whose windows have these peaks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(RATE * seconds)) / RATE
    sound = np.concatenate([peak * np.sin(2 * np.pi * 440 * time) for peak in peaks])
    soundfile.write(path, sound, RATE, subtype="FLOAT")
    return path


def _start(log, *, settings=SETTINGS, seconds_kept=0.0, judge=_judge, wait=None):
    journal = Journal(log, {"seconds": settings.seconds, "alarm": f"{settings.rule.k}/{settings.rule.n}"}, wait)
    return Monitor(judge, settings, journal, AudioKept(log.with_name("kept"), seconds_kept))


@pytest.fixture
def recording():
    """A function that writes a recording whose windows of a quarter of a second have given peaks."""
    return _recording


@pytest.fixture
def start():
    """A function that starts a monitor with a journal."""
    return _start
