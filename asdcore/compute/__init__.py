"""Does one piece of work: encodes a clip or scores a machine, and records which code did it.

encoding                 a clip -> all features that are asked for: views, resampling, encoders, poolings
requests                 what is asked of a view and an encoder: which layers of which clips, pooled how
built_encoders           builds encoders, each once a process
known_recordings         which recordings an encoder that hears no sound knows
long_clips               encodes a long recording in blocks
held_whole               which recordings are too long for what would hold them as a whole
waveforms                keeps the sound of train clips for a training
resumable_training       keeps a training epoch after epoch, so that a killed one goes on

scoring                  fits one scorer on train normals, and scores the clips of one machine and section
fitted                   keeps a fitted scorer in the store, and brings it back
restoring                gives a component back what it has learnt
aligned_networks         scores by the networks of several folds, on one scale
clip_order               clips and cells as numbers, so that large tables sort fast

clip_by_clip             calibration, fusion and guards for each test clip alone: others must have no effect
stateless                views and encoders must remember no other clips: a clip is encoded again after others
checked_outputs          what components return must be real numbers, one finite value for each clip
recordings_out_of_reach  parameters must not tell a component where the recordings lie

recipes                  the code, parameters and libraries that determine a result
code_in_use              a process must run the code that its result is named after
kernels                  which code numerical libraries choose on this processor
threads                  limits libraries to one thread, so that sums do not depend on how many there are
freed_memory             keeps freed memory in the process
relayed_progress         progress of worker processes, shown by the run's own
"""
