"""Data: the clip index, decoding sound into arrays, pooling, distances, and synthetic sets."""
