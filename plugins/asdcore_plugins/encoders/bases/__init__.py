"""Base classes of encoders.

weightless    without weights, one layer: the tokens of one clip at a time
in_blocks     without weights: a recording is read block by block
two_channels  without weights: the near and the far microphone
hub_folder    spectrograms, and a checkpoint that is a folder of the Hugging Face Hub
"""
