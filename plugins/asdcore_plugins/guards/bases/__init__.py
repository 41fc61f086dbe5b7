"""Base classes of guards."""
