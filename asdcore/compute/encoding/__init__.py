"""Encodes clips: views, resampling, encoders and poolings, in this order.

encoding          a clip -> all features that are asked for
requests          what is asked of a view and an encoder: which layers of which clips, pooled how
built_encoders    builds encoders, each once a process
known_recordings  which recordings an encoder that hears no sound knows
long_clips        encodes a long recording in blocks
spooled_sound     a long waveform in a temporary file, of which parts are read
held_whole        which recordings are too long for what would hold them as a whole
stateless         views and encoders must remember no other clips: a clip is encoded again after others
"""
