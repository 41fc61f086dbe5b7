"""Machines that turn: their tones follow the shaft, and so do most of their faults.

A gear mesh is a harmonic series that the shaft modulates (McFadden, J. Vib. Acoust. 1986), a defect of a rolling
bearing a slipping train of impulses that rings the housing (Randall & Antoni, MSSP 2011), a fan its blade tones over
flow noise that the blades modulate.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from asdcore.data.synth.machine import Machine, Severity
from asdcore.data.synth.signals import (
    SAMPLE_RATE,
    BearingOrders,
    Harmonics,
    Samples,
    at,
    bursts,
    noise,
    rings,
    shaft_phase,
    squeals,
    strikes,
)


class SynFan(Machine):
    """An axial fan with 7 blades: shaft and blade tones over flow noise."""

    attribute = "spd"
    source: ClassVar = {"1": 16.0, "2": 19.0, "3": 22.0}
    target: ClassVar = {"4": 25.5, "5": 29.0}
    faults = ("imbalance", "blade", "bearing")
    bearing_order = BearingOrders(balls=9, ratio=0.207).outer

    def _draw(self, rng: np.random.Generator) -> None:
        self.trim = rng.uniform(0.95, 1.05)
        self.flow_hz = rng.uniform(600, 1000)
        self.shaft = Harmonics(rng, (1, 0.3, 0.15, 0.1))
        self.blades = Harmonics(rng, (1, 0.5, 0.3, 0.2, 0.12))

    def _sound(self, rng: np.random.Generator, setting: float, n_samples: int, severity: Severity) -> Samples:
        rate = setting * self.trim
        relative = rate / 20
        phase = shaft_phase(rng, rate, n_samples, drift=0.005)
        once = 1 + 0.5 * severity["blade"] * np.sin(phase)
        flow = 0.6 * relative**2 * noise(rng, n_samples, 1.0, self.flow_hz * np.sqrt(relative), 1.2)
        sound = 0.15 * self.shaft(rng, phase, (1 + 2.5 * severity["imbalance"], 1, 1, 1))
        sound += 0.5 * once * self.blades(rng, 7 * phase)
        sound += flow * (once + 0.15 * np.sin(7 * phase))
        if severity["bearing"]:
            hits = strikes(rng, phase, self.bearing_order, slip=0.02)
            sound += rings(hits, 1.05 * severity["bearing"], n_samples, 3100, 0.03)
        return sound


class SynGearbox(Machine):
    """A gear pair, 31 teeth on the driven wheel: mesh tones modulated once per turn, over housing noise."""

    attribute = "volt"
    source: ClassVar = {"1": 9.0, "2": 10.5, "3": 12.0}
    target: ClassVar = {"4": 13.8, "5": 15.5}
    faults = ("eccentric", "tooth", "wear")
    teeth = 31

    def _draw(self, rng: np.random.Generator) -> None:
        self.mesh = Harmonics(rng, (1, 0.6, 0.35, 0.22, 0.15, 0.1))
        self.shaft = Harmonics(rng, (1, 0.5, 0.25))
        self.housing_hz = 1800 * rng.uniform(0.9, 1.1)

    def _sound(self, rng: np.random.Generator, setting: float, n_samples: int, severity: Severity) -> Samples:
        phase = shaft_phase(rng, setting, n_samples, drift=0.004)
        once = np.cos(phase)
        load = 1 + (0.12 + 0.55 * severity["eccentric"]) * once
        # exp((cos x - 1) / w^2) is a Gaussian of width w around every full turn
        load += 1.2 * severity["tooth"] * np.exp((once - 1) / 0.22**2)
        worn = 1 + 1.6 * severity["wear"]
        sound = 0.6 * load * self.mesh(rng, self.teeth * phase, (1, worn, worn, worn, worn, worn))
        sound += 0.2 * self.shaft(rng, phase)
        return sound + 0.35 * noise(rng, n_samples, 0.8, self.housing_hz, 1.5)


class SynBearing(Machine):
    """A shaft in a rolling bearing of 9 balls: rolling noise through the housing's resonance."""

    attribute = "vel"
    source: ClassVar = {"1": 10.0, "2": 13.0, "3": 16.0, "4": 19.0}
    target: ClassVar = {"5": 23.0, "6": 27.0}
    faults = ("outer", "inner", "ball")
    orders = BearingOrders(balls=9, ratio=0.28)

    def _draw(self, rng: np.random.Generator) -> None:
        self.housing_hz = rng.uniform(2200, 3800)
        self.shaft = Harmonics(rng, (1, 0.5, 0.3, 0.2))

    def _sound(self, rng: np.random.Generator, setting: float, n_samples: int, severity: Severity) -> Samples:
        phase = shaft_phase(rng, setting, n_samples, drift=0.004)
        sound = 0.5 * (setting / 15) * noise(rng, n_samples, 0.6, self.housing_hz, 2.5)
        sound += 0.3 * self.shaft(rng, phase) + 0.25 * noise(rng, n_samples, 1.2)
        # an inner-race defect turns through the load zone once per turn, a ball's once per turn of the cage
        for fault, order, carrier in (
            ("outer", self.orders.outer, 0.0),
            ("inner", self.orders.inner, 1.0),
            ("ball", self.orders.ball, self.orders.cage),
        ):
            if severity[fault]:
                hits = strikes(rng, phase, order, slip=0.015)
                strength = 1 + 0.9 * np.cos(carrier * at(hits, phase)) * (carrier > 0)
                train = rings(hits, strength, n_samples, self.housing_hz, 0.04)
                sound += 0.54 * severity[fault] * train / np.sqrt(np.mean(train**2))
        return sound


