"""Machines that work in strokes: what repeats is a cycle of events, not a turn of a shaft."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from asdcore.data.synth.machine import Machine, Severity
from asdcore.data.synth.signals import SAMPLE_RATE, Harmonics, Samples, noise, rings, squeals


class SynValve(Machine):
    """A solenoid valve: a click when it opens, one when it closes, and a hiss in between."""

    attribute = "pat"
    source: ClassVar = {"0": 0.9, "1": 0.62}
    target: ClassVar = {"2": 0.45, "3": 0.75}
    faults = ("leak", "weak", "double")
    duty = 0.35

    def _draw(self, rng: np.random.Generator) -> None:
        self.body_hz = rng.uniform(1700, 2600)
        self.seat_hz = rng.uniform(4200, 5500)
        self.hiss_hz = rng.uniform(4500, 6000)

    def _sound(self, rng: np.random.Generator, setting: float, n_samples: int, severity: Severity) -> Samples:
        period = setting * SAMPLE_RATE
        cycles = int(n_samples / period) + 3
        opens = (np.arange(-1, cycles - 1) + rng.uniform(0, 1)) * period + rng.normal(0, 0.01 * period, cycles)
        closes = opens + self.duty * period
        clicks = np.concatenate([opens, closes])
        strength = 10 ** (rng.normal(0, 1.0, len(clicks)) / 20) * (1 - 0.6 * severity["weak"])
        if severity["double"]:
            clicks = np.concatenate([clicks, clicks + 0.05 * SAMPLE_RATE])
            strength = np.concatenate([strength, 0.9 * severity["double"] * strength])
        sound = 1.6 * rings(clicks, strength, n_samples, self.body_hz, 0.05)
        sound += 0.6 * rings(clicks, strength, n_samples, self.seat_hz, 0.05)
        flow = 0.25 * _gate(opens, self.duty * period, n_samples) + 0.35 * severity["leak"]
        return sound + flow * noise(rng, n_samples, 0.0, self.hiss_hz, 0.8) + 0.06 * noise(rng, n_samples, 1.0)


def _gate(opens: Samples, width: float, n_samples: int) -> Samples:
    """Return (n_samples,) flow in [0, 1]: rises within 15 ms of each opening, falls within 20 ms of closing."""
    attack, decay = 0.015 * SAMPLE_RATE, 0.020 * SAMPLE_RATE
    flow = np.zeros(n_samples)
    for start in opens:
        first = max(int(np.ceil(start)), 0)
        since = np.arange(first, min(int(start + width + 10 * decay), n_samples)) - start
        rise = 1 - np.exp(-np.minimum(since, width) / attack)
        flow[first : first + len(since)] += rise * np.exp(-np.maximum(since - width, 0) / decay)
    return flow


class SynSlider(Machine):
    """A linear slide that runs to and fro: friction and motor tones follow its speed, with a thud at each end."""

    attribute = "vel"
    source: ClassVar = {"300": 0.3, "400": 0.4, "500": 0.5}
    target: ClassVar = {"700": 0.7, "900": 0.9}
    faults = ("pit", "squeal", "dry")
    rail = 0.4
    ramp_seconds = 0.08
    rest_seconds = 0.12

    def _draw(self, rng: np.random.Generator) -> None:
        self.friction_hz = rng.uniform(900, 1500)
        self.motor = Harmonics(rng, (1, 0.5, 0.3, 0.2))
        self.pits = np.sort(rng.uniform(0, self.rail, 9))

    def _sound(self, rng: np.random.Generator, setting: float, n_samples: int, severity: Severity) -> Samples:
        velocity = setting * rng.normal(1, 0.005)
        stroke = self._stroke(velocity)
        run = np.tile(stroke, n_samples // len(stroke) + 2)
        offset = int(rng.integers(len(stroke)))
        speed = run[offset : offset + n_samples]
        relative = velocity / 0.4
        friction = noise(rng, n_samples, 0.7, self.friction_hz * relative**0.3, 1.2)
        travelled = np.cumsum(speed) * (velocity / SAMPLE_RATE)
        sound: Samples = speed * (0.6 * relative**0.8 * friction + 0.25 * self.motor(rng, 2 * np.pi * 420 * travelled))
        ends = np.arange(1.0, len(run) // len(stroke) + 1) * len(stroke)
        ends -= self.rest_seconds * SAMPLE_RATE + offset
        sound += 0.8 * rings(ends, 10 ** (rng.normal(0, 1.0, len(ends)) / 20), n_samples, 420, 0.08)
        if severity["pit"]:
            hits = self._pit_times(stroke, velocity, len(ends), first_forward=rng.random() < 0.5) - offset
            sound += 1.1 * severity["pit"] * rings(hits, 1.0, n_samples, 2700, 0.04)
        if severity["squeal"]:
            sound += 0.35 * severity["squeal"] * speed * squeals(rng, n_samples, 2900)
        if severity["dry"]:
            sound += 0.5 * severity["dry"] * speed * noise(rng, n_samples, 0.0, 4300, 4.0)
        return sound

    def _stroke(self, velocity: float) -> Samples:
        """Return (stroke and rest,) speed from 0 to 1: ramp up, run, ramp down, stand still."""
        seconds = self.rail / velocity + self.ramp_seconds
        time = np.arange(int((seconds + self.rest_seconds) * SAMPLE_RATE)) / SAMPLE_RATE
        corners = [0, self.ramp_seconds, seconds - self.ramp_seconds, seconds]
        speed: Samples = np.interp(time, corners, [0, 1, 1, 0])
        return speed

    def _pit_times(self, stroke: Samples, velocity: float, strokes: int, first_forward: bool) -> Samples:
        """Return the samples at which the carriage runs over the pits, on its way to and on its way back."""
        position = np.cumsum(stroke) * (velocity / SAMPLE_RATE)
        moving = np.flatnonzero(stroke)
        forward = np.interp(self.pits, position[moving], moving)
        back = np.interp(self.rail - self.pits, position[moving], moving)
        ways = [forward if (index % 2 == 0) == first_forward else back for index in range(strokes)]
        return np.concatenate([way + index * len(stroke) for index, way in enumerate(ways)])
