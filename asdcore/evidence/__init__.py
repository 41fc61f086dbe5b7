"""Evidence: metrics, intervals, comparisons and honest selection. Only this room and rooms above read the ground truth."""
