"""A clip to explain: its sound, and what a detector says of it and of it with parts replaced, whatever its length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from asdcore.contract.long_sound import Sound
from asdcore.data.recordings.audio import AudioFacts
from asdcore.data.recordings.file_content import LARGE
from asdcore.detector.detector import Detector
from asdcore.detector.feature_shares import FeatureShares
from asdcore.detector.listen import Features, Listener, check_changes
from asdcore.detector.verdict import Verdict
from asdcore.errors import DataError
from asdcore.explanation.sounds import HeldSound, recorded_sound


@dataclass(frozen=True)
class HeardClip:
    """A clip that a detector hears again and again.

    Attributes
    ----------
    detector : Detector
        Who hears it.
    sound : Sound
        (n_channels, n_samples).
    facts : AudioFacts
        What it is.
    temporary : Path
        A folder for what is not in memory of a long clip.
    is_long : bool
        Whether it is heard in blocks, to the same bits.
    """

    detector: Detector
    sound: Sound
    facts: AudioFacts
    temporary: Path
    is_long: bool

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self.facts.sample_rate

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.facts.n_samples / self.facts.sample_rate

    def score(
        self, sound: Sound, machine: str | None, section: str | None, system: str, *, if_silent: str = ""
    ) -> Verdict:
        """Score the clip, or other sound in its place.

        Raises DataError as :meth:`Detector.score`; of silent sound it says ``if_silent``, if that is given.
        """
        if self.is_long:
            of_machine = self.detector.known(machine, section).machine
            return self.detector.judge(self._hear(sound, of_machine, if_silent), machine, section, [system])[system]
        audio = sound.read(0, len(sound))
        if if_silent and not audio.any():
            raise DataError(if_silent)
        return self.detector.score(audio, self.sample_rate, machine, section, system=system)

    def feature_shares(self, verdict: Verdict) -> dict[str, FeatureShares]:
        """Divide what the branches of a verdict say of the clip among their features, where that can be."""
        machine, section, branches = verdict.machine, verdict.section, verdict.branches
        if self.is_long:
            return self.detector.divide(self._hear(self.sound, machine), machine, section, branches)
        audio = self.sound.read(0, len(self.sound))
        return self.detector.feature_shares(audio, self.sample_rate, machine, section, branches=branches)

    def _hear(self, sound: Sound, machine: str, if_silent: str = "") -> Callable[[Listener], Features]:
        """Return what hears sound in blocks."""

        def hear(listener: Listener) -> Features:
            facts, features = listener.of_sound(sound, self.facts, machine, self.temporary)
            try:
                check_changes(facts)
            except DataError:
                if if_silent:
                    raise DataError(if_silent) from None
                raise
            return features

        return hear


@contextmanager
def clip_in_memory(detector: Detector, audio: NDArray[np.float32], sample_rate: int) -> Iterator[HeardClip]:
    """Give the clip of an array (n_channels, n_samples)."""
    facts = AudioFacts(len(audio), sample_rate, audio.shape[1], "")
    with TemporaryDirectory(prefix="asdcore-explain-") as temporary:
        yield HeardClip(detector, HeldSound(audio), facts, Path(temporary), audio.nbytes >= LARGE)


@contextmanager
def clip_of_file(detector: Detector, path: Path, sha256: str | None = None) -> Iterator[HeardClip]:
    """Give the clip of a recording. Raises as :func:`asdcore.explanation.sounds.recorded_sound`."""
    with recorded_sound(path, sha256) as (sound, facts), TemporaryDirectory(prefix="asdcore-explain-") as temporary:
        # By its digest some encoders have other features of a recording than of the same with parts replaced.
        facts = replace(facts, sha256="")
        yield HeardClip(detector, sound, facts, Path(temporary), not isinstance(sound, HeldSound))
