"""Keep tables and computed artifacts on disk: atomic, checked by digest, named by content."""
