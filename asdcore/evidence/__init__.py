"""Evidence: metrics, intervals, comparisons and honest selection. The only room that may read the ground truth."""
