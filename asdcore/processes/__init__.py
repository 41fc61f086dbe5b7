"""What a process is doing, and how it ends."""
