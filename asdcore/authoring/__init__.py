"""For plugin authors: the scaffold of a new plugin, and the checks that a plugin must pass."""
