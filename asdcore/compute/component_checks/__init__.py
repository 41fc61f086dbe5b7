"""Holds components to their contract while they work.

clip_by_clip             calibration, fusion and guards for each test clip alone: others must have no effect
checked_outputs          what components return must be real numbers, one finite value for each clip
recordings_out_of_reach  parameters must not tell a component where the recordings lie
"""
