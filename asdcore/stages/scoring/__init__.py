"""Turns features into scores of each branch.

score       features -> scores of each branch
score_jobs  lists the machines, sections and branches to score
score_new   scores new clips by the scorers of a frozen run
"""
