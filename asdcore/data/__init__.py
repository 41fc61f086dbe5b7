"""Sound on disk -> arrays."""
