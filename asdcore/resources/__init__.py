"""Look up, fetch and check external resources: checkpoints and datasets in the registry."""
