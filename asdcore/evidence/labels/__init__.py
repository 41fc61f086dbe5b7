"""Where ground truth is read, matched with clips and joined with scores. Nothing else opens a label."""
