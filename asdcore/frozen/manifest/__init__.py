"""What a manifest is: a sealed statement of everything a frozen run rests on, with the place of each thing here.

statement         reads and writes a manifest, sealed with its own digest
predicate_schema  the keys that a manifest must have
subject           one pinned artifact: name, size, digests
shards            the recordings of a large manifest, in files beside it
sharded_subjects  subjects that are read from shards when they are asked for
locations         finds the pinned artifacts on this machine
lineage           what each artifact was made from, and what a change affects
destination       checks that a manifest may be written to a path
signing           signs a manifest, and checks a signature
"""
