"""Losses: a small file each, built by name with :func:`~asdcore_plugins.trained.losses.by_name.build_loss`."""
