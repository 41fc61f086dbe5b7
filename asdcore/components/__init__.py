"""Build components by name, and read the checkpoints and files that their parameters name."""
