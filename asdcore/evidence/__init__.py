"""Judge results: metrics, intervals, comparisons and choices. Only this room and those above read the ground truth.

labels/             ground truth is read, matched with clips and joined with scores
look                one look at the labels: what was evaluated, and what came of it
ledger              the tamper-evident log of every look, and of the verdicts

official_scores/    AUC, pAUC and the official scores by year, of arrays
evaluations/        the same of systems, runs, score files and trials
uncertainty/        intervals, and tests of differences
false_alarms/       what thresholds promise, and what came

comparisons/        every two systems, on the same test clips or seeds
selection/          choosing among systems without fooling oneself
negative_evidence   rejected systems beside those that were kept
imported_results    results from elsewhere, into the ledger
scored_again        scores clips that a finished run has not scored so
data_frames         results as data frames
metrics             the old import path of official_scores.metrics, kept for scripts
"""
