"""Evaluates systems, runs, score files and trials: scores and ground truth -> official scores.

evaluate           official scores of systems, from their scores and the ground truth
logged_evaluation  the same for a run or score files, with a line in the ledger
trials             means over seeds
unknown_machine    a run evaluated as if the machine of a test clip were unknown
"""
