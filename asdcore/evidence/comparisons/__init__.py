"""Compares systems: with labels, two by two, and without labels.

comparison          every two systems of finished runs, on the same test clips
comparison_results  what a comparison found
trial_comparison    every two systems of trials, seed by seed
criteria            ranks systems without labels
"""
