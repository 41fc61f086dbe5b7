"""Writes and reads files on disks that fill, go away, or are shared.

atomic            writes a file beside its place, then renames it: a kill leaves it whole or absent
exclusive_folder  one writing process at a time
lock_holder       who holds a folder, for other hosts too
file_locks        locks that end with their process
lost_disk         tells a disk that has gone from a damaged file
shared_disk       looks twice at a disk that several machines share
zips              reads damaged zips safely, and writes zips that are always the same
"""
