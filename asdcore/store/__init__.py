"""What is kept, and under which name."""
