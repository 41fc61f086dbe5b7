"""Read and write run folders: the tables of a finished run, and its record ``run.json``."""
