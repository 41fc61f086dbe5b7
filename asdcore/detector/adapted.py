"""A detector that was adapted: several detectors in one, of which each machine is judged by its own baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from asdcore.detector.adapted_file import AdaptedFile
from asdcore.detector.baselines import Baselines, KnownMachine
from asdcore.detector.detector import Detector
from asdcore.detector.listen import Features, Listener
from asdcore.detector.machine import FrozenMachine


class AdaptedDetector(Detector):
    """A detector whose machines may have several baselines; it is asked as any other.

    Parameters
    ----------
    adapted : AdaptedFile
        What its file says.
    parts : mapping of str to Detector
        The detectors inside.
    """

    def __init__(self, adapted: AdaptedFile, parts: Mapping[str, Detector]) -> None:
        super().__init__(parts[adapted.history[-1]["added"]]._container)
        self._adapted, self._parts = adapted, parts
        self.path, self.manifest_sha256 = adapted.path, adapted.sha256
        self.machines = sorted(adapted.baselines)

    @property
    def adapted(self) -> AdaptedFile:
        """What the file says: the baselines of every machine, and the history."""
        return self._adapted

    @property
    def files(self) -> dict[str, Path]:
        """The files of the detectors inside, by name, as long as this detector lives."""
        return {name: part.path for name, part in self._parts.items()}

    @property
    def notes(self) -> list[str]:
        """What may make scores differ on this machine, of all detectors inside."""
        return list(dict.fromkeys(note for part in self._parts.values() for note in part.notes))

    def _features(self, hear: Callable[[Listener], Features], machine: str, section: str) -> Features:
        """Return the features of one clip for the branches of all baselines; what two share is computed once."""
        features: Features = {}
        for name in reversed(self._adapted.baselines[machine, section]):
            listener = self._parts[name]._listener
            if not listener.folders(machine) <= features.keys():
                features |= hear(listener)
        return features

    def _machine(self, machine: str, section: str) -> KnownMachine:
        if (machine, section) not in self._machines:
            names = self._adapted.baselines[machine, section]
            baselines = [self._parts[name].known(machine, section) for name in names]
            frozen = [baseline for baseline in baselines if isinstance(baseline, FrozenMachine)]
            several = len(frozen) > 1
            margins = self._adapted.margins[names[-1]] if several else {}
            self._machines[machine, section] = Baselines(frozen, margins) if several else frozen[0]
        return self._machines[machine, section]
