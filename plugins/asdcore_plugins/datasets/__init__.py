"""Bundled readers of data sets: a folder -> clips.

dcase   the data sets of DCASE Task 2
folder  folders of one's own recordings
table   recordings that a table lists
bases/  what readers of one family share
"""
