"""Defines which clips a synthetic set has, and their names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from asdcore.contract.references import DOMAINS
from asdcore.data.synth.acoustics import Noise
from asdcore.data.synth.cyclic import SynSlider, SynValve
from asdcore.data.synth.draws import generator
from asdcore.data.synth.machine import Machine
from asdcore.data.synth.rotating import SynBearing, SynCar, SynFan, SynGearbox, SynPump
from asdcore.data.synth.signals import SAMPLE_RATE
from asdcore.errors import DataError, did_you_mean

MACHINES: dict[str, type[Machine]] = {
    kind.__name__: kind for kind in (SynFan, SynGearbox, SynBearing, SynValve, SynSlider, SynPump, SynCar)
}
LABELS = ("normal", "anomaly")


@dataclass(frozen=True)
class Clip:
    """One clip of a set; its name and its sound follow from this and the seed."""

    machine: str
    split: str
    domain: str
    label: str
    index: int
    run: int | None = None
    """Which recording of its domain a train clip is cut from; None for a clip that has one of its own."""

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """The name of the clip's generator, after the seed."""
        return self.machine, self.split, self.domain, self.label, self.index

    @property
    def recording(self) -> tuple[object, ...]:
        """The name of the recording's generator, after the seed."""
        return self.key if self.run is None else (self.machine, self.split, self.domain, "run", self.run)

    @property
    def attribute(self) -> str:
        """The name of the machine's attribute."""
        return MACHINES[self.machine].attribute

    @property
    def value(self) -> str:
        """The attribute value: the domain's values in turn, but one for a whole run, with every turn shuffled."""
        values = MACHINES[self.machine].values(self.domain)
        if self.run is None:
            return values[self.index % len(values)]
        turn, place = divmod(self.run, len(values))
        order = generator("turn", self.machine, self.domain, turn).permutation(len(values))
        return values[int(order[place])]

    @property
    def fault(self) -> str | None:
        """The fault of an anomaly: the machine's faults in turn, each with every attribute value."""
        if self.label == "normal":
            return None
        kind = MACHINES[self.machine]
        return kind.faults[self.index // len(kind.values(self.domain)) % len(kind.faults)]

    @property
    def path(self) -> str:
        """The clip's POSIX path under the root."""
        name = f"section_00_{self.domain}_{self.split}_{self.label}_{self.index:04d}_{self.attribute}_{self.value}.wav"
        return f"{self.machine}/{self.split}/{name}"


@dataclass(frozen=True)
class Profile:
    """The size of a set."""

    machines: tuple[str, ...]
    seconds: int
    train_source: int
    train_target: int
    test: int
    """Test clips of each domain and label."""
    noise: Noise = field(default_factory=Noise)
    run: int = 30
    """Train clips cut from one recording, contiguous along the index."""

    @property
    def n_samples(self) -> int:
        """Samples of a clip."""
        return self.seconds * SAMPLE_RATE

    def clip(self, machine: str, split: str, domain: str, label: str, index: int) -> Clip:
        """Return a clip with its recording; the few recordings of the target are shared out among its values."""
        if split == "test":
            return Clip(machine, split, domain, label, index)
        share = -(-self.train_target // len(MACHINES[machine].values(domain)))
        length = min(self.run, share) if domain == "target" else self.run
        return Clip(machine, split, domain, label, index, index // max(length, 1))

    def clips(self) -> Iterator[Clip]:
        """Yield every clip, machine by machine, train before test."""
        for machine in self.machines:
            for domain, count in (("source", self.train_source), ("target", self.train_target)):
                yield from (self.clip(machine, "train", domain, "normal", index) for index in range(count))
            for domain in DOMAINS:
                for label in LABELS:
                    yield from (self.clip(machine, "test", domain, label, index) for index in range(self.test))


PROFILES: dict[str, Profile] = {
    "tiny": Profile(("SynValve", "SynBearing", "SynFan"), 1, train_source=40, train_target=10, test=12, run=5),
    "demo": Profile(tuple(MACHINES), 2, train_source=60, train_target=10, test=20, run=6),
    "full": Profile(tuple(MACHINES), 10, train_source=990, train_target=10, test=50, run=30),
}


def profile_named(name: str) -> Profile:
    """Return a profile; raises DataError with the closest known name."""
    if name not in PROFILES:
        raise DataError(f"No synthetic set has the profile {name!r}. {did_you_mean(name, PROFILES)}")
    return PROFILES[name]


def clip_count(profile: str) -> int:
    """Return the number of clips in a profile."""
    return sum(1 for _ in profile_named(profile).clips())
