"""Computes official scores: of arrays, of runs, and of trials.

roc                AUC and pAUC of the clips of one machine and section
rules              which cells enter the official score of a year, and how they are averaged
metrics            the official scores of 2020-2026: arrays in, floats out
evaluate           official scores of systems, from their scores and the ground truth
logged_evaluation  the same for a run or score files, with a line in the ledger
trials             means over seeds
unknown_machine    a run evaluated as if the machine of a test clip were unknown
"""
