"""Write, pack and check a submission to the challenge.

package         writes the folder and the zip of the challenge
chosen_systems  the systems of a submission, from one or several runs
layout          labels of systems, names of files
meta            the file ``<label>.meta.yaml``
check           would the official evaluator score a submission as intended?
score_files     checks the score files of one system
archive         reads a folder or zip without trusting it
"""
