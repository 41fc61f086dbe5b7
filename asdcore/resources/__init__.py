"""Look up, fetch and check external resources: checkpoints and datasets in the registry.

entries           the schema of an entry: one TOML file for each checkpoint or dataset
registry          reads entries, finds their files, and checks a checkpoint's hash
add               adds a local file or folder
checkpoint_files  all files of a checkpoint
downloads         downloads files; keeps only those with the recorded hash
archives          downloads and unpacks datasets
"""
