"""Shows each machine: its scores, and the clips that stand highest.

machines        distributions, ROC curves and the highest clips of each machine
machines_shown  what the page shows of them
pictures        their spectrograms and sound
shares          what adds up to the scores of the clips shown
explained       which band and seconds of them stand out
"""
