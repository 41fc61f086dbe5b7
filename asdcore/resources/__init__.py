"""External resources: what the registry says of checkpoints and datasets, and how they are fetched and checked."""
