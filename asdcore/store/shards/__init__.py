"""Finds and reads shards, the files that features lie in.

shard_names  which shard of features holds which clip
shard_index  the same, kept in a file
even_shards  reads a shard whose features have one shape at once
"""
