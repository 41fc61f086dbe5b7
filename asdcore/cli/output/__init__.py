"""Prints results, for people and for programs.

terminal  results as aligned columns
results   results with their intervals, in at most 100 columns
export    --csv and --latex of every command that prints a table
streams   output that does not arrive: the disk is full, or nobody reads it
"""
