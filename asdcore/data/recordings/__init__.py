"""Reads recordings: sound files to arrays and digests, whole or in part.

audio           decodes, resamples and hashes recordings
wav             checks the header of a wav
sound_part      a part of an open sound file, read as a file of its own
file_content    the bytes of a sound file
sample_rates    the sample rates that a recording may have
sound_digest    the digest of what a recording sounds like
same_sound      which clips are copies, in whatever file
still_channels  channels that have one value throughout
"""
