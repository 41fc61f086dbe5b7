"""What a detector says of one clip."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Nearest:
    """The train normal nearest to a clip, by the features of one branch.

    Attributes
    ----------
    clip : str
        Its name.
    distance : float
        How far it is, in the metric of the branch's scorer.
    """

    clip: str
    distance: float


@dataclass(frozen=True)
class BranchShare:
    """What one branch says of a clip, and how much it moves the system's score.

    Attributes
    ----------
    z : float
        The branch's score on the scale of its train normals; of a mirror the mean over its models.
    share : float
        What the branch adds to the fused score, against the median of its train normals
        (:mod:`asdcore.detector.contributions`).
    nearest : Nearest or None
        The nearest train normal; None if the branch's scorer compares no distances.
    """

    z: float
    share: float
    nearest: Nearest | None = None


@dataclass(frozen=True)
class Verdict:
    """The score of one clip by one system, and what it rests on.

    Attributes
    ----------
    machine, section, system : str
        What was asked for.
    score : float
        The system's anomaly score: larger is more anomalous.
    p_value : float
        (1 + how many train normals score at least as high) / (1 + how many there are).
    threshold : float
        The threshold of the machine and section.
    anomalous : bool
        Whether the score is above the threshold.
    branches : dict of str to BranchShare
        The branches that the system fuses.
    guards : dict of str to float
        What each guard takes off the score, as a number of at most 0.
    usual : float
        The fused score if every branch has the median of its train normals. With the shares of all branches and guards
        it adds up to the score, but for the rounding of the score.

    Examples
    --------
    >>> manifest = asdcore.freeze("runs/first", "first.json")
    >>> detector = asdcore.load_detector(asdcore.export("first.json", "first.asd"))
    >>> noise = np.random.default_rng(0).normal(scale=0.1, size=(2, 160000)).astype(np.float32)
    >>> verdict = detector.score(noise, 16000, "SynFan")
    >>> list(verdict.branches), verdict.guards
    (['near_knn'], {})
    >>> verdict.p_value  # of 50 train normals none scores as high
    0.0196...
    >>> parts = [verdict.usual, *(branch.share for branch in verdict.branches.values()), *verdict.guards.values()]
    >>> abs(sum(parts) - verdict.score) < 1e-6 * verdict.score
    True
    """

    machine: str
    section: str
    system: str
    score: float
    p_value: float
    threshold: float
    anomalous: bool
    branches: dict[str, BranchShare]
    guards: dict[str, float]
    usual: float = 0.0

    @property
    def nearest(self) -> Nearest | None:
        """The nearest train normal, by the branch with the largest share of those that compare distances."""
        near = [branch for branch in self.branches.values() if branch.nearest is not None]
        return max(near, key=lambda branch: branch.share).nearest if near else None

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON value."""
        return asdict(self)
