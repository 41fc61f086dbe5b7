"""Lists the recordings of a data set: the clip index, its checks, and what is noticed on the way.

clips              makes and checks the clip index
index_file         a table of recordings, for a person to fill in
index_problems     what is wrong with a clip index
remarks            what a user should read about a clip index, though it is no error
noticed            what is noticed of recordings while they are listed
recording_columns  checks the columns ``order`` and ``recording``
levels             which recordings have another gain than train normals
recording_kind     what recordings of one machine have in common
remembered_facts   remembers recordings, so that only changed ones are read again
same_sound         which clips are copies, in whatever file
differing_clips    picks a few train clips that differ
windows            cuts recordings into windows, which are then the clips
"""
