"""The checks of each kind of plugin.

dataset     checks of dataset readers
view        checks of views
encoder     checks of encoders
scorer      checks of scorers
normalizer  checks of normalizers
guard       checks of guards
"""
