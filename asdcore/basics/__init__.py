"""Small parts that any module may use: numbers as text, JSON and TOML from elsewhere, paths as given.

paths            paths as a person gives them
parse            JSON and TOML that somebody else may have written
recording_parts  names of parts of a recording: a stretch of time, or one channel
table_files      Parquet and CSV by the very names of files: polars takes ~ and [1] for more
spreadsheets     tables of text that a person made
digits           numbers for people: a few decimals, and never 0 for a number that is not 0
durations        how long sound is, for people
cores            how many processor cores this process may use
rounding         rounds values of tables, so that last bits that differ between processors go no further
"""
