"""The stages of a run: listing, train, embed, score, calibrate, fuse, decide.

listing         data set -> clip index
training/       train normals -> trained encoders
embedding/      clip index -> features
scoring/        features -> scores of each branch
calibrate       scores -> z, each branch on the scale of its train normals
calibrate_rows  lays out the rows that it reads
fuse            z -> scores of systems: transforms, weights, guards
fuse_rows       lays out the rows that it reads
decide          scores -> thresholds and decisions

about           what ``run.json`` says of a run
notes_on_data/  what a person should know of the data before a run begins

A stage imports no other stage. Its own parts are named after it: ``score_jobs`` and ``score_new`` belong to ``score``.
"""
