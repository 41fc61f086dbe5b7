"""Many machines: chunks of work go to the workers of a Dask cluster, through the seam in :mod:`asdcore.execution`.

connection   an address, or a cluster of this machine, becomes a connection
needs        what a worker must have, written down here
worker       what runs on a worker: first its proof, then one chunk after another
pool         chunks out, results in; lost ones again
errors       what went wrong, in words

Dask is imported here alone, and only if a cluster was asked for. Workers import nothing of this room but ``worker``.
"""
