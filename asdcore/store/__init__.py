"""Keep tables and computed artifacts on disk: written whole or not at all, checked by digest, named by content.

tables            the schema of every table; writes and reads them as Parquet
ordered_tables    reads a large table a portion at a time
cache             the store: features and other artifacts, each named by the digest of its recipe
shard_names       which shard of features holds which clip
shard_index       the same, kept in a file
even_shards       reads a shard whose features have one shape at once
fitted_state      what a component has learnt, as safetensors and JSON
finished_folds    finished folds of a chunk of scores, so that a killed run resumes after them
score_chunks      a chunk of scores must have one for every clip

atomic            writes a file beside its place, then renames it: a kill leaves it whole or absent
own_files         recognizes files that asdcore wrote: only those are written over
exclusive_folder  one writing process at a time
file_locks        locks that end with their process
lost_disk         tells a disk that has gone from a damaged file
shared_disk       looks twice at a disk that several machines share

digest            digests of recipes and of contents
canonical         JSON that always has the same bytes
sealed_json       files sealed with their own digest
hash_chain        a log in which each line has the digest of all before it
zips              reads damaged zips safely, and writes zips that are always the same
"""
