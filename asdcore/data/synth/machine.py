"""The base of the machine types: how each sounds when it is well, and with each of its faults.

A machine has one attribute (its speed, load or pattern), with values of the source domain and others of the target
domain. Its constants (resonances, phases, where the rail is pitted) are drawn once for a seed. ``sound`` takes the
severity of every fault, 0 for the ones a clip does not have. Sounds are dry (at the machine) and not yet levelled.

The types follow the machines of MIMII (Purohit et al., 2019), MIMII DG (Dohi et al., 2022) and ToyADMOS2 (Harada et
al., 2021).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from asdcore.data.synth.draws import generator
from asdcore.data.synth.signals import Samples

Severity = Mapping[str, float]


class Machine(ABC):
    """One machine type."""

    attribute: ClassVar[str]
    source: ClassVar[dict[str, float]]
    """Attribute value -> shaft rate (Hz), period (s), speed (m/s) or load level, in the source domain."""
    target: ClassVar[dict[str, float]]
    faults: ClassVar[tuple[str, ...]]

    def __init__(self, seed: int) -> None:
        self._draw(generator(seed, "machine", type(self).__name__))

    @classmethod
    def values(cls, domain: str) -> tuple[str, ...]:
        """Return the attribute values of a domain."""
        return tuple(cls.source if domain == "source" else cls.target)

    @classmethod
    def setting(cls, value: str) -> float:
        """Return the physical quantity behind an attribute value."""
        return (cls.source | cls.target)[value]

    @classmethod
    def severity(cls, fault: str | None = None, degree: float = 0.0) -> dict[str, float]:
        """Return {fault: severity}, 0 for all but the one named."""
        return {name: degree if name == fault else 0.0 for name in cls.faults}

    def sound(
        self, rng: np.random.Generator, value: str, n_samples: int, severity: Severity, trim: float = 0.0
    ) -> Samples:
        """Return (n_samples,) of the machine running at an attribute value, or off it by a recording's ``trim``."""
        return self._sound(rng, self._trimmed(self.setting(value), trim), n_samples, severity)

    @classmethod
    def _trimmed(cls, setting: float, trim: float) -> float:
        """Return the setting that a machine runs at when it is off by ``trim`` percent."""
        return setting * (1 + 0.01 * trim)

    @abstractmethod
    def _draw(self, rng: np.random.Generator) -> None:
        """Draw what is fixed for this machine."""

    @abstractmethod
    def _sound(self, rng: np.random.Generator, setting: float, n_samples: int, severity: Severity) -> Samples:
        """Return (n_samples,) of the machine at a physical setting. Faults draw last: the rest stays."""
