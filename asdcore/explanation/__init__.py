"""Why a clip has its score: which branches, bands and seconds raise it.

band_shares      what each band adds to the score of a branch that is a sum over them: exactly
explain          a clip of a detector -> its explanation
sound_parts      a clip with parts of its sound replaced, to be scored again
explanation      what is said of the score
explained_file   the same of a file, by a detector's file or the folder of a run
picture          draws an explanation
"""
