"""Compares systems two by two.

comparison          every two systems of finished runs, on the same test clips
comparison_results  what a comparison found
trial_comparison    every two systems of trials, seed by seed
"""
