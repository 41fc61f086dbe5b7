"""Bundled guards."""
