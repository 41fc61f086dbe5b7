"""What a freeze pins, and what it refuses to pin."""
