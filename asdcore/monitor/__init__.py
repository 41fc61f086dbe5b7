"""A detector that listens, window after window: to a long recording, a folder that fills, or a stream.

sources        recordings in blocks: a long file, a folder that fills, a pipe
windows        cuts blocks into windows; a detector judges each
alarms         windows -> alarms: k of n above the threshold
promise        a budget of false alarms -> the threshold of a window
drift          has normal sound changed?
sorted_values  values in order, of which ranks are asked
change         asks that of scores, level and spectrum
level          how loud a window is, and where its sound lies
explained      what stands out in windows of an alarm
keep_audio     keeps the sound before an alarm
journal        the file that keeps all of it
past           what follows from that file
checkpoint     keeps it, so that a restart need not read all of the file
setup          length of windows, rule of alarms, threshold
monitor        all of it
"""
