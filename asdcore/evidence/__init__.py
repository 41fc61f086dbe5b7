"""Judge results: metrics, intervals, comparisons and choices. Only this room and those above read the ground truth.

labels/             ground truth is read, matched with clips and joined with scores
look                one look at the labels: what was evaluated, and what came of it
ledger              the tamper-evident log of every look, and of the verdicts

roc                 AUC and pAUC of the clips of one machine and section
rules               which cells enter the official score of a year, and how they are averaged
metrics             the official scores of 2020-2026: arrays in, floats out
evaluate            official scores of systems, from their scores and the ground truth
logged_evaluation   the same for a run or score files, with a line in the ledger
trials              means over seeds
unknown_machine     a run evaluated as if the machine of a test clip were unknown
uncertainty/        intervals, and tests of differences
false_alarms/       what thresholds promise, and what came

comparison          every two systems of finished runs, on the same test clips
comparison_results  what a comparison found
trial_comparison    every two systems of trials, seed by seed
selection/          choosing among systems without fooling oneself
criteria            ranks systems without labels
negative_evidence   rejected systems beside those that were kept
imported_results    results from elsewhere, into the ledger
scored_again        scores clips that a finished run has not scored so
data_frames         results as data frames
"""
