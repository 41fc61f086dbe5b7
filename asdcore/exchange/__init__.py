"""Features in and out: what other programs computed comes in as a table, and what a run computed goes out as one.

vectors       reads a table: Parquet, npz or a folder of npy files -> {name or digest: features}
part_columns  names the part of a recording that a row is of, from its columns
recordings    finds the recording of each row
imported      import_features: a table becomes a file of the registry, which the encoder "imported" reads
exported      export_features: a copy of the features of one branch, for other programs

A run keeps its own features elsewhere: in the store, by :mod:`asdcore.store.cache`.
"""
