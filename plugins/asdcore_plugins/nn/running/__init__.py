"""How a network is run: its layers, its device and memory, long clips in windows, exact arithmetic."""
