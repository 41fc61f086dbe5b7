"""Freeze a run in a manifest, verify it, and run the one inference on evaluation data."""
