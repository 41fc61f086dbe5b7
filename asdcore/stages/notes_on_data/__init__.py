"""Notes what a person should know of the data before a run begins.

notes              how a data set was read, and what of it is unusual
audio_not_heard    the note on audio that encoders do not hear, since clips are too long
audio_above        the note on sound above what encoders hear, since recordings have a higher sample rate
audio_empty_bands  the note on bands without sound, since recordings have too low a sample rate
"""
