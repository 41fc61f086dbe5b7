"""The stages of a run, one file each: listing, train, embed, score, calibrate, fuse, decide.

listing            data set -> clip index
train              train normals -> trained encoders
train_jobs         lists the networks to train
train_all          trains those that the store lacks
embed              clip index -> features
embed_jobs         lists the chunks of clips to embed
embed_ahead        does work a few steps ahead
embed_held_whole   refuses recordings that would be held in memory as a whole and are too long
score              features -> scores of each branch
score_jobs         lists the machines, sections and branches to score
score_new          scores new clips by the scorers of a frozen run
calibrate          scores -> z, each branch on the scale of its train normals
calibrate_rows     lays out the rows that it reads
fuse               z -> scores of systems: transforms, weights, guards
fuse_rows          lays out the rows that it reads
decide             scores -> thresholds and decisions

about              what ``run.json`` says of a run
notes              what a person should know before a run begins
audio_not_heard    the note on audio that encoders do not hear, since clips are too long
audio_above        the note on sound above what encoders hear, since recordings have a higher sample rate
audio_empty_bands  the note on bands without sound, since recordings have too low a sample rate

A stage imports no other stage. Its own parts are named after it: ``score_jobs`` and ``score_new`` belong to ``score``.
"""
