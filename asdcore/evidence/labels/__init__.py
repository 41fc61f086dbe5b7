"""Where ground truth is read, matched with clips and joined with scores. Nothing else opens a label.

files              reads score files and ground truth files
score_lines        reads lines ``<clip>,<value>`` strictly
truth              the ground truth of a run's test clips, from files or from the names of recordings
matching           scores, clips and ground truth must match, clip name by clip name
scores_with_truth  joins all of them into one table
labels_of_windows  gives a window the label of its recording
held_back          test clips that chose the weights of a portfolio must not judge it
"""
