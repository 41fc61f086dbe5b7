"""Judge results: metrics, intervals, comparisons and choices. Only this room and those above read the ground truth.

labels/             ground truth is read, matched with clips and joined with scores
look                one look at the labels: what was evaluated, and what came of it
ledger              the tamper-evident log of every look, and of the verdicts

metrics             the official scores of 2020-2026: arrays in, floats out
roc                 AUC and pAUC of the clips of one machine and section
f1_ev               F1-EV of the same: how likely a good threshold is to be found
rules               which cells enter the official score of a year, and how they are averaged
evaluations/        the same of systems, runs, score files and trials
uncertainty/        intervals, and tests of differences
false_alarms/       what thresholds promise, and what came

comparisons/        every two systems, on the same test clips or seeds
selection/          choosing among systems without fooling oneself
negative_evidence   rejected systems beside those that were kept
imported_results    results from elsewhere, into the ledger
scored_again        scores clips that a finished run has not scored so
data_frames         results as data frames
"""
