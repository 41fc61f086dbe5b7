"""Many machines: chunks of work go to the workers of a Dask cluster, through the seam in :mod:`asdcore.execution`.

connection      an address, or a cluster of this machine, becomes a connection
local           starts a Dask cluster on this machine
needs           what a worker must have: the same code, libraries, store and recordings
framework_code  loads all code of asdcore that a result may depend on, and says which it was
worker          what runs on a worker: first its proof, then one chunk after another
pool            chunks out, results in; lost chunks out again
errors          what went wrong, in words

Dask is imported in this room alone, and only if a cluster was asked for. Of this room, a worker imports ``worker``,
``needs`` and ``framework_code`` alone.
"""
