"""Base classes of encoders."""
