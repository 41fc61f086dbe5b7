"""Keep tables and computed artifacts on disk: written whole or not at all, checked by digest, named by content.

tables          the schema of every table; writes and reads them as Parquet
ordered_tables  reads a large table a portion at a time
cache           the store: features and other artifacts, each named by the digest of its recipe
shards/         which shard of features holds which clip, and how a shard is read
fitted_state    what a component has learnt, as safetensors and JSON
arrays_on_disk  float32 arrays in a file that need not fit into memory, by the bytes of a fitted state
finished_folds  finished folds of a chunk of scores, so that a killed run resumes after them
score_chunks    a chunk of scores must have one for every clip


disk/           files written whole or not at all, locks, disks that go, zips
digests/        digests, and what they need: JSON that always has the same bytes, sealed files, a chained log
"""
