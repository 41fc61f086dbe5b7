"""A run made again under exchanged names, to see from outside that no test clip taught it anything."""
