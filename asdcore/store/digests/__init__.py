"""Digests of recipes and contents, and what must have the same bytes whenever it is written.

digest       digests of recipes and of contents
canonical    JSON that always has the same bytes
sealed_json  files sealed with their own digest
own_files    recognizes files that asdcore wrote: only those are written over
hash_chain   a log in which each line has the digest of all before it
"""
