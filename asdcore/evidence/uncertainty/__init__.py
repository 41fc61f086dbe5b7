"""Intervals for cells and official scores, and tests of the differences between systems.

interval        intervals around an estimate, from resampled values
student         Student's t distribution
resample        draws the weights of clips: bootstrap, clips left out, systems swapped
section_arrays  the joined table as arrays, section by section
curves          AUC and pAUC for many weightings of the same clips
bootstrap       intervals of every cell and official score
few_clips       notes the cells of so few clips that their intervals are too narrow
paired          tests the difference of two systems
trial_pairs     the same over trials and clips at once
delong          intervals of AUCs in closed form

    uncertainty = intervals(table, 2026)         # table: see asdcore.evidence.labels.scores_with_truth
    uncertainty.official["A"]["bca"]             # Interval(estimate, low, high, method, level)
    for difference in differences(table, 2026):
        print(difference.sentence)

``intervals`` and ``differences`` resample clips within machine, section, domain and label: they show what other test
clips of the same machines would give. ``Uncertainty.machines`` shows what other machines would give. ``delong`` needs
no resampling, but covers single AUCs only.

The official evaluators print an ``official score ci95`` that does not cover the official score: it pools the scores of
all machines, divides the jackknife's sum instead of multiplying it, and is too narrow by a factor of about the number
of clips. It is not reproduced here.
"""

from __future__ import annotations

from asdcore.evidence.uncertainty.bootstrap import Uncertainty, intervals
from asdcore.evidence.uncertainty.delong import delong, delong_difference
from asdcore.evidence.uncertainty.interval import Interval
from asdcore.evidence.uncertainty.paired import Difference, differences, intervals_below

__all__ = [
    "Difference",
    "Interval",
    "Uncertainty",
    "delong",
    "delong_difference",
    "differences",
    "intervals",
    "intervals_below",
]
