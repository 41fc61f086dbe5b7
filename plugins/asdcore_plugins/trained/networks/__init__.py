"""Networks that make an embedding of a waveform, and what they are built of."""
