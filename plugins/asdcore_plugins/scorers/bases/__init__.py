"""Base classes of scorers, each with what the scorers that build on it share."""
