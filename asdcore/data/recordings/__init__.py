"""Reads recordings: sound files to arrays and digests, whole or in part.

audio           decodes, resamples and hashes recordings
wav             checks the header of a wav
sound_part      a part of an open sound file, read as a file of its own
file_content    the bytes of a sound file
sound_digest    the digest of what a recording sounds like
still_channels  channels that have one value throughout
loudness        how loud a recording is
noticed_sound   what of these is noticed while a recording is read
"""
