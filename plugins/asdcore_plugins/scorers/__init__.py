"""Bundled scorers."""
