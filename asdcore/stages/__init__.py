"""The stages of a run, one file each: listing, train, embed, score, calibrate, fuse, decide.

A stage turns one table into the next; stages share tables, never imports. Parts of a stage are named after it:
``score_jobs`` lists what there is to score, and ``score_new`` scores new clips by the scorers of a frozen run.
``notes`` and ``audio_not_heard`` compute no table: they say what a person should know before the first stage begins.
``audio_empty_bands`` says its part of it.
"""
