"""Check a portfolio before it runs: its cost, and what its views do to faults."""
