"""What readers of one family of folder layouts share.

dcase_names    what the names of DCASE Task 2 clips say, 2020 to 2026
dcase_columns  the same of many clips at once
folders        folders of one's own recordings
own_names      words for split, domain and label
table_parts    columns that say which part of a file a clip is
"""
