"""Features in and out: what other programs computed comes in as a table, and what a run computed goes out as one.

vectors.py      reads a table: Parquet, npz or a folder of npy files -> {name or digest: features}
recordings.py   finds the recording of each row
imported.py     import_features: a table becomes a file of the registry, which the encoder "imported" reads
exported.py     export_features: the features of one branch of a run as a table
"""
