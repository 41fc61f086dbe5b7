"""What a number is worth: intervals for cells and official scores, differences between systems, and their error.

    sure = intervals(table, 2026)                # table: see asdcore.evidence.scores_with_truth
    sure.official["A"]["bca"]                    # Interval(estimate, low, high, method, level)
    for one in differences(table, 2026):
        print(one.sentence)

``intervals`` and ``differences`` resample clips within machine, section, domain and label: they say what other test
clips of the same machines would give. ``Uncertainty.machines`` says what other machines would. ``delong`` needs no
resampling, but knows single AUCs alone.

The official evaluators print an ``official score ci95`` that is no interval of the official score: it pools the scores
of all machines and divides the jackknife's sum where it should multiply, and is narrower by a factor of about the
number of clips. It is not reproduced here.
"""

from __future__ import annotations

from asdcore.evidence.uncertainty.bootstrap import Uncertainty, intervals
from asdcore.evidence.uncertainty.delong import delong, delong_difference
from asdcore.evidence.uncertainty.interval import Interval
from asdcore.evidence.uncertainty.paired import Difference, differences

__all__ = ["Difference", "Interval", "Uncertainty", "delong", "delong_difference", "differences", "intervals"]
