"""One machine and section with several baselines: a clip is anomalous only if each of them says so.

Each baseline judges by its own scorers, calibration and threshold, all of them learnt from its own normals. The clip
gets the verdict of the baseline that it exceeds least, by score minus threshold.

Why not one bank of all normals, with one threshold: few normals after maintenance would be a minority in it, all false
alarms could fall on them, and the promised rate would still hold on average. With a threshold for each baseline, normal
sound of any one of them exceeds its own threshold no more often than was promised, and is an alarm no more often than
that. The price is that a fault that sounds as the machine once did is not heard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from asdcore.data.clip_index.recording_kind import RecordingKind
from asdcore.detector.listen import Features
from asdcore.detector.machine import FrozenMachine, OfOneKind
from asdcore.detector.verdict import Verdict
from asdcore.portfolio import Decision

Margins = Mapping[str, Mapping[str, float]]
"""{system: {audio digest: score minus threshold}}."""


class Baselines(OfOneKind):
    """What is known of a machine by several baselines; it is asked as :class:`FrozenMachine` is.

    Scores are moved to the threshold of the newest baseline: score - own threshold + newest threshold.

    Parameters
    ----------
    baselines : sequence of FrozenMachine
        The machine by every baseline, the oldest first.
    margins : Margins
        What the baselines before the newest one say of its train normals.
    """

    def __init__(self, baselines: Sequence[FrozenMachine], margins: Margins) -> None:
        self._baselines, self._margins, self._newest = list(baselines), margins, baselines[-1]
        self.machine, self.section = self._newest.machine, self._newest.section

    @property
    def kind(self) -> RecordingKind:
        """What the train clips are, which is the same for all: another is no baseline beside the earlier ones."""
        return self._newest.kind

    @property
    def levels(self) -> list[dict[str, Any]]:
        """How loud the train normals of each baseline are: as :func:`asdcore.data.clip_index.levels.levels_of`."""
        return [row for baseline in self._baselines for row in baseline.levels]

    @property
    def seconds(self) -> float:
        """How long the shortest train clip is, by the baseline whose shortest is longest."""
        return max(baseline.seconds for baseline in self._baselines)

    @property
    def sha256(self) -> dict[str, str]:
        """{train normal: the SHA-256 of its recording}, of all baselines."""
        return {clip: sha256 for baseline in self._baselines for clip, sha256 in baseline.sha256.items()}

    @property
    def sounds(self) -> dict[str, str]:
        """{digest of a sound: the train normal that sounds so}, of all baselines."""
        return {sound: clip for baseline in self._baselines for sound, clip in baseline.sounds.items()}

    def normals(self, system: str) -> pl.DataFrame:
        """Return the newest baseline's train normals: clip, score, and the group that was left out with it.

        A score is what all baselines together say, so an unchanged machine can be compared with it. The older baselines
        had not learnt these clips.
        """
        threshold, margins, digests = self.threshold(system), self._margins[system], self._newest.sha256
        rows = self._newest.normals(system)
        earlier = pl.Series([margins[digests[clip]] for clip in rows["clip"]], dtype=pl.Float64)
        return rows.with_columns(score=threshold + pl.min_horizontal(pl.col("score") - threshold, earlier))

    def threshold(self, system: str) -> float:
        """Return the threshold of a system, that of the newest baseline."""
        return self._newest.threshold(system)

    def limit(self, system: str, decision: Decision) -> float:
        """Return the threshold by another rule that every baseline needs; raises as `FrozenMachine.limit`."""
        return max(baseline.limit(system, decision) + self._moved(baseline, system) for baseline in self._baselines)

    def rate_above(self, system: str, threshold: float) -> float:
        """Return the largest share of train normals above a threshold, of all baselines."""
        return max(
            baseline.rate_above(system, threshold - self._moved(baseline, system)) for baseline in self._baselines
        )

    def groups(self, system: str) -> int:
        """Return the number of groups of train normals of the baseline that has the fewest."""
        return min(baseline.groups(system) for baseline in self._baselines)

    def verdicts(self, features: Features, systems: list[str]) -> dict[str, Verdict]:
        """Return what some systems say of one clip."""
        by_baseline = [baseline.verdicts(features, systems) for baseline in self._baselines]
        return {name: self._joined([verdicts[name] for verdicts in by_baseline]) for name in systems}

    def _joined(self, verdicts: list[Verdict]) -> Verdict:
        """Return the verdict of the baseline that a clip exceeds least, the newest of equals."""
        nearest = min(reversed(verdicts), key=lambda verdict: verdict.score - verdict.threshold)
        threshold = verdicts[-1].threshold
        further = threshold - nearest.threshold
        moved, usual = nearest.score + further, nearest.usual + further
        likeliest = max(verdict.p_value for verdict in verdicts)
        return replace(
            nearest, score=moved, usual=usual, threshold=threshold, p_value=likeliest, anomalous=moved > threshold
        )

    def _moved(self, baseline: FrozenMachine, system: str) -> float:
        return self.threshold(system) - baseline.threshold(system)


KnownMachine = FrozenMachine | Baselines
"""What a detector knows of one machine and section."""
