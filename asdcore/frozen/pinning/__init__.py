"""What a freeze pins, and what it refuses to pin.

pinnable         hashes the files that a freeze pins; refuses those that have changed since the run
hashing          the SHA-256 of many files, each read once
complete_tables  a run's tables must have a row for every clip, branch and system
recording_names  lists the recordings below a folder
unchanged_code   code, plugins and libraries must be those that made the run
resources        the checkpoints and modules that a portfolio reads
stored_parts     the features and fitted states that a run took from its store
clips_by_sound   which machines have which sound, in little memory
left_out_groups  how train normals were split to be scored out of fold
environment      Python, packages, processor, linear algebra
packages         the packages that some code imports, and what these need
score_packages   the packages that the scores of a detector need
"""
