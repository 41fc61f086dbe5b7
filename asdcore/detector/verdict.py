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
        By how much the fused score is higher than if this branch had its train normals' median.
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

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON value."""
        return asdict(self)
