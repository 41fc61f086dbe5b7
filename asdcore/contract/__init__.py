"""What a plugin is: the Protocols it satisfies, the hooks it registers by, the loader, and which files are its source."""
