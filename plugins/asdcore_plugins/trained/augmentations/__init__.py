"""Augmentations: a file each, built by name with ``by_name.build_augmentation``."""
