"""Data: the clip index, decoding sound into arrays, pooling, distances, and synthetic sets.

clip_index/   lists the recordings of a data set, checks the list, finds copies, and cuts recordings into windows
recordings/   reads recordings: sound files to arrays, digests of sound, dead channels
formats/      the files that loggers write
sample_rates  the sample rates that a recording may have
features/     tokens -> features by pooling, and distances between features
synth/        synthesizes data sets
"""
