"""Evidence: metrics, intervals, comparisons, honest selection. Only this room and those above read the ground truth."""
