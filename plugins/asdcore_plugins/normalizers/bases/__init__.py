"""Base classes of normalizers, each with what the normalizers that build on it share."""
