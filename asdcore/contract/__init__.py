"""What a plugin is: the Protocols, the hooks, the loader, and which files are a plugin's source."""
