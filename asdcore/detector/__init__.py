"""A frozen portfolio in one file, to carry to where the machines are, and to ask for the score of one clip.

container             the file: a zip of a manifest and of pinned files, each checked by its hash
export                writes it, from a manifest
load                  brings a detector back from its file
detector              all of it: load_detector(path).score(audio, sample_rate, machine)
recording             the same of a file of any length
readers               whether a logger's file is read here as where it was frozen

listen                sound -> features of every branch
branches              features -> scores of every branch, by frozen scorers
systems               scores -> calibrated, fused, decided, and the share of every branch and guard
machine               one machine and section: its branches and systems, brought back when it is first asked for
verdict               what is said of one clip
parts                 what makes the scores of one machine

adapting/             a detector learns that normal sound has changed
baselines             one machine with several baselines
adapted               a detector that holds several others
adapted_file          the file of an adapted detector

feature_shares        divides the score of a branch among its features, if its scorer is a sum over them
contributions         divides a fused score among its branches, so that the parts add up to it

as_onnx/              a detector as one ONNX file
"""
