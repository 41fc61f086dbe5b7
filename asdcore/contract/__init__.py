"""All that a plugin author reads: the Protocols, the hooks, the loader and the conformance checks."""
