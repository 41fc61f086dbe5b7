"""Rates of false positives of one machine, system and domain: what calibrations promise, and what labels show."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

DISAGREE = 2.0
"""Leave-one-out disagrees if it gives at least so many times the nominal rate, and its interval lies above that."""

ADVICE = 'Leave them out together: [out_of_fold] by = "auto" in the portfolio.'

FEWEST = 5
"""Fewest groups of a domain for a statement: with only two, leaving one out leaves a clip few others like it."""


@dataclass(frozen=True)
class Rates:
    """False positives of one machine, section, system and domain, as shares of train normals and of test normals.

    Attributes
    ----------
    machine, section, system, domain : str
        What the rates belong to.
    normals, groups : int
        Train normals, and the groups (such as recordings) they come in.
    nominal : float
        The rate that the decision rule aims at.
    one_by_one : float
        The share of leave-one-out scores above the threshold of leave-one-out.
    new : float
        The share above that threshold of train normals scored without their groups, as new clips are.
    ci95 : (float, float)
        The interval of ``new``. It counts the independent clips that these clips are worth.
    by_group : float
        The share above the run's own threshold.
    came, came_one_by_one : float or None
        The shares of labelled test normals above the run's threshold, and above that of leave-one-out; None without
        labels.
    by_clip : bool
        Whether the run itself left train normals out alone. Then ``one_by_one`` and ``came`` refer to its own
        threshold, and ``by_group`` to the one that ``by = "auto"`` would set (the plain quantile).

    """

    machine: str
    section: str
    system: str
    domain: str
    normals: int
    groups: int
    nominal: float
    one_by_one: float
    new: float
    ci95: tuple[float, float]
    by_group: float
    came: float | None = None
    came_one_by_one: float | None = None
    by_clip: bool = False

    @property
    def enough(self) -> bool:
        """Whether there are enough groups to tell what leave-one-out gives."""
        return self.groups >= FEWEST

    @property
    def disagree(self) -> bool:
        """Whether leave-one-out gives clearly more false positives than it promises."""
        return self.enough and self.ci95[0] > self.nominal and self.new >= DISAGREE * self.nominal

    @property
    def sentence(self) -> str:
        """What each kind of calibration promises, in one sentence."""
        where = f"{self.system}, {self.machine} section {self.section}, {self.domain}"
        came = (
            ""
            if self.came_one_by_one is None
            else f"; of the labelled test normals {_percent(self.came_one_by_one)} lie above its threshold"
        )
        if not self.enough:
            return (
                f"{where}: {self.normals} clips in {self.groups} group{'s' * (self.groups > 1)} are too few to tell "
                f"what leave-one-out would give{came}."
            )
        if not self.disagree:
            return (
                f"{where}: leave-one-out would promise {_percent(self.nominal)} and give about {_percent(self.new)}"
                f"{came}."
            )
        if self.by_clip:
            return (
                f"{where}: neighbouring clips are near-duplicates: this run's leave-one-out promises "
                f"{_percent(self.nominal)} and would give {_percent(self.new)}{came}. {ADVICE}"
            )
        return (
            f"{where}: neighbouring clips are near-duplicates: leave-one-out would promise {_percent(self.nominal)} "
            f"and give {_percent(self.new)}{came}."
        )

    def as_json(self) -> dict[str, Any]:
        """Return the rates as plain numbers."""
        return {
            **asdict(self),
            "ci95": list(self.ci95),
            "enough": self.enough,
            "disagree": self.disagree,
            "sentence": self.sentence,
        }


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
