"""Why a clip has its score: which branches, bands and seconds raise it.

explain         a clip of a detector -> its explanation
explained_file  the same of a file, by a detector's file or the folder of a run
explanation     what is said of the score
clip            what is explained: its sound, and what a detector says of it, in memory or in blocks
nearest         the train normal that sounds most alike
in_short        the same in one line: the band and the seconds that stand out
band_shares     what each band adds to the score of a branch that is a sum over them: exactly
sound_parts     a clip with parts of its sound replaced, to be scored again
sounds          sound of which stretches are read
spectra         short-time spectra of sound of any length
medians         medians over time of what does not fit into memory
picture         draws an explanation
"""
