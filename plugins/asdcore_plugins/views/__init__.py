"""Bundled views."""
