"""Read and write run folders: the tables of a finished run, and its record ``run.json``.

folder    reads a run folder
portions  reads large tables a portion of clips at a time
record    the schema of ``run.json``
several   opens several runs that are used together
trials    runs of one portfolio with several seeds
called    what a finished run calls anomalous
sounds    digests of the sound of a run's recordings
writing   writes a run folder, and refuses to write over files that no run wrote
"""
