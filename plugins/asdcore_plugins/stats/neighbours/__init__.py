"""The nearest train normals of a clip: measured exactly, searched in a large bank, or with some of them left out."""
