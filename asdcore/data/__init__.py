"""Data: the clip index, decoding sound into arrays, pooling, distances, and synthetic sets.

clips              makes and checks the clip index
index_file         a table of recordings, for a person to fill in
index_problems     what is wrong with a clip index
remarks            what a user should read about a clip index, though it is no error
noticed            what is noticed of recordings while they are listed
recording_columns  checks the columns ``order`` and ``recording``
recording_kind     what recordings of one machine have in common
remembered_facts   remembers recordings, so that only changed ones are read again
differing_clips    picks a few train clips that differ
windows            cuts recordings into windows, which are then the clips

audio              decodes, resamples and hashes recordings
formats/           the files that loggers write
wav                checks the header of a wav
sound_part         a part of an open sound file, read as a file of its own
file_content       the bytes of a sound file
sample_rates       the sample rates that a recording may have
sound_digest       the digest of what a recording sounds like
same_sound         which clips are copies, in whatever file
still_channels     channels that have one value throughout

pooling            tokens -> features, one vector for each clip
pooling_blocks     the same for a long recording, in blocks
pooled_bands       which features belong to which band and time
exact_features     rounds features of exact encoders to 16 bits
distances          one distance matrix for all scorers of a feature set
distances_as_onnx  distances as ONNX
distance_shares    divides a distance among features

synth/             synthesizes data sets
"""
