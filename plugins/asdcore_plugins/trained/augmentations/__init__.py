"""Augmentations of a training, a file each.

by_name       the table of names: build_augmentation
augmentation  the base class ``Augmentation``
mixup         blends of two samples
statex        the statistics of another spectrogram
noise         white noise is added
speed         played faster or slower
pitch         higher or lower, and as long as before
specaug       a stretch of time and one of frequency fall silent
featex        branches of embeddings change places
"""
