"""Fits a scorer on train normals, keeps what it has learnt, and scores the clips of one machine and section.

scoring           fits one scorer on train normals, and scores the clips of one machine and section
fitted            keeps a fitted scorer in the store, and brings it back
restoring         gives a component back what it has learnt
aligned_networks  scores by the networks of several folds, on one scale
clip_order        clips and cells as numbers, so that large tables sort fast
"""
