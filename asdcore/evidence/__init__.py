"""Evidence: metrics, intervals, comparisons, honest selection. Only this room and those above read the ground truth.

labels        ground truth is read, matched with clips and joined with scores
metrics       roc, rules, evaluate: the official scores of a year; trials: their means over seeds
uncertainty   intervals, and tests of differences
false_alarms  what thresholds promise, and what came
selection     choosing among systems without fooling oneself
ledger        the log of every look at the labels
"""
