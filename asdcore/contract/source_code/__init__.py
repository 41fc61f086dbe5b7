"""Which files are a plugin's source, found without running any of it: they are hashed, pinned and compared.

files          which files are the source of a plugin
plugin_files   follows what a plugin imports and reads
imports        what one source file mentions
modules        the file of a module, and its distribution
folder_files   all files of a folder, without what tools leave there
loading_times  since when this process may have loaded a file
"""
