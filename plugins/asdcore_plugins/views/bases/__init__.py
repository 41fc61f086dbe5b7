"""Base classes of views."""
