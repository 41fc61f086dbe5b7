"""What the one inference on evaluation recordings checks, scores and notes.

evaluation_recordings  compares evaluation recordings with the frozen ones: names, channels, sample rates
reading_jobs           plans the reading of test clips, once imported features are sure to know them
inference_inputs       leaves out of a verification what an inference does not need
bit_checks             proves that this machine computes what was frozen
output_folder          checks the folder that an inference writes to
evaluation_scores      scores evaluation clips by the frozen scorers
inference_notes        notes: what no manifest vouches for
"""