class SynPump(Machine):
    """A centrifugal pump with 6 vanes: shaft and vane tones over flow noise, louder with its load."""

    attribute = "load"
    source: ClassVar = {"0": 0.0, "1": 1.0}
    target: ClassVar = {"2": 2.0}
    faults = ("looseness", "cavitation", "leak")

    @classmethod
    def _trimmed(cls, setting: float, trim: float) -> float:
        return setting + 0.1 * trim  # a load, not a speed; the speed follows it

    def _draw(self, rng: np.random.Generator) -> None:
        self.shaft = Harmonics(rng, (1, 0.6, 0.4, 0.3, 0.2, 0.15, 0.1, 0.08), jitter_db=1.5)
        self.vanes = Harmonics(rng, (1, 0.5, 0.3, 0.15))
        self.halves = Harmonics(rng, (1, 0, 0.6, 0, 0.4))

    def _sound(self, rng: np.random.Generator, setting: float, n_samples: int, severity: Severity) -> Samples:
        level = 1 + 0.25 * setting
        # an induction motor slips more the harder it works
        phase = shaft_phase(rng, 24.5 * (1 - 0.015 * setting), n_samples, drift=0.003)
        loose = severity["looseness"]
        sound = 0.3 * self.shaft(rng, phase, 1 + 1.4 * loose * np.arange(1, 9) / 4)
        sound += 0.4 * level * self.vanes(rng, 6 * phase)
        sound += 0.5 * level * noise(rng, n_samples, 0.9, 700 * level, 1.2)
        if loose:
            sound += 0.25 * loose * self.halves(rng, phase / 2)
        if severity["cavitation"]:
            bubbles = noise(rng, n_samples, 0.0, 4500, 3.0) * bursts(rng, n_samples, per_second=8, seconds=0.12)
            sound += 0.45 * severity["cavitation"] * bubbles
        if severity["leak"]:
            sound += 0.30 * severity["leak"] * noise(rng, n_samples, 0.0, 5600, 1.5)
        return sound


class SynCar(Machine):
    """A toy car on a track: motor and gear tones over rolling noise, faster and slower every 1.7 s."""

    attribute = "spd"
    source: ClassVar = {"28": 28.0, "31": 31.0, "34": 34.0}
    target: ClassVar = {"37": 37.0, "40": 40.0}
    faults = ("shaft", "stone", "belt")

    def _draw(self, rng: np.random.Generator) -> None:
        self.motor = Harmonics(rng, (1, 0.5, 0.3, 0.2, 0.1), jitter_db=1.5)
        self.gear = Harmonics(rng, (1, 0.5, 0.3, 0.15), jitter_db=1.5)
        self.rolling_hz = rng.uniform(700, 1100)

    def _sound(self, rng: np.random.Generator, setting: float, n_samples: int, severity: Severity) -> Samples:
        lap = np.arange(n_samples) * (2 * np.pi / (1.7 * SAMPLE_RATE)) + rng.uniform(0, 2 * np.pi)
        speed = 0.85 + 0.15 * np.cos(lap)
        phase = shaft_phase(rng, setting * speed, n_samples, drift=0.01)
        sound = 0.45 * self.motor(rng, phase) + 0.35 * self.gear(rng, 11 * phase)
        sound += 0.45 * noise(rng, n_samples, 0.8, self.rolling_hz, 0.8)
        sound *= speed * (1 + 0.7 * severity["shaft"] * np.cos(phase / 4))
        if severity["stone"]:
            hits = strikes(rng, phase, 0.25, slip=0.02)
            sound += rings(hits, 1.2 * severity["stone"], n_samples, 1900, 0.04)
        if severity["belt"]:
            sound += 0.4 * severity["belt"] * squeals(rng, n_samples, 2400)
        return sound
