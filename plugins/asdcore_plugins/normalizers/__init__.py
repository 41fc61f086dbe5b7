"""Bundled normalizers."""
